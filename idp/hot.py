"""The endpoints that systems call all the time: plain routes, ahead of the pages, refused in JSON."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assurance.database import StorageUnavailable
from card.faults import Fault
from delegation.evaluation import evaluation_routes
from idp.delegating import parts_of
from idp.faults import ALL, RETRY_LATER
from idp.logs import log_unavailable
from idp.services import Services
from idp.token.routes import token_routes

_UNAVAILABLE: Final = {
    "error": "temporarily_unavailable",
    "error_description": "nothing was lost; please try again in a few seconds",
}


class HotRoute(Route):
    """A route whose path is its own whatever the method: no page lies behind it."""

    def __init__(self, route: Route) -> None:
        endpoint = route.endpoint

        async def answered(request: Request) -> Response:
            """A dependency that is down is 503 with `Retry-After` (RFC 9110 §15.6.4)."""
            try:
                response: Response = await endpoint(request)
            except StorageUnavailable as error:
                log_unavailable(error)
                return JSONResponse(_UNAVAILABLE, 503, RETRY_LATER)
            except Fault as fault:
                return JSONResponse({"error": "invalid_request"}, ALL[fault.code].status)
            return response

        super().__init__(route.path, answered, methods=sorted(route.methods or ()))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Also with a method that it does not serve."""
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; another method is 405 with `Allow` (RFC 9110 §15.5.6)."""
        allowed = self.methods or set()
        response: Response
        if scope["method"] in allowed:
            response = await self.endpoint(Request(scope, receive))
        else:
            allow = ", ".join(sorted(allowed))
            response = JSONResponse({"error": "invalid_request"}, 405, {"Allow": allow})
        await response(scope, receive, send)


def hot_routes(services: Services) -> Sequence[HotRoute]:
    """Those of one ward."""
    routes = (*token_routes(services), *evaluation_routes(parts_of(services)))
    return [HotRoute(route) for route in routes]


class HotPaths:
    """ASGI middleware that finds these endpoints by their whole address.

    The router finds them too, past health, static files and a mount of each ward, asking one route after the
    other: a tenth of an introspection. It gets whatever is spelt otherwise, such as a host with its port.
    """

    def __init__(self, app: ASGIApp, wards: Sequence[Services]) -> None:
        self._app = app
        self._routes: Mapping[tuple[str, str], HotRoute] = {
            (_host_of(services), services.address(route.path)): route
            for services in wards
            for route in hot_routes(services)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        route = None
        if scope["type"] == "http":
            path = scope["path"]
            route = self._routes.get(("", path)) or self._routes.get((_asked_host(scope), path))
        await (self._app if route is None else route.handle)(scope, receive, send)


def _host_of(services: Services) -> str:
    """The host by which a ward is found; empty for one that is found by its path."""
    return "" if services.ward.path else services.ward.origin.partition("://")[2]


def _asked_host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
