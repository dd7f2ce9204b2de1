"""Sending a browser to an upstream, and taking what it brings back.

The answer is taken and acted on in one unit, and a refusal costs it. The upstream is asked before that unit
begins: nobody waits for somebody else's network under the one write lock.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import challenges
from assurance.database import Unit
from assurance.events import Event, EventName
from card.faults import Fault
from card.jose import b64url_encode
from card.pages.forms import see_other
from idp import answers, interactions
from idp.answers import Brought
from idp.cookies import Cookie
from idp.faults import Stranded, answer
from idp.services import Services
from idp.upstream.identity import Identity
from idp.upstream.provider import Outing, UpstreamProvider

_CHALLENGE: Final = "upstream"
_LIFETIME: Final = timedelta(minutes=10)
"""For the phone, its app and the card: she is 78."""
_SAID: Final = ("code", "iss", "error")
_LONGEST: Final = 2048
_DENIED: Final = "access_denied"
_LATER: Final = frozenset({"server_error", "temporarily_unavailable"})


def callback(services: Services, upstream: UpstreamProvider) -> str:
    """The one address that this upstream sends browsers to (RFC 9700 §4.4.2)."""
    return f"{services.ward.issuer}/{upstream.name}/back"


def ask(unit: Unit, services: Services, upstream: UpstreamProvider, endpoint: str, i: str, scope: str) -> str:
    """Begin.

    :param endpoint: `upstream.authorization_endpoint()`, asked for before the unit.
    :param i: the interaction that it is for.
    :returns: the address to send the browser to.
    """
    now, verifier = services.clock.now(), secrets.token_urlsafe(48)
    challenge = challenges.issue(
        unit,
        services.vault,
        _CHALLENGE,
        browser="",  # whose browser it is, both cookies of the answer say
        now=now,
        expires_at=now + _LIFETIME,
        data={"interaction": i, "upstream": upstream.name, "verifier": verifier},
    )
    outing = Outing(callback(services, upstream), b64url_encode(challenge.nonce), verifier)
    return upstream.authorization_request(endpoint, outing, scope=scope, state=challenge.id)


def receive(
    unit: Unit, services: Services, upstream: UpstreamProvider, request: Request
) -> tuple[str, Cookie]:
    """Take what came to the callback; its `state` is spent, whatever came with it (RFC 6749 §4.1.2).

    :returns: the interaction's id and the cookie with the answer's one-time handle.
    :raises Fault: `challenge.*`, `request.repeated`, or `upstream.refused` for an answer meant for another.
    """
    said = {name: request.query_params.getlist(name) for name in ("state", *_SAID)}
    if any(len(values) > 1 for values in said.values()):
        raise Fault("request.repeated")
    shown = {name: values[0] for name, values in said.items() if values}
    taken = challenges.take(
        unit,
        services.vault,
        shown.pop("state", ""),
        _CHALLENGE,
        browser="",
        now=services.clock.now(),
    )
    if taken.data["upstream"] != upstream.name or any(len(value) > _LONGEST for value in shown.values()):
        raise unit.costly(Fault("upstream.refused"))
    kept = {**shown, "nonce": b64url_encode(taken.nonce), "verifier": str(taken.data["verifier"])}
    id_ = str(taken.data["interaction"])
    return id_, answers.keep(unit, services, id_, kept, by=upstream.name)


def callback_routes(services: Services, upstream: UpstreamProvider) -> APIRouter:
    """The callback: it reads no cookie, and leads to the page that does."""
    router = APIRouter()

    @router.get(f"/{upstream.name}/back")
    def take(request: Request) -> Response:
        with services.database.writing(services.ward.code) as unit:
            i, cookie = receive(unit, services, upstream, request)
        response = see_other(services.address(f"/{upstream.name}/done?i={i}"))
        cookie.set_on(response)
        return response

    return router


def brought(services: Services, request: Request, upstream: UpstreamProvider, i: str) -> Brought:
    """What came back to this browser; see `answers.brought`."""
    return answers.brought(services, request, i, by=upstream.name, foreign=EventName.UPSTREAM_ANSWER_FOREIGN)


def _identify(
    services: Services, upstream: UpstreamProvider, brought: Brought, *, userinfo: bool
) -> Identity:
    said = brought.answer
    if said.get("error") in _LATER:
        raise Fault("upstream.unavailable")
    if "error" in said:
        raise Fault("upstream.denied" if said["error"] == _DENIED else "upstream.refused")
    if "code" not in said:
        raise Fault("upstream.refused")
    outing = Outing(callback(services, upstream), said["nonce"], said["verifier"])
    return upstream.identify(outing, said["code"], said.get("iss"), userinfo=userinfo)


def finish(
    services: Services,
    request: Request,
    upstream: UpstreamProvider,
    brought: Brought,
    act: Callable[[Unit, Identity], Response],
    *,
    back: str,
    userinfo: bool = False,
    ends: bool = False,
) -> Response:
    """Act on whom the upstream authenticated, once.

    One that does not answer leaves the answer waiting; everything else that it says, or we find, uses it up.

    :param back: where a refused person begins again.
    :param ends: the interaction ends with the answer, good or bad.
    """
    id_, judged = brought.interaction.id, _judge(services, upstream, brought, userinfo=userinfo)
    if isinstance(judged, Fault) and judged.code == "upstream.unavailable":
        return answer(services.pages, request, judged)
    try:
        with services.database.writing(services.ward.code) as unit:
            answers.take(unit, brought)
            if ends:
                interactions.close(unit, id_)
            response = _acted(unit, services, judged, act)
    except Stranded:
        raise
    except Fault as fault:
        response = answer(services.pages, request, fault, back=back)
    over = interactions.cookies_of(services, id_) if ends else answers.dropped_cookie(services, id_)
    over.set_on(response)
    return response


def _judge(
    services: Services, upstream: UpstreamProvider, brought: Brought, *, userinfo: bool
) -> Identity | Fault:
    try:
        return _identify(services, upstream, brought, userinfo=userinfo)
    except Fault as fault:
        return fault


def _acted(
    unit: Unit, services: Services, judged: Identity | Fault, act: Callable[[Unit, Identity], Response]
) -> Response:
    """Act; a refusal is committed with its leaf, and without whatever was begun before it."""
    before, begun = len(unit.events), unit.session.begin_nested()
    try:
        if isinstance(judged, Fault):
            raise judged
        response = act(unit, judged)
    except Fault as fault:
        begun.rollback()
        del unit.events[before:]
        now = services.clock.now()
        unit.record(Event(EventName.UPSTREAM_REFUSED, unit.ward, now, {}, {"code": fault.code}))
        unit.costly(fault)
        raise
    begun.commit()
    return response
