"""POST /token, /introspect, /revoke and /userinfo."""

import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from assurance.database import Unit
from assurance.events import EventName
from assurance.handles import hashed
from card.faults import Fault
from idp.authorization.request import single
from idp.clients import Client
from idp.services import Services
from idp.tables import AuthorizationRow, RefreshTokenRow
from idp.token.claims import claims_about
from idp.token.presented import present
from idp.token.server import OAuth2Error, TokenServer, authenticate, end_authorization, respond

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_BYTES: Final = 64 * 1024
Answer = tuple[int, str]
Handler = Callable[[Services, Unit, Mapping[str, str], Mapping[str, str]], Answer]


async def _form(request: Request) -> dict[str, str] | None:
    body = await request.body()
    if len(body) > _MOST_BYTES or b"\x00" in body or b"%00" in body:
        return None
    try:
        return single(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
    except (Fault, UnicodeDecodeError):
        return None


def _json(status: int, body: str) -> Response:
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="token"'
    return Response(body, status, headers, media_type="application/json")


def _error(error: str, status: int = 400) -> Answer:
    return status, json.dumps({"error": error})


def _token(services: Services, unit: Unit, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    return respond(TokenServer(services, unit), form, headers)


def _as_client(
    answer: Callable[[Services, Unit, Mapping[str, str], Client], Answer],
) -> Handler:
    """Let only authenticated clients in (RFC 7662 §2.1, RFC 7009 §2.1)."""

    def handle(services: Services, unit: Unit, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        try:
            client = authenticate(TokenServer(services, unit), form, headers)
        except OAuth2Error:
            return _error("invalid_client", 401)
        return answer(services, unit, form, client)

    return handle


def _introspect(services: Services, unit: Unit, form: Mapping[str, str], client: Client) -> Answer:
    """RFC 7662 §2.2: a token that is not for this caller is not active to it."""
    presented = present(unit.session, services, form.get("token", ""))
    if presented is None or presented.claims["aud"] != client.audience:
        return 200, json.dumps({"active": False})
    return 200, json.dumps({"active": True, "token_type": "Bearer", **presented.claims})


def _revoke(services: Services, unit: Unit, form: Mapping[str, str], client: Client) -> Answer:
    """RFC 7009 §2.1: ends what the token hangs from; an unknown token is no error (§2.2)."""
    token, authorization = form.get("token", ""), None
    row = unit.session.get(RefreshTokenRow, (unit.ward, hashed(token)))
    if row is not None:
        authorization = unit.session.get(AuthorizationRow, (unit.ward, row.authorization))
    else:
        presented = present(unit.session, services, token)
        authorization = None if presented is None else presented.authorization
    if authorization is not None and authorization.client_id == client.client_id:
        end_authorization(unit, authorization, services.clock.now(), EventName.TOKEN_REVOKED)
    return 200, "{}"


def _userinfo(services: Services, token: str) -> Response:
    with services.database.writing(services.ward.code) as unit:
        presented = present(unit.session, services, token)
        if presented is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, challenge | _NO_STORE)
        if "openid" not in presented.scopes:
            challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
            return JSONResponse({"error": "insufficient_scope"}, 403, challenge | _NO_STORE)
        claims = {"sub": presented.claims["sub"]}
        claims |= claims_about(unit, services, presented.login, presented.scopes)
        return JSONResponse(claims, headers=_NO_STORE)


def bearer(request: Request) -> str:
    """The token of a request's header (RFC 6750 §2.1), or an empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def token_routes(services: Services) -> APIRouter:
    """The endpoints of one ward."""
    router = APIRouter()

    def serve(path: str, handler: Handler) -> None:
        def work(form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
            with services.database.writing(services.ward.code) as unit:
                return _json(*handler(services, unit, form, headers))

        @router.post(path)
        async def endpoint(request: Request) -> Response:
            form = await _form(request)
            if form is None:
                return _json(*_error("invalid_request"))
            headers = {name.title(): value for name, value in request.headers.items()}
            return await run_in_threadpool(work, form, headers)

    serve("/token", _token)
    serve("/introspect", _as_client(_introspect))
    serve("/revoke", _as_client(_revoke))

    @router.get("/userinfo")
    @router.post("/userinfo")
    def userinfo(request: Request) -> Response:
        return _userinfo(services, bearer(request))

    return router
