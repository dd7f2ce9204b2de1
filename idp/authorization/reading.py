"""Handing a ward system what is printed on a card that lies at the counter (書かない窓口).

A member of staff logs in at the ward system and asks for it. The bridge on the counter's PC asks the holder
for her consent and PIN, and reads; then she sees what was read, and says yes to handing it over. It fills a
form in and proves nothing: who stands there is for staff to see.
"""

from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.login import Login
from assurance.roles import Role
from assurance.sealed import holds_my_number
from card.attributes import PrintedAttributes
from card.faults import Fault
from card.pages.forms import see_other
from card.printed import read_printed
from delegation.staffing import staff
from idp import answers, card_requests, interactions, sessions
from idp.answers import Brought
from idp.authorization.answer import respond
from idp.authorization.code import issue_code
from idp.authorization.request import AuthorizationRequest
from idp.clients import Client, load_client
from idp.interactions import AUTHORIZE, Interaction
from idp.login.flow import Form
from idp.services import Services

_READ: Final = "read"
"""The member of an interaction's payload that holds what was read."""


def _client(session: Session, services: Services, asked: AuthorizationRequest) -> Client:
    """The ward system; it may have lost the right since it asked.

    :raises Fault: `authorize.client`.
    """
    client = load_client(session, services.ward.code, asked.client_id)
    if client is None or not client.reads_cards:
        raise Fault("authorize.client")
    return client


def _attributes(interaction: Interaction) -> PrintedAttributes | None:
    """What was read; None while nothing was."""
    read = interaction.payload.get(_READ)
    return None if read is None else read_printed(str(read))


def _refuse(unit: Unit, services: Services, i: str, asked: AuthorizationRequest, why: str) -> Response:
    told = {"error": "access_denied", "error_description": why}
    response = respond(services, asked.redirect_uri, asked.state, **told)
    interactions.close(unit, i).set_on(response)
    return response


def go_on(
    unit: Unit,
    services: Services,
    request: Request,
    interaction: Interaction,
    login: Login,
    asked: AuthorizationRequest,
) -> Response:
    """Send the browser to the bridge, then show what it read."""
    roles = staff.roles_now(unit.session, unit.ward, login.person, services.clock.now())
    if Role.STAFF not in roles:
        why = "only staff of the ward read cards at the counter"
        return _refuse(unit, services, interaction.id, asked, why)
    client, attributes = _client(unit.session, services, asked), _attributes(interaction)
    if attributes is None:
        cancel_to = services.address(f"/authorize/unread?i={interaction.id}")
        jws = card_requests.ask_to_read(unit, services, interaction.id, client.name, cancel_to=cancel_to)
        return see_other(f"{services.bridge_url}/request?request={jws}")
    context = {
        "i": interaction.id,
        "base": services.address(""),
        "client": client.name[services.pages.locale(request)],
        "printed": attributes,
    }
    return services.pages.render(request, "idp/authorize/read.html", context, leads_out=True)


def take_in(services: Services, brought: Brought) -> Response:
    """Keep what the bridge read for the page that shows it.

    :raises Fault: `card.malformed` for what holds a 個人番号, which goes no further.
    """
    container, interaction = brought.answer["container"], brought.interaction
    read = read_printed(container)
    with services.database.writing(services.ward.code) as unit:
        answers.take(unit, brought)
        if holds_my_number(f"{read.name}\n{read.address}"):
            raise unit.costly(Fault("card.malformed"))
        interactions.keep(unit, services, interaction, {**interaction.payload, _READ: container})
    response = see_other(interaction.return_to)
    answers.dropped_cookie(services, interaction.id).set_on(response)
    return response


def reading_routes(services: Services) -> APIRouter:
    """What the page leads to."""
    router = APIRouter()

    @router.get("/authorize/unread")
    def stop(request: Request, i: str = "") -> Response:
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i, kinds={AUTHORIZE})
            asked = AuthorizationRequest.from_payload(interaction.payload)
            return _refuse(unit, services, i, asked, "nothing is handed over")

    @router.post("/authorize/read")
    def hand_over(request: Request, form: Form) -> Response:
        i = form.one("i")
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i, kinds={AUTHORIZE})
            login, now = sessions.current(unit.session, services, request), services.clock.now()
            asked, attributes = (
                AuthorizationRequest.from_payload(interaction.payload),
                _attributes(interaction),
            )
            met = login is not None and interaction.needed.is_met_by(login, now)
            if login is None or attributes is None or not (met and asked.is_meant_for(login.person)):
                return see_other(services.address(f"/authorize/resume?i={i}"))
            if Role.STAFF not in staff.roles_now(unit.session, unit.ward, login.person, now):
                return _refuse(unit, services, i, asked, "only staff of the ward read cards at the counter")
            _client(unit.session, services, asked)
            response = issue_code(unit, services, login, asked, printed=attributes)
            interactions.close(unit, i).set_on(response)
            return response

    return router
