"""Issuing an authorization code (RFC 6749 §4.1.2)."""

import secrets
from datetime import timedelta
from typing import Final

from starlette.responses import Response

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.handles import hashed
from assurance.login import Login
from assurance.person import PersonId, new_id
from card.attributes import PrintedAttributes
from card.faults import Fault
from delegation.tables import GrantRow
from idp.authorization.answer import respond
from idp.authorization.request import AuthorizationRequest
from idp.clients import load_client
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import AuthorizationRow, CodeRow
from idp.token.printed import seal_printed

_CODE_LIFETIME: Final = timedelta(seconds=60)


def issue_code(
    unit: Unit,
    services: Services,
    login: Login,
    asked: AuthorizationRequest,
    grant: GrantRow | None = None,
    printed: PrintedAttributes | None = None,
) -> Response:
    """Write what the person allowed, and for whom, and hand out its code.

    :param printed: of a card at the counter, for whoever redeems the code.
    """
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
            printed=None if printed is None else seal_printed(services, printed, hashed(code)),
            expires_at=now + _CODE_LIFETIME,
        )
    )
    seen = {login.person: {"client": client.client_id}}
    if grant is not None:
        seen[PersonId(grant.principal)] = {"client": client.client_id, "grant": grant.id}
    unit.record(Event(EventName.AUTHORIZATION_GRANTED, unit.ward, now, seen))
    if printed is not None:
        handed = {login.person: {"client": client.client_id}}
        unit.record(Event(EventName.ATTRIBUTES_HANDED, unit.ward, now, handed))
    return respond(services, asked.redirect_uri, asked.state, code=code)
