"""For whom a person acts in an authorization: the picker, and when it is left out."""

from collections.abc import Sequence

from sqlmodel import Session, select
from starlette.requests import Request
from starlette.responses import Response

from assurance import people
from assurance.database import Unit
from assurance.levels import ACTING, Requirement
from assurance.login import Login
from assurance.person import PersonId
from card.faults import Fault
from delegation import registry, usability
from delegation.handles import open_handle
from delegation.tables import GrantRow
from idp.authorization.answer import respond
from idp.authorization.code import issue_code
from idp.authorization.request import SELF, AuthorizationRequest
from idp.clients import Client, load_client
from idp.services import Services
from idp.tables import AuthorizationRow


def _client(session: Session, services: Services, asked: AuthorizationRequest) -> Client:
    client = load_client(session, services.ward.code, asked.client_id)
    if client is None:
        raise Fault("authorize.client")
    return client


def _choices(
    session: Session, services: Services, login: Login, asked: AuthorizationRequest
) -> Sequence[GrantRow]:
    """The grants that this login may use at this client."""
    client, now = _client(session, services, asked), services.clock.now()
    strong = login.assurance.meets(Requirement(ACTING), now)
    if not (client.delegation_aware and asked.may_act and strong):
        return ()
    found = usability.usable(session, services.ward.code, login.person, now)
    return [row for row in found if set(registry.terms_of(row).procedures) & client.procedures]


def _chose_before(session: Session, services: Services, login: Login, client: str, grant: GrantRow) -> bool:
    row = session.exec(
        select(AuthorizationRow).where(
            AuthorizationRow.ward == services.ward.code,
            AuthorizationRow.person == login.person,
            AuthorizationRow.client_id == client,
            AuthorizationRow.principal == grant.principal,
            AuthorizationRow.grant == grant.id,
        )
    ).first()
    return row is not None


def go_on(
    unit: Unit,
    services: Services,
    request: Request,
    i: str,
    login: Login,
    asked: AuthorizationRequest,
) -> Response:
    """Issue the code, or ask for whom the person acts.

    A named grant is silent only for a person who chose it at this client before; one that cannot be used is
    refused at the client, whatever the cause.
    """
    if asked.acting == SELF:
        return issue_code(unit, services, login, asked)
    choices, named = _choices(unit.session, services, login, asked), None
    if asked.acting is not None:
        client = _client(unit.session, services, asked)
        opened = open_handle(services.vault, unit.ward, client.sector, asked.acting)
        named = next((row for row in choices if row.id == opened), None)
        if named is None:
            told = {"error": "access_denied", "error_description": "no such grant can be used"}
            return respond(services, asked.redirect_uri, asked.state, **told)
        if _chose_before(unit.session, services, login, asked.client_id, named):
            return issue_code(unit, services, login, asked, named)
    if not choices:
        return issue_code(unit, services, login, asked)
    return _picker(unit.session, services, request, i, asked, choices, named)


def _picker(
    session: Session,
    services: Services,
    request: Request,
    i: str,
    asked: AuthorizationRequest,
    choices: Sequence[GrantRow],
    named: GrantRow | None,
) -> Response:
    pages, client = services.pages, _client(session, services, asked)
    locale = pages.locale(request)
    options: list[tuple[str, str, str | None]] = [(SELF, pages.text(locale, "idp.act.self"), None)]
    for row in choices:
        profile = people.profile(session, services.vault, services.ward.code, PersonId(row.principal))
        terms = registry.terms_of(row)
        names = [
            services.procedures.by_id[id_].name[locale]
            for id_ in terms.procedures
            if id_ in client.procedures and id_ in services.procedures.by_id
        ]
        title = pages.text(locale, "idp.act.for", name="" if profile is None else profile.name)
        hint = pages.text(locale, "idp.act.what", procedures=" / ".join(names), last=terms.last)
        options.append((row.id, title, hint))
    context = {
        "i": i,
        "base": services.address(""),
        "client": client.name[locale],
        "options": options,
        "chosen": (SELF if named is None else named.id,),
    }
    return pages.render(request, "idp/authorize/act.html", context, leads_out=True)


def chosen(
    unit: Unit, services: Services, login: Login, asked: AuthorizationRequest, choice: str
) -> GrantRow | None:
    """The grant that was picked, None for the person themselves.

    :raises Fault: `grant.unknown` for one that this login may not use here.
    """
    if choice == SELF:
        return None
    found = next((row for row in _choices(unit.session, services, login, asked) if row.id == choice), None)
    if found is None:
        raise Fault("grant.unknown")
    return found
