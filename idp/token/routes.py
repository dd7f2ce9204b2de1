"""POST /token, /introspect, /revoke and /userinfo: the hot endpoints, on the batch door."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance.batch import Outcome
from assurance.events import EventName
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import bearer, read_body
from idp.authorization.request import of_form
from idp.clients import Client
from idp.services import Services
from idp.token.claims import claims_about
from idp.token.client_authentication import read_claimed, shows_two
from idp.token.lookups import Kind, Known
from idp.token.mint import login_claims
from idp.token.plan import Loaded, Plan
from idp.token.presented import authorization_of, presented
from idp.token.server import TokenServer, authenticate, respond
from idp.token.standing import Standing

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_REDEEMED: Final = {
    "authorization_code": (Kind.CODE, "code"),
    "refresh_token": (Kind.REFRESH, "refresh_token"),
}
Form = Mapping[str, str]
Answer = tuple[int, str]
Claims = Mapping[str, object]
Judge = Callable[[Plan, Client, Loaded, Claims | None, Standing | None], Answer]


async def _form(request: Request) -> dict[str, str] | None:
    """The form; None for one that is malformed (RFC 6749 §5.2)."""
    try:
        body = await read_body(request)
        if b"\x00" in body or b"%00" in body:
            return None
        form = of_form(request, body.decode("utf-8"))
    except (Fault, UnicodeDecodeError):
        return None
    return None if shows_two(form, request.headers.get("authorization")) else form


def _json(status: int, body: str) -> Response:
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="token"'
    return Response(body, status, headers, media_type="application/json")


def _error(error: str, status: int = 400) -> Answer:
    return status, json.dumps({"error": error})


class _Endpoints:
    """The endpoints of one ward."""

    def __init__(self, services: Services) -> None:
        self._services = services

    # What a request needs is asked for at once, so that it joins one batch.

    async def _load(
        self, form: Form, request: Request, *, shown: tuple[Kind, str] | None, claims: Claims | None = None
    ) -> tuple[Loaded, Standing | None]:
        look, claimed = self._services.lookups, read_claimed(form, request.headers.get("authorization"))
        client = look.client(claimed.client_id)
        used = look.used_jti(claimed.client_id, claimed.jti) if claimed.jti else None
        redeemed = None if shown is None else look.redeemable(*shown)
        standing = None if claims is None else look.standing(authorization_of(claims))
        asked = [future for future in (client, used, redeemed, standing) if future is not None]
        await asyncio.gather(*asked)
        redeemable = None if redeemed is None else redeemed.result()
        loaded = Loaded(
            client=client.result(),
            secret=claimed.secret,
            used=bool(used is not None and used.result()),
            redeemable=redeemable,
            known={} if redeemable is None else await self._known(redeemable.standing),
        )
        return loaded, None if standing is None else standing.result()

    async def _known(self, standing: Standing) -> dict[PersonId, Known]:
        """What the client may be told of the people of a delegated authorization."""
        people = () if standing.principal is None else (standing.person, standing.principal)
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
        form = await _form(request)
        if form is None or not form.get("grant_type"):
            return _json(*_error("invalid_request"))
        found = _REDEEMED.get(form["grant_type"])
        shown = None if found is None else (found[0], form.get(found[1], ""))
        loaded, _ = await self._load(form, request, shown=shown)
        server = TokenServer(self._services, loaded)
        answer = respond(server, form)
        if answer[0] == 401:
            self._note_refused(server.plan, loaded)
        return _json(*await self._kept(server.plan, answer))

    def _note_refused(self, plan: Plan, loaded: Loaded) -> None:
        """A failed authentication is audited, where a client was meant."""
        if loaded.client is not None:
            plan.record(EventName.CLIENT_REFUSED, client=loaded.client.client_id)

    async def _as_client(self, request: Request, judge: Judge, *, may_be_refresh_token: bool) -> Response:
        """Let only authenticated clients in (RFC 7662 §2.1, RFC 7009 §2.1)."""
        form = await _form(request)
        if form is None or not form.get("token"):
            return _json(*_error("invalid_request"))
        token = form["token"]
        claims = self._services.tokens.read(token)
        shown = (Kind.REFRESH, token) if may_be_refresh_token else None
        loaded, standing = await self._load(form, request, shown=shown, claims=claims)
        server = TokenServer(self._services, loaded)
        client, answer = authenticate(server, form), _error("invalid_client", 401)
        if client is None:
            self._note_refused(server.plan, loaded)
        else:
            answer = judge(server.plan, client, loaded, claims, standing)
        return _json(*await self._kept(server.plan, answer))

    async def introspect(self, request: Request) -> Response:
        """RFC 7662 §2.2: a token that is not for this caller is not active to it.

        How strong its login is, it says as of now: a credential may have been removed since.
        """
        services = self._services

        def judge(
            _plan: Plan, client: Client, _: Loaded, claims: Claims | None, standing: Standing | None
        ) -> Answer:
            live = presented(claims, standing, services.clock.now(), services.thresholds)
            if live is None or live.claims["aud"] != client.audience:
                return 200, json.dumps({"active": False})
            now = {"active": True, "token_type": "Bearer", **live.claims, **login_claims(live.login)}
            return 200, json.dumps(now)

        return await self._as_client(request, judge, may_be_refresh_token=False)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009 §2.1: ends what the token hangs from, also while it is on hold.

        An unknown token is no error (§2.2); a client's own token hangs from nothing (§2.2.1).
        """

        def judge(
            plan: Plan, client: Client, loaded: Loaded, claims: Claims | None, standing: Standing | None
        ) -> Answer:
            if loaded.redeemable is not None:
                standing = loaded.redeemable.standing
            if standing is None and claims is not None and claims["client_id"] == client.client_id:
                return _error("unsupported_token_type")
            if standing is not None and standing.client_id == client.client_id and not standing.ended:
                plan.end(standing, EventName.TOKEN_REVOKED)
            return 200, "{}"

        return await self._as_client(request, judge, may_be_refresh_token=True)

    async def userinfo(self, request: Request) -> Response:
        """UserInfo endpoint (OIDC Core §5.3)."""
        services, token = self._services, bearer(request)
        claims = services.tokens.read(token)
        standing = None if claims is None else await services.lookups.standing(authorization_of(claims))
        shown = presented(claims, standing, services.clock.now(), services.thresholds)
        if shown is None:
            said = 'Bearer error="invalid_token"' if token else "Bearer"  # RFC 6750 §3.1
            return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": said} | _NO_STORE)
        if "openid" not in shown.scopes:
            challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'}
            return JSONResponse({"error": "insufficient_scope"}, 403, challenge | _NO_STORE)
        known = await services.lookups.known(shown.login.person)
        told = {"sub": shown.claims["sub"]} | claims_about(shown.login, known, shown.scopes)
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
