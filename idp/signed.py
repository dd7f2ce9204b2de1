"""What came back from a card, in the browser that asked for it: a mandate, an approval, a presence."""

from collections.abc import Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.events import EventName
from assurance.login import Login
from assurance.mail import Mail
from card.container import CardEvidence, SigningPurpose
from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices, signing
from delegation.assured import PROVEN
from delegation.counter import visiting
from delegation.parts import Parts
from delegation.staffing import change_signing
from idp import card_requests, sessions
from idp.answers import Brought
from idp.delegating import parts_of
from idp.login.flow import ask_to_log_in
from idp.services import Services


class _Taker(NamedTuple):
    """What a signature of one purpose does, and what its refusal is called."""

    take_in: Callable[[Unit, Parts, Login | None, str, CardEvidence], list[Mail]]
    refusal: EventName


def _taker(purpose: SigningPurpose) -> _Taker:
    match purpose:
        case SigningPurpose.MANDATE:
            return _Taker(signing.take_in, EventName.MANDATE_REFUSED)
        case SigningPurpose.APPROVAL:
            return _Taker(change_signing.take_in, EventName.CHANGE_REFUSED)
        case SigningPurpose.ATTENDANCE:
            return _Taker(visiting.open_visit, EventName.COUNTER_CARD_REFUSED)
        case _:
            raise Fault("card.purpose")


def signed(services: Services, request: Request, brought: Brought) -> Response:
    """Let the registry take it in.

    A login that ended while someone read and signed costs no second signature: the answer waits for the next.
    """
    parts, interaction = parts_of(services), brought.interaction
    taker = _taker(SigningPurpose(interaction.payload["purpose"]))
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    if login is None:
        waiting = card_requests.let_wait(services, brought)
        response = ask_to_log_in(services, services.address(f"/card/done?i={interaction.id}"), PROVEN)
        waiting.set_on(response)
        return response

    def take_in(unit: Unit, evidence: CardEvidence) -> Response:
        current, about = sessions.current(unit.session, services, request), str(interaction.payload["about"])
        mails = taker.take_in(unit, parts, current, about, evidence)
        response = see_other(interaction.return_to)
        response.background = notices.sending(parts, mails)
        return response

    return card_requests.finish(
        services,
        request,
        brought,
        take_in,
        refusal=taker.refusal,
        back=str(interaction.payload["back"]),
        ends=True,
    )
