"""Going from a page that needs a login to the login pages, and back."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.evidence import Authentication
from assurance.levels import Requirement
from assurance.person import PersonId
from card.pages.forms import Posted, read_posted, see_other
from idp import interactions, sessions
from idp.interactions import Interaction
from idp.services import Services

Form = Annotated[Posted, Depends(read_posted)]


def ask_to_log_in(
    services: Services, return_to: str, requirement: Requirement, keep: Mapping[str, Any] | None = None
) -> Response:
    """Send a browser to log in, or to raise its login, and then back.

    :param keep: what was typed, for the page that it comes back to.
    """
    with services.database.writing(services.ward.code) as unit:
        id_, cookie = interactions.open_interaction(
            unit, services, interactions.ACCOUNT, return_to=return_to, requirement=requirement, payload=keep
        )
    response = see_other(services.address(f"/login?i={id_}"))
    cookie.set_on(response)
    return response


def complete(
    unit: Unit,
    services: Services,
    request: Request,
    interaction: Interaction,
    person: PersonId,
    evidence: Authentication,
) -> Response:
    """Log in, then go on: to where the interaction leads, or to a stronger way in."""
    needed = interaction.needed
    login, cookie = sessions.begin(unit, services, request, person, evidence, not_before=needed.not_before)
    if not needed.is_met_by(login, services.clock.now()):
        response = see_other(services.address(f"/login?i={interaction.id}"))
    else:
        response = see_other(interaction.return_to)
        if interaction.kind == interactions.ACCOUNT and not interaction.payload:
            interactions.close(unit, interaction.id).set_on(response)
    cookie.set_on(response)
    return response
