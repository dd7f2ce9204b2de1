"""A mandate that came back from the principal's card, in the browser that asked for it."""

from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.events import EventName
from card.container import CardEvidence
from card.pages.forms import see_other
from delegation import notices, signing
from delegation.assured import PROVEN
from delegation.grant import GrantId
from idp import card_requests, sessions
from idp.answers import Brought
from idp.delegating import parts_of
from idp.login.flow import ask_to_log_in
from idp.services import Services


def signed_mandate(services: Services, request: Request, brought: Brought) -> Response:
    """Let the registry take it in.

    A login that ended while she read and signed costs no second signature: the answer waits for the next.
    """
    parts, interaction = parts_of(services), brought.interaction
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    if login is None:
        waiting = card_requests.let_wait(services, brought)
        response = ask_to_log_in(services, services.address(f"/card/done?i={interaction.id}"), PROVEN)
        waiting.set_on(response)
        return response

    def take_in(unit: Unit, signed: CardEvidence) -> Response:
        grant = GrantId(str(interaction.payload["grant"]))
        mails = signing.take_in(unit, parts, sessions.current(unit.session, services, request), grant, signed)
        response = see_other(interaction.return_to)
        response.background = notices.sending(parts, mails)
        return response

    return card_requests.finish(
        services,
        request,
        brought,
        take_in,
        refusal=EventName.MANDATE_REFUSED,
        back=str(interaction.payload["back"]),
        ends=True,
    )
