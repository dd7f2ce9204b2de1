"""GET and POST /authorize, and where it goes on after the login."""

import secrets
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed
from assurance.levels import ACTING, IAL, Level, Requirement
from assurance.login import Login
from assurance.person import PersonId, new_id
from card.faults import Fault
from card.pages.forms import see_other
from delegation.tables import GrantRow
from idp import interactions, sessions
from idp.authorization import acting
from idp.authorization.answer import respond
from idp.authorization.request import SELF, AuthorizationRequest, Refused, parse, single
from idp.clients import Client, load_client
from idp.interactions import Interaction
from idp.login.flow import Form
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import AuthorizationRow, CodeRow

_CODE_LIFETIME: Final = timedelta(seconds=60)


def _known_client(services: Services, unit: Unit, parameters: dict[str, str]) -> Client:
    """Client and redirect URI; without them there is nobody to answer to (RFC 6749 §4.1.2.1)."""
    client = load_client(unit.session, services.ward.code, parameters.get("client_id", ""))
    if client is None:
        raise Fault("authorize.client")
    if not client.check_redirect_uri(parameters.get("redirect_uri", "")):
        raise Fault("authorize.redirect_uri")
    return client


def issue_code(
    unit: Unit,
    services: Services,
    login: Login,
    asked: AuthorizationRequest,
    grant: GrantRow | None = None,
) -> Response:
    """Write what the person allowed, and for whom, and hand out its code."""
    client = load_client(unit.session, unit.ward, asked.client_id)
    if client is None:
        raise Fault("authorize.client")
    now, code, id_ = services.clock.now(), secrets.token_urlsafe(32), new_id()
    sub_for(unit, client.sector, login.person)
    if grant is not None:
        sub_for(unit, client.sector, PersonId(grant.principal))
    unit.session.add(
        AuthorizationRow(
            ward=unit.ward,
            id=id_,
            client_id=client.client_id,
            person=login.person,
            login=login.id,
            scope=asked.scope,
            nonce=asked.nonce,
            principal=None if grant is None else grant.principal,
            grant=None if grant is None else grant.id,
            created_at=now,
        )
    )
    unit.session.add(
        CodeRow(
            ward=unit.ward,
            code=hashed(code),
            client_id=client.client_id,
            authorization=id_,
            redirect_uri=asked.redirect_uri,
            code_challenge=asked.code_challenge,
            expires_at=now + _CODE_LIFETIME,
        )
    )
    seen = {login.person: {"client": client.client_id}}
    if grant is not None:
        seen[PersonId(grant.principal)] = {"client": client.client_id, "grant": grant.id}
    unit.record(Event(EventName.AUTHORIZATION_GRANTED, unit.ward, now, seen))
    return respond(services, asked.redirect_uri, asked.state, code=code)


def _begin(services: Services, request: Request, parameters: dict[str, str]) -> Response:
    with services.database.writing(services.ward.code) as unit:
        client = _known_client(services, unit, parameters)
        redirect_uri, state = parameters["redirect_uri"], parameters.get("state")
        try:
            asked = parse(parameters, client)
        except Refused as refused:
            told = {"error": refused.error, "error_description": refused.description}
            return respond(services, redirect_uri, state, **told)
        now = services.clock.now()
        not_before = None if asked.max_age is None else now - timedelta(seconds=asked.max_age)
        if "login" in asked.prompt:
            not_before = now
        level = Level(IAL.NONE, asked.aal)
        if asked.acting not in {None, SELF}:
            level = Level(ACTING.ial, max(asked.aal, ACTING.aal))
        requirement = Requirement(level)
        login = sessions.current(unit.session, services, request)
        waiting = Interaction("", "authorize", "", "", requirement, not_before, {})
        met = waiting.is_met_by(login, now)
        if "none" in asked.prompt:
            if login is None or not met:
                return respond(services, redirect_uri, state, error="login_required")
            if asked.acting not in {None, SELF}:
                return respond(services, redirect_uri, state, error="interaction_required")
            return issue_code(unit, services, login, asked)
        id_, cookie = interactions.open_interaction(
            unit,
            services,
            "authorize",
            return_to=services.address("/authorize/resume?i={i}"),
            requirement=requirement,
            payload=asked.as_payload(),
            not_before=not_before,
        )
    response = see_other(services.address(f"/{'authorize/resume' if met else 'login'}?i={id_}"))
    cookie.set_on(response)
    return response


def authorization_routes(services: Services) -> APIRouter:
    """The endpoint of one ward; a POST comes from clients, so no rule about our own pages holds."""
    router = APIRouter()

    @router.get("/authorize")
    async def by_get(request: Request) -> Response:
        parameters = single(request.query_params.multi_items())
        return await run_in_threadpool(_begin, services, request, parameters)

    @router.post("/authorize")
    async def by_post(request: Request) -> Response:
        body = await request.body()
        if len(body) > 64 * 1024:
            raise Fault("request.too_large")
        parameters = single(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return await run_in_threadpool(_begin, services, request, parameters)

    return router


def resume_routes(services: Services) -> APIRouter:
    """Where the login pages lead back to."""
    router = APIRouter()

    @router.get("/authorize/resume")
    def resume(request: Request, i: str = "") -> Response:
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i)
            login = sessions.current(unit.session, services, request)
            if login is None or not interaction.is_met_by(login, services.clock.now()):
                return see_other(services.address(f"/login?i={i}"))
            asked = AuthorizationRequest.from_payload(interaction.payload)
            response = acting.go_on(unit, services, request, i, login, asked, issue_code)
            if not isinstance(response, HTMLResponse):
                interactions.close(unit, i).set_on(response)
            return response

    @router.post("/authorize/act")
    def choose(request: Request, form: Form) -> Response:
        i = form.one("i")
        with services.database.writing(services.ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i)
            login = sessions.required(unit.session, services, request)
            asked = AuthorizationRequest.from_payload(interaction.payload)
            if not interaction.is_met_by(login, services.clock.now()):
                return see_other(services.address(f"/login?i={i}"))
            grant = acting.chosen(unit, services, login, asked, form.one("acting"))
            response = issue_code(unit, services, login, asked, grant)
            interactions.close(unit, i).set_on(response)
            return response

    return router
