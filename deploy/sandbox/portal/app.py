"""The portal as an application: its addresses, and what ends a request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from card.faults import Fault
from card.pages import Pages
from delegation.client import DecisionUnavailable, NotForThis, TokenRefused
from deploy.sandbox.portal.counter import Counter
from deploy.sandbox.portal.developer import Developer
from deploy.sandbox.portal.filing import Filing
from deploy.sandbox.portal.login import COUNTER, Login, WardLogin
from deploy.sandbox.portal.portal import Portal


def create_portal(portal: Portal, ward: WardLogin, secret: str) -> Starlette:
    """The portal as an ASGI application.

    :param ward: Authlib's client of the ward's provider.
    :param secret: signs the cookie, which holds a random key and the `state` of a login under way.
    """
    login = Login(portal, ward)
    filing, developer, counter = Filing(portal, login), Developer(portal), Counter(portal, login)

    async def home(request: Request) -> Response:
        contexts = portal.visits.of(request).contexts
        open_ones = {id_: context for id_, context in contexts.items() if not context.over}
        return portal.page(request, "home", contexts=open_ones)

    ends: Mapping[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        DecisionUnavailable: portal.unavailable,
        TokenRefused: portal.over,
        NotForThis: portal.mixed,
        Fault: portal.faulted,
        HTTPException: portal.missing,
    }
    return Starlette(
        routes=[
            Route("/", home),
            Route("/login", login.begin),
            Route("/callback", login.callback),
            Route("/logout", login.end, methods=["POST"]),
            Route("/bye", login.bye),
            Route("/as/{context}", filing.desk),
            Route("/as/{context}/file/{procedure}", filing.form),
            Route("/as/{context}/file/{procedure}", filing.file, methods=["POST"]),
            Route("/as/{context}/filed", filing.receipt),
            Route("/developer", developer.show),
            Route(COUNTER, counter.show),
            Route(COUNTER, counter.take, methods=["POST"]),
            Route(f"{COUNTER}/read", counter.read),
            Route(f"{COUNTER}/taken/{{once}}", counter.receipt),
            Mount("/static", Pages.static()),
        ],
        exception_handlers=ends,
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=secret,
                session_cookie="__Host-kaigo-portal",
                same_site="lax",
                https_only=True,  # browsers count http://localhost as secure
                max_age=None,
            )
        ],
    )
