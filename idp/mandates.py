"""A mandate that came back from the principal's card, in the browser that asked for it."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices, signing
from delegation.grant import GrantId
from idp import card_requests, interactions, sessions
from idp.delegating import parts_of
from idp.faults import answer
from idp.interactions import Interaction
from idp.services import Services


def signed_mandate(
    services: Services, request: Request, interaction: Interaction, brought: Mapping[str, str]
) -> Response:
    """Verify it, and let the registry take it in."""
    parts, grant = parts_of(services), GrantId(str(interaction.payload["grant"]))
    try:
        with services.database.writing(services.ward.code) as unit:
            signed = card_requests.verify(services, brought)
            login = sessions.current(unit.session, services, request)
            mails = signing.take_in(unit, parts, login, grant, signed)
            cookie = interactions.close(unit, interaction.id)
    except Fault as fault:
        return answer(services.pages, request, fault, back=str(interaction.payload["back"]))
    response = see_other(interaction.return_to)
    response.background = notices.sending(parts, mails)
    cookie.set_on(response)
    return response
