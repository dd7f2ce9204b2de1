"""GET and POST /authorize, and where it goes on after the login."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assurance.database import Unit
from assurance.login import Login
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import see_other
from idp import interactions, sessions
from idp.authorization import acting, reading
from idp.authorization.answer import respond, response_uri
from idp.authorization.code import issue_code
from idp.authorization.hint import hinted_person, read_hint
from idp.authorization.request import AuthorizationRequest, Refused, parse, read_parameters
from idp.clients import Client, load_client
from idp.interactions import AUTHORIZE, Needed
from idp.login.flow import Form
from idp.services import Services

_SOMEONE_ELSE: Final = Refused("login_required", "id_token_hint is about someone else")


def _known_client(services: Services, unit: Unit, parameters: dict[str, str]) -> Client:
    """Client and redirect URI; without them there is nobody to answer to (RFC 6749 §4.1.2.1)."""
    client = load_client(unit.session, services.ward.code, parameters.get("client_id", ""))
    if client is None:
        raise Fault("authorize.client")
    if not client.check_redirect_uri(parameters.get("redirect_uri", "")):
        raise Fault("authorize.redirect_uri")
    return client


def _hinted(unit: Unit, services: Services, token: str | None, client: Client) -> PersonId | None:
    """Who must answer (OIDC Core §3.1.2.1, `id_token_hint`).

    :raises Refused: for a hint that is none of ours for this client, or about nobody any more.
    """
    if token is None:
        return None
    hint = read_hint(services, token)
    if hint is None or hint.client_id != client.client_id:
        raise Refused("invalid_request", "id_token_hint is no ID token of ours for this client")
    person = hinted_person(unit.session, services, hint)
    if person is None:
        raise Refused("login_required", "id_token_hint is about nobody whom we know")
    return person


def _silent(unit: Unit, services: Services, login: Login | None, asked: AuthorizationRequest) -> Response:
    """Answer without a page (`prompt=none`); who would have to be asked is not met."""
    if login is None:
        raise Refused("login_required", "the person has to log in")
    if asked.names_grant or asked.printed:
        raise Refused("interaction_required", "the person has to be asked")
    return issue_code(unit, services, login, asked)


def _ask(
    unit: Unit, services: Services, asked: AuthorizationRequest, *, not_before: datetime | None, ready: bool
) -> Response:
    """Let the person log in, or go on with the login that is there."""
    late = {"error": "access_denied", "error_description": "the person did not finish in time"}
    id_, cookie = interactions.open_interaction(
        unit,
        services,
        AUTHORIZE,
        return_to=services.address("/authorize/resume?i={i}"),
        requirement=asked.requirement,
        payload=asked.as_payload(),
        not_before=not_before,
        otherwise=response_uri(services, asked.redirect_uri, asked.state, **late),
    )
    response = see_other(services.address(f"/{'authorize/resume' if ready else 'login'}?i={id_}"))
    cookie.set_on(response)
    return response


def _begin(services: Services, request: Request, parameters: dict[str, str]) -> Response:
    with services.database.writing(services.ward.code) as unit:
        client = _known_client(services, unit, parameters)
        try:
            asked = parse(parameters, client)
            person = _hinted(unit, services, parameters.get("id_token_hint"), client)
            asked, now = replace(asked, person=person), services.clock.now()
            login = sessions.current(unit.session, services, request)
            meant = login is None or asked.is_meant_for(login.person)
            not_before = asked.not_before(now) if meant else now
            again = asked.asks_again or not meant
            ready = not again and Needed(asked.requirement, not_before).is_met_by(login, now)
            if "none" in asked.prompt:
                return _silent(unit, services, login if ready else None, asked)
        except Refused as refused:
            return _refuse(services, parameters["redirect_uri"], parameters.get("state"), refused)
        return _ask(unit, services, asked, not_before=not_before, ready=ready)


def _refuse(services: Services, redirect_uri: str, state: str | None, refused: Refused) -> Response:
    told = {"error": refused.error, "error_description": refused.description}
    return respond(services, redirect_uri, state, **told)


def authorization_routes(services: Services) -> APIRouter:
    """The endpoint of one ward; a POST comes from clients, so no rule about our own pages holds."""
    router = APIRouter()

    @router.get("/authorize")
    @router.post("/authorize")
    async def authorize(request: Request) -> Response:
        parameters = await read_parameters(request)
        return await run_in_threadpool(_begin, services, request, parameters)

    return router


def resume_routes(services: Services) -> APIRouter:
    """Where the login pages lead back to."""
    router = reading.reading_routes(services)

    @router.get("/authorize/resume")
    def resume(request: Request, i: str = "") -> Response:
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i, kinds={AUTHORIZE})
            login = sessions.current(unit.session, services, request)
            if login is None or not interaction.needed.is_met_by(login, services.clock.now()):
                return see_other(services.address(f"/login?i={i}"))
            asked = AuthorizationRequest.from_payload(interaction.payload)
            if asked.printed and asked.is_meant_for(login.person):
                return reading.go_on(unit, services, request, interaction, login, asked)
            if asked.is_meant_for(login.person):
                response = acting.go_on(unit, services, request, i, login, asked)
            else:
                response = _refuse(services, asked.redirect_uri, asked.state, _SOMEONE_ELSE)
            if not isinstance(response, HTMLResponse):
                interactions.close(unit, i).set_on(response)
            return response

    @router.post("/authorize/act")
    def choose(request: Request, form: Form) -> Response:
        i = form.one("i")
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i, kinds={AUTHORIZE})
            login = sessions.current(unit.session, services, request)
            asked = AuthorizationRequest.from_payload(interaction.payload)
            met = interaction.needed.is_met_by(login, services.clock.now())
            if login is None or asked.printed or not (met and asked.is_meant_for(login.person)):
                return see_other(services.address(f"/login?i={i}"))
            grant = acting.chosen(unit, services, login, asked, form.one("acting"))
            response = issue_code(unit, services, login, asked, grant)
            interactions.close(unit, i).set_on(response)
            return response

    return router
