"""What came back from a card, in the browser that asked: a mandate, an approval, a presence, a card."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.events import EventName
from assurance.login import Login
from assurance.mail import Mail
from card.container import SigningPurpose
from card.faults import CardRejected, Fault
from card.pages.forms import see_other
from delegation import notices, signing
from delegation.assured import PROVEN
from delegation.counter import registering, visiting
from delegation.parts import Parts
from delegation.staffing import change_signing
from idp import card_requests, sessions
from idp.answers import Brought
from idp.delegating import parts_of
from idp.login.flow import ask_to_log_in
from idp.services import Services

Judged = TypeVar("Judged")


@dataclass(frozen=True, slots=True)
class _Taker(Generic[Judged]):
    """How a signature of one purpose is judged, what it does, and what its refusal is called."""

    judge: Callable[[Services, Brought], Judged | CardRejected]
    take_in: Callable[[Unit, Parts, Login | None, str, Judged], list[Mail]]
    refusal: EventName


def signed(services: Services, request: Request, brought: Brought) -> Response:
    """Let the registry take it in."""
    judge = card_requests.judge
    match SigningPurpose(brought.interaction.payload["purpose"]):
        case SigningPurpose.MANDATE:
            taker = _Taker(judge, signing.take_in, EventName.MANDATE_REFUSED)
        case SigningPurpose.APPROVAL:
            taker = _Taker(judge, change_signing.take_in, EventName.CHANGE_REFUSED)
        case SigningPurpose.ATTENDANCE:
            taker = _Taker(judge, visiting.open_visit, EventName.COUNTER_CARD_REFUSED)
        case SigningPurpose.LINK:
            linker = _Taker(card_requests.judge_link, registering.take_in, EventName.CARD_LINKING_REFUSED)
            return _taken(services, request, brought, linker)
        case _:
            raise Fault("card.purpose")
    return _taken(services, request, brought, taker)


def _taken(services: Services, request: Request, brought: Brought, taker: _Taker[Judged]) -> Response:
    """Judge and act, once.

    A login that ended while someone read and signed costs no second signature: the answer waits for the next.
    """
    parts, interaction = parts_of(services), brought.interaction
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    if login is None:
        waiting = card_requests.let_wait(services, brought)
        response = ask_to_log_in(services, services.address(f"/card/done?i={interaction.id}"), PROVEN)
        waiting.set_on(response)
        return response

    def take_in(unit: Unit, evidence: Judged) -> Response:
        current, about = sessions.current(unit.session, services, request), str(interaction.payload["about"])
        mails = taker.take_in(unit, parts, current, about, evidence)
        response = see_other(interaction.return_to)
        response.background = notices.sending(parts, mails)
        return response

    return card_requests.settle(
        services,
        request,
        brought,
        taker.judge(services, brought),
        take_in,
        refusal=taker.refusal,
        back=str(interaction.payload["back"]),
        ends=True,
    )
