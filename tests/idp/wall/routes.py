"""The routes of an application, from its own routing table."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount, Route, Router


def _below(routes: Sequence[BaseRoute], host: str) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Host) and route.host != host:
            continue
        if isinstance(route, Host | Mount) and isinstance(route.app, FastAPI):
            for found in iter_route_contexts(route.app.routes):
                yield from (f"{method} {found.path}" for method in found.methods or ())
        elif isinstance(route, Host | Mount) and isinstance(route.app, Router):
            yield from _below(route.app.routes, host)
        elif isinstance(route, Route):
            yield from (f"{method} {route.path}" for method in (route.methods or ()) if method != "HEAD")


def routes_of(app: Any, host: str) -> set[str]:
    """Method and path of every route that a host answers, also of those that no document names."""
    return set(_below(app.routes, host))
