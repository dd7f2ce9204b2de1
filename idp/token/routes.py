"""POST /token, /introspect, /revoke and /userinfo: the hot endpoints, on the batch door."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance.batch import Outcome
from assurance.events import EventName
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import bearer, read_body
from idp.authorization.request import single
from idp.clients import Client
from idp.services import Services
from idp.token.claims import claims_about
from idp.token.client_authentication import named_client
from idp.token.lookups import Kind, Known
from idp.token.plan import Loaded, Plan
from idp.token.presented import Presented, authorization_of, presented
from idp.token.server import TokenServer, authenticate, respond
from idp.token.standing import Standing

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_REDEEMED: Final = {
    "authorization_code": (Kind.CODE, "code"),
    "refresh_token": (Kind.REFRESH, "refresh_token"),
}
Form = Mapping[str, str]
Answer = tuple[int, str]


async def _form(request: Request) -> dict[str, str] | None:
    try:
        body = await read_body(request)
        if b"\x00" in body or b"%00" in body:
            return None
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


def _headers(request: Request) -> dict[str, str]:
    return {"Authorization": request.headers["authorization"]} if "authorization" in request.headers else {}


class _Endpoints:
    """The endpoints of one ward."""

    def __init__(self, services: Services) -> None:
        self._services = services

    # What a request needs is asked for at once, so that it joins one batch.

    async def _load(
        self, form: Form, headers: Form, *, shown: tuple[Kind, str] | None, token: str = ""
    ) -> tuple[Loaded, Standing | None]:
        look, (named, jti) = self._services.lookups, named_client(form, headers)
        client, used = look.client(named), look.used_jti(named, jti) if jti else None
        redeemed = None if shown is None else look.redeemable(*shown)
        claims = self._services.tokens.read(token) if token else None
        standing = None if claims is None else look.standing(authorization_of(claims))
        asked = [future for future in (client, used, redeemed, standing) if future is not None]
        await asyncio.gather(*asked)
        redeemable = None if redeemed is None else redeemed.result()
        known: dict[PersonId, Known] = {} if redeemable is None else await self._known(redeemable.standing)
        loaded = Loaded(
            client=client.result(),
            used=bool(used is not None and used.result()),
            redeemable=redeemable,
            known=known,
        )
        return loaded, None if standing is None else standing.result()

    async def _known(self, standing: Standing) -> dict[str, Known]:
        """What the client may be told of the people of a delegated authorization."""
        if standing.principal is None:
            return {}
        people = (standing.person, standing.principal)
        found = await asyncio.gather(*(self._services.lookups.known(person) for person in people))
        return {person: known for person, known in zip(people, found, strict=True) if known is not None}

    async def _kept(self, plan: Plan, answer: Answer) -> Answer:
        """Make durable what an answer rests on; only then is it one."""
        writing = plan.writing()
        outcome = Outcome.WON if writing is None else await self._services.lookups.commit(writing)
        if outcome is Outcome.LOST:
            return _error("invalid_grant")
        if outcome is Outcome.TAKEN:
            if not plan.uses_assertion:
                raise RuntimeError("a row of random keys was there already")
            return _error("invalid_client", 401)
        return answer

    async def token(self, request: Request) -> Response:
        """Token endpoint (RFC 6749 §3.2)."""
        form, headers = await _form(request), _headers(request)
        if form is None:
            return _json(*_error("invalid_request"))
        found = _REDEEMED.get(form.get("grant_type", ""))
        shown = None if found is None else (found[0], form.get(found[1], ""))
        loaded, _ = await self._load(form, headers, shown=shown)
        server = TokenServer(self._services, loaded)
        answer = respond(server, form, headers)
        if answer[0] == 401 and loaded.client is not None:
            server.plan.record(EventName.CLIENT_REFUSED, client=loaded.client.client_id)
        return _json(*await self._kept(server.plan, answer))

    async def _as_client(
        self,
        request: Request,
        judge: Callable[[Plan, Client, Loaded, Presented | None], Answer],
        *,
        may_be_refresh_token: bool,
    ) -> Response:
        """Let only authenticated clients in (RFC 7662 §2.1, RFC 7009 §2.1)."""
        form, headers = await _form(request), _headers(request)
        if form is None:
            return _json(*_error("invalid_request"))
        token, tokens = form.get("token", ""), self._services.tokens
        shown = (Kind.REFRESH, token) if may_be_refresh_token else None
        loaded, standing = await self._load(form, headers, shown=shown, token=token)
        server = TokenServer(self._services, loaded)
        client = authenticate(server, form, headers)
        if client is None:
            return _json(*_error("invalid_client", 401))
        live = presented(tokens.read(token) if token else None, standing, self._services.clock.now())
        return _json(*await self._kept(server.plan, judge(server.plan, client, loaded, live)))

    async def introspect(self, request: Request) -> Response:
        """RFC 7662 §2.2: a token that is not for this caller is not active to it."""

        def judge(_plan: Plan, client: Client, _: Loaded, live: Presented | None) -> Answer:
            if live is None or live.claims["aud"] != client.audience:
                return 200, json.dumps({"active": False})
            return 200, json.dumps({"active": True, "token_type": "Bearer", **live.claims})

        return await self._as_client(request, judge, may_be_refresh_token=False)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009 §2.1: ends what the token hangs from; an unknown token is no error (§2.2)."""

        def judge(plan: Plan, client: Client, loaded: Loaded, live: Presented | None) -> Answer:
            standing = None if live is None else live.standing
            if loaded.redeemable is not None:
                standing = loaded.redeemable.standing
            if standing is not None and standing.client_id == client.client_id and not standing.ended:
                plan.end(standing, EventName.TOKEN_REVOKED)
            return 200, "{}"

        return await self._as_client(request, judge, may_be_refresh_token=True)

    async def userinfo(self, request: Request) -> Response:
        """UserInfo endpoint (OIDC Core §5.3)."""
        services = self._services
        claims = services.tokens.read(bearer(request))
        standing = None if claims is None else await services.lookups.standing(authorization_of(claims))
        shown = presented(claims, standing, services.clock.now())
        login = (
            None if shown is None else shown.standing.live_login(services.clock.now(), services.thresholds)
        )
        if shown is None or login is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return JSONResponse({"error": "invalid_token"}, 401, challenge | _NO_STORE)
        if "openid" not in shown.scopes:
            challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
            return JSONResponse({"error": "insufficient_scope"}, 403, challenge | _NO_STORE)
        known = await services.lookups.known(login.person)
        told = {"sub": shown.claims["sub"]} | claims_about(login, known, shown.scopes)
        return JSONResponse(told, headers=_NO_STORE)


def token_routes(services: Services) -> Sequence[Route]:
    """The endpoints of one ward."""
    endpoints = _Endpoints(services)
    posted: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/token": endpoints.token,
        "/introspect": endpoints.introspect,
        "/revoke": endpoints.revoke,
    }
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in posted.items()]
    return [*routes, Route("/userinfo", endpoints.userinfo, methods=["GET", "POST"])]
