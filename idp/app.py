"""The composition root: one application a ward, behind one edge."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from assurance.database import StorageUnavailable
from assurance.wards import ward_name
from card.faults import Fault
from card.pages import Pages
from card.pages.forms import refuse_foreign_pages
from delegation.audit.proofs import proof_routes
from delegation.evaluation import evaluation_routes
from delegation.evaluation import metadata as decision_metadata
from delegation.pages import page_routes
from idp.account.routes import account_routes
from idp.authorization.routes import authorization_routes, resume_routes
from idp.delegating import parts_of
from idp.end_session import end_session_routes
from idp.faults import RETRY_LATER, answer
from idp.login.by_card import card_answer_routes
from idp.login.routes import login_routes
from idp.logs import RequestLog
from idp.metadata import jwks, metadata
from idp.services import Services
from idp.token.routes import token_routes


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


def _ward_app(services: Services) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    def enter(request: Request) -> None:
        request.state.site = ward_name(services.ward.code, services.pages.locale(request))

    def from_our_pages(request: Request) -> None:
        refuse_foreign_pages(request, services.ward.origin)

    async def faulted(request: Request, error: Exception) -> Response:
        enter(request)
        if isinstance(error, StorageUnavailable):
            error = Fault("storage.unavailable")
        elif not isinstance(error, Fault):
            error = Fault("request.unknown_page")
        return answer(services.pages, request, error, back=_came_from(services, request))

    handled: Callable[[Request, Any], Awaitable[Response]] = faulted
    for kind in (Fault, StorageUnavailable, HTTPException):
        app.add_exception_handler(kind, handled)
    pages = [Depends(enter), Depends(from_our_pages)]
    app.include_router(login_routes(services), dependencies=pages)
    app.include_router(account_routes(services), dependencies=pages)
    app.include_router(resume_routes(services), dependencies=pages)
    app.include_router(end_session_routes(services), dependencies=pages)
    parts = parts_of(services)
    app.include_router(page_routes(parts), dependencies=pages)
    proofs = proof_routes(services.database, services.ward.code)
    app.include_router(proofs, dependencies=[Depends(enter)])
    for routes in (card_answer_routes, authorization_routes):
        app.include_router(routes(services), dependencies=[Depends(enter)])

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return JSONResponse(metadata(services))

    @app.get("/.well-known/authzen-configuration")
    def decisions() -> Response:
        return JSONResponse(decision_metadata(services.ward.issuer))

    @app.get("/jwks.json")
    def keys() -> Response:
        return JSONResponse(jwks(services))

    return app


def _while_storage_answers(route: Route) -> Route:
    """A dependency that is down is 503 with `Retry-After`, in JSON (RFC 9110 §15.6.4)."""
    endpoint = route.endpoint

    async def answered(request: Request) -> Response:
        try:
            response: Response = await endpoint(request)
        except StorageUnavailable:
            return JSONResponse({"error": "temporarily_unavailable"}, 503, RETRY_LATER)
        return response

    return Route(route.path, answered, methods=route.methods)


def _hot_routes(services: Services) -> Sequence[BaseRoute]:
    """The endpoints that systems call all the time: plain routes on the batch door, ahead of the pages."""
    return [
        _while_storage_answers(route)
        for route in (*token_routes(services), *evaluation_routes(parts_of(services)))
    ]


def create_app(wards: Sequence[Services], background: Sequence[Background] = ()) -> Starlette:
    """The whole service. A ward with a host of its own is found by it, one with a path by that.

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

    def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def ready(_request: Request) -> Response:
        answers = all(services.database.answers() for services in wards)
        return JSONResponse({"database": answers}, status_code=200 if answers else 503)

    def inserted(name: str, path: str, document: Mapping[str, object]) -> BaseRoute:
        def answer_metadata(_request: Request) -> Response:
            return JSONResponse(document)

        return Route(f"/.well-known/{name}{path}", answer_metadata)

    def mounted(services: Services) -> BaseRoute:
        app = Router([*_hot_routes(services), Mount("/", _ward_app(services))])
        if services.ward.path:
            return Mount(services.ward.path, app)
        return Host(services.ward.origin.partition("://")[2], app)

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Mount("/static", Pages.static()),
            *(
                inserted(name, services.ward.path, document)
                for services in wards
                if services.ward.path
                for name, document in (
                    ("oauth-authorization-server", metadata(services)),
                    ("authzen-configuration", decision_metadata(services.ward.issuer)),
                )
            ),
            *(mounted(services) for services in wards),
        ],
    )
    app.add_middleware(RequestLog)
    return app
