"""The composition root: one application a ward, behind one edge."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from assurance.database import StorageUnavailable
from assurance.wards import ward_name
from card.faults import Fault
from card.pages import Pages
from card.pages.forms import refuse_foreign_pages, see_other
from delegation.audit.proofs import proof_routes
from delegation.pages import page_routes
from idp.account.app import app_link_routes
from idp.account.gbizid import gbizid_routes
from idp.account.routes import account_routes
from idp.authorization.routes import authorization_routes, resume_routes
from idp.delegating import parts_of
from idp.end_session import confirm_routes, end_session_routes
from idp.faults import answer, problem, unexpected
from idp.health import health_routes
from idp.hot import HotPaths, hot_routes
from idp.login.by_card import card_answer_routes
from idp.login.routes import login_routes
from idp.logs import RequestLog
from idp.metadata import discovery_routes, inserted_routes
from idp.services import Services

_FOUND_BY_FRAMEWORK: Final = {404: "request.unknown_page", 405: "request.method"}


class Background(Protocol):
    """Work beside the requests."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Finish what is begun."""


def _came_from(services: Services, request: Request) -> str | None:
    """The page of ours on which a form was; nothing typed there is lost by going back."""
    referer = request.headers.get("referer", "")
    ours = request.method == "POST" and referer.startswith(f"{services.ward.issuer}/")
    return referer if ours else None


def _as_fault(error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, StorageUnavailable):
        fault = Fault("storage.unavailable")
    else:
        code = error.status_code if isinstance(error, HTTPException) else 400
        fault = Fault(_FOUND_BY_FRAMEWORK.get(code, "request.unreadable"))
    fault.__cause__ = error
    return fault


def _ward_app(services: Services) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for_systems = services.address("/audit/")

    def enter(request: Request) -> None:
        request.state.site = ward_name(services.ward.code, services.pages.locale(request))
        request.state.home = services.address("/account")

    def from_our_pages(request: Request) -> None:
        refuse_foreign_pages(request, services.ward.origin)

    async def faulted(request: Request, error: Exception) -> Response:
        """In the form that who asks can read: a page, or problem details (RFC 9457)."""
        enter(request)
        found = error if isinstance(error, HTTPException) else None
        status, headers = (None, None) if found is None else (found.status_code, found.headers)
        if request.url.path.startswith(for_systems):
            return problem(services.pages, request, _as_fault(error), status=status, headers=headers)
        back = _came_from(services, request)
        return answer(services.pages, request, _as_fault(error), back=back, status=status, headers=headers)

    async def broken(request: Request, error: Exception) -> Response:
        """Nobody's refusal: the log, further out, says what it was."""
        del error
        enter(request)
        return unexpected(services.pages, request)

    handled: Callable[[Request, Any], Awaitable[Response]] = faulted
    for kind in (Fault, StorageUnavailable, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handled)
    app.add_exception_handler(Exception, broken)
    pages = [Depends(enter), Depends(from_our_pages)]
    of_people = (login_routes, account_routes, app_link_routes, gbizid_routes, resume_routes, confirm_routes)
    for of_pages in of_people:
        app.include_router(of_pages(services), dependencies=pages)
    app.include_router(page_routes(parts_of(services)), dependencies=pages)
    proofs = proof_routes(services.database, services.ward.code)
    app.include_router(proofs, dependencies=[Depends(enter)])
    for of_others in (card_answer_routes, authorization_routes, end_session_routes):
        app.include_router(of_others(services), dependencies=[Depends(enter)])
    return app


def _mounted(services: Services) -> Sequence[BaseRoute]:
    """A ward at its host, or below its path; the path alone leads to its first page."""
    routes = [*hot_routes(services), *discovery_routes(services)]
    if not services.ward.path:
        routes += inserted_routes(services)
    app = Router([*routes, Mount("/", _ward_app(services))], redirect_slashes=False)
    if not services.ward.path:
        return [Host(services.ward.origin.partition("://")[2], app)]

    async def first_page(_request: Request) -> Response:
        return see_other(services.address("/account"))

    path = services.ward.path
    return [*inserted_routes(services), Route(path, first_page), Mount(path, app)]


def create_app(wards: Sequence[Services], background: Sequence[Background] = ()) -> Starlette:
    """The whole service. A ward with a host of its own is found by it, one with a path by that.

    No address leads to its twin with or without a slash: that answer would be built from the `Host` header.

    :param background: started with the service, and stopped gracefully with it.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        for work in background:
            work.start()
        yield
        for batch in {id(services.batch): services.batch for services in wards}.values():
            await run_in_threadpool(batch.stop)
        for work in background:
            await run_in_threadpool(work.stop)

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *health_routes(wards),
            Mount("/static", Pages.static()),
            *(route for services in wards for route in _mounted(services)),
        ],
    )
    app.router.redirect_slashes = False
    app.add_middleware(HotPaths, wards=wards)
    app.add_middleware(RequestLog)
    return app
