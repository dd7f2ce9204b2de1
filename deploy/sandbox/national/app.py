"""The national app's addresses, and the page on which one chooses whose phone answers what."""

import asyncio
from typing import Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from card.pages import Pages, Source
from card.pages.forms import bearer, read_posted
from deploy.sandbox.national.provider import BASE, NationalApp, Refused

_SLOW_S: Final = 8.0
"""Longer than a ward waits."""
_TOKEN_FORM: Final = (
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "client_id",
    "client_assertion_type",
    "client_assertion",
)


def create_app(national: NationalApp, slow_s: float = _SLOW_S) -> Starlette:
    """The service."""
    pages = Pages([Source("sandbox", "deploy.sandbox")], ["card", "deploy.sandbox"])

    def home(request: Request) -> Response:
        return pages.render(request, "sandbox/national/home.html")

    def metadata(_request: Request) -> Response:
        return JSONResponse(national.metadata())

    def certs(_request: Request) -> Response:
        return JSONResponse({"keys": [national.signer.public_jwk()]})

    def authorize(request: Request) -> Response:
        try:
            id_ = national.begin(dict(request.query_params))
        except Refused as refused:
            return pages.render(request, "sandbox/national/home.html", {"error": str(refused)}, status=400)
        context = {"id": id_, "phones": national.phones}
        return pages.render(request, "sandbox/national/phone.html", context, leads_out=True)

    async def choose(request: Request) -> Response:
        form = await read_posted(request)
        answer, _, phone = form.one("answer").partition(".")
        try:
            if answer == "no":
                address, told = national.declined(form.one("id"))
            else:
                address, told = national.answered(form.one("id"), phone, slow=answer == "slow")
        except (Refused, KeyError):
            return pages.render(
                request, "sandbox/national/home.html", {"error": "invalid_request"}, status=400
            )
        return RedirectResponse(f"{address}?{urlencode(told)}", 302)

    async def token(request: Request) -> Response:
        posted = await read_posted(request)
        form = {name: posted.one(name) for name in _TOKEN_FORM}
        if national.keeps_waiting(form):
            await asyncio.sleep(slow_s)
            return JSONResponse({"error": "temporarily_unavailable"}, 503)
        try:
            return JSONResponse(national.token(form), headers={"Cache-Control": "no-store"})
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, 401 if str(refused) == "invalid_client" else 400)

    def userinfo(request: Request) -> Response:
        try:
            return JSONResponse(national.userinfo(bearer(request)))
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, 401)

    protocol = f"{BASE}/protocol/openid-connect"
    return Starlette(
        routes=[
            Route("/", home),
            Mount("/static", Pages.static()),
            Route(f"{BASE}/.well-known/openid-configuration", metadata),
            Route(f"{protocol}/certs", certs),
            Route(f"{protocol}/auth", authorize),
            Route(f"{protocol}/auth", choose, methods=["POST"]),
            Route(f"{protocol}/token", token, methods=["POST"]),
            Route(f"{protocol}/userinfo", userinfo),
        ]
    )
