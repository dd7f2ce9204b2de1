"""Asking for a card's signature through the bridge, and acting on what comes back.

An answer is verified, taken and acted on together: a refusal costs it, and is recorded; what is not the
person's fault (no revocation list, no database) leaves it waiting, to be finished without a new signature.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from assurance import challenges
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.person import new_id
from assurance.wards import Ward, ward_name
from card import linking
from card.container import CardEvidence, SigningPurpose, ToBeSigned, prepare, verify_signed_by_card
from card.faults import CardRejected, Fault
from card.jose import Flattened
from card.printed import read_printed
from card.request import READING, CardRequest, ReadingRequest, sign_request
from card.revocation import StatusUnavailable
from idp import answers, bridges, interactions
from idp.answers import Brought
from idp.cookies import Cookie
from idp.faults import Stranded, answer
from idp.keys import KeyPurpose
from idp.services import Services

_CHALLENGE: Final = "card"
_READING_LASTS: Final = timedelta(minutes=5)
Judged = TypeVar("Judged")


def answer_uri_of(ward: Ward) -> str:
    """The one address that a bridge posts to; bridges pin it."""
    return f"{ward.issuer}/card/answer"


def answer_uri(services: Services) -> str:
    """The same of the ward that is served."""
    return answer_uri_of(services.ward)


def ask(
    unit: Unit,
    services: Services,
    interaction: str,
    purpose: SigningPurpose,
    *,
    cancel_to: str,
    locale: str = "ja",
    text: str | None = None,
    template: str | None = None,
    content: Mapping[str, Any] | None = None,
) -> str:
    """Make the bytes for a card, and the signed request that a bridge obeys.

    :param locale: the language of `text`: what is signed is what was read.
    :returns: the request JWS.
    """
    now = services.clock.now()
    made = prepare(
        purpose,
        issuer=services.ward.issuer,
        audience=answer_uri(services),
        nonce=secrets.token_bytes(32),
        issued_at=now,
        text=text,
        template=template,
        content=content,
    )
    asked = {"purpose": str(purpose), "protected": made.protected, "payload": made.payload}
    said = _said(unit, services, interaction, purpose.lifetime, asked, cancel_to)
    request = CardRequest(
        purpose=purpose, to_be_signed=made, text=None if text is None else {locale: text}, **said
    )
    return _signed(services, request)


def ask_to_read(
    unit: Unit, services: Services, interaction: str, reader_name: Mapping[str, str], *, cancel_to: str
) -> str:
    """Ask for what is printed on a card, for a ward system.

    :returns: the request JWS.
    """
    said = _said(unit, services, interaction, _READING_LASTS, {"purpose": READING}, cancel_to)
    request = ReadingRequest(reader_name=reader_name, **said)
    return _signed(services, request)


def _signed(services: Services, request: CardRequest | ReadingRequest) -> str:
    """With how its key came after the ones that bridges may know."""
    return sign_request(request, services.keys.signer(KeyPurpose.REQUEST), services.keys.successors)


def _said(
    unit: Unit,
    services: Services,
    interaction: str,
    lasts: timedelta,
    asked: Mapping[str, str],
    cancel_to: str,
) -> dict[str, Any]:
    """What every request to a bridge says, by the names of `BridgeRequest`; its `state` is a new challenge.

    :param asked: what its answer is compared with.
    """
    now = services.clock.now()
    challenge = challenges.issue(
        unit,
        services.vault,
        _CHALLENGE,
        browser="",  # the bridge's answer reads no cookie; its handle and the interaction's cookie bind it
        now=now,
        expires_at=now + lasts,
        data={"interaction": interaction, "until": (now + lasts).isoformat(), **asked},
    )
    return {
        "issuer": services.ward.issuer,
        "issuer_name": {locale: ward_name(unit.ward, locale) for locale in ("ja", "en")},
        "response_uri": answer_uri(services),
        "cancel_uri": services.ward.origin + cancel_to,
        "state": challenge.id,
        "issued_at": now,
        "expires_at": now + lasts,
        "request_id": new_id(),
    }


def receive(
    unit: Unit, services: Services, state: str, container: str, countersignature: str
) -> tuple[str, Cookie]:
    """Take what a bridge posted; the challenge is burnt, whatever it holds.

    :param countersignature: of a bridge that was enrolled (`card.countersignature`), or empty.
    :returns: the interaction's id and the cookie with the answer's one-time handle.
    :raises Fault: `challenge.*` or `card.malformed`.
    """
    asked = dict(
        challenges.take(unit, services.vault, state, _CHALLENGE, browser="", now=services.clock.now()).data
    )
    try:
        if asked["purpose"] == READING:
            read_printed(container)
        elif asked["purpose"] == SigningPurpose.LINK:
            linking.parse(container)
        else:
            Flattened.parse(container)
    except (Fault, ValueError) as error:
        raise unit.costly(Fault("card.malformed")) from error
    id_ = str(asked.pop("interaction"))
    brought = {"state": state, "container": container, "countersignature": countersignature}
    return id_, answers.keep(unit, services, id_, asked | brought)


def judge(services: Services, brought: Brought) -> CardEvidence | CardRejected:
    """What one key of a card signed; see `verify_signed_by_card`."""
    kept, now = brought.answer, services.clock.now()
    try:
        evidence = verify_signed_by_card(
            Flattened.parse(kept["container"]),
            expecting=SigningPurpose(kept["purpose"]),
            prepared=ToBeSigned(kept["protected"], kept["payload"]),
            trust=services.trust,
            now=now,
        )
        return replace(evidence, countersigned_by=_bridge(services, kept, now))
    except CardRejected as rejected:
        return rejected


def _bridge(services: Services, kept: Mapping[str, str], now: datetime) -> str | None:
    """The enrolled bridge that countersigned an answer, whatever it is for.

    :raises CardRejected: as `bridges.countersigned_by`.
    """
    with services.database.reading(services.ward.code) as session:
        return bridges.countersigned_by(
            session,
            services.ward.code,
            kept.get("countersignature", ""),  # a process of the version before keeps none
            response_uri=answer_uri(services),
            state=kept.get("state", ""),
            container=kept["container"],
            now=now,
        )


def judge_link(services: Services, brought: Brought) -> tuple[CardEvidence, CardEvidence] | CardRejected:
    """What both keys of a card signed to link it; see `linking.verify_link`."""
    kept, now = brought.answer, services.clock.now()
    try:
        _bridge(services, kept, now)  # a false word of one is refused, here too
        return linking.verify_link(
            linking.parse(kept["container"]),
            prepared=ToBeSigned(kept["protected"], kept["payload"]),
            trust=services.trust,
            now=now,
        )
    except CardRejected as rejected:
        return rejected


def let_wait(services: Services, brought: Brought) -> Cookie:
    """Keep an answer as long as its request could have been answered: a login for five minutes at most."""
    until = datetime.fromisoformat(brought.answer["until"])
    with services.database.writing(services.ward.code) as unit:
        return answers.let_wait(unit, services, brought, until)


@contextmanager
def _costly(unit: Unit, refusal: Event) -> Iterator[None]:
    """Commit a refusal, with its leaf, and without whatever was begun before it."""
    before, begun = len(unit.events), unit.session.begin_nested()
    try:
        yield
    except Fault as fault:
        begun.rollback()
        del unit.events[before:]
        unit.record(replace(refusal, clear={"code": fault.code}))
        unit.costly(fault)
        raise
    begun.commit()


def finish(
    services: Services,
    request: Request,
    brought: Brought,
    act: Callable[[Unit, CardEvidence], Response],
    *,
    refusal: EventName,
    back: str,
    ends: bool = False,
) -> Response:
    """Act on what a card signed, once; see `settle`."""
    judged = judge(services, brought)
    return settle(services, request, brought, judged, act, refusal=refusal, back=back, ends=ends)


def settle(
    services: Services,
    request: Request,
    brought: Brought,
    judged: Judged | CardRejected,
    act: Callable[[Unit, Judged], Response],
    *,
    refusal: EventName,
    back: str,
    ends: bool,
) -> Response:
    """Act on an answer that was judged, once.

    Signature and revocation lists are looked at before the unit that takes the answer: that is no work for
    under the one write lock, and nothing that the lock guards enters into it.

    :param back: where a refused person begins again.
    :param ends: the interaction ends with the answer, good or bad.
    """
    id_, now = brought.interaction.id, services.clock.now()
    if isinstance(judged, StatusUnavailable):
        response = answer(services.pages, request, judged)
        let_wait(services, brought).set_on(response)
        return response
    try:
        with services.database.writing(services.ward.code) as unit:
            answers.take(unit, brought)
            if ends:
                interactions.close(unit, id_)
            with _costly(unit, Event(refusal, unit.ward, now)):
                if isinstance(judged, CardRejected):
                    raise judged
                response = act(unit, judged)
    except Stranded:
        raise
    except Fault as fault:
        response = answer(services.pages, request, fault, back=back)
    over = interactions.cookies_of(services, id_) if ends else answers.dropped_cookie(services, id_)
    over.set_on(response)
    return response
