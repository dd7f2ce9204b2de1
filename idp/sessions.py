"""Logins: who this browser is, and how sure we are."""

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, select, update
from starlette.requests import Request

from assurance import people
from assurance.database import Unit
from assurance.engine import assess
from assurance.events import Event, EventName
from assurance.evidence import Authentication, Evidence, from_json, to_json
from assurance.handles import hashed, new_handle
from assurance.levels import AAL
from assurance.login import Login, LoginId
from assurance.person import PersonId, new_id
from card.faults import Fault
from idp.cookies import Cookie, name_of
from idp.services import Services
from idp.tables import LoginSessionRow

_LIFETIME: Final = timedelta(hours=8)


def cookie_of(services: Services, request: Request) -> str:
    """The login cookie of this browser, or an empty text."""
    return request.cookies.get(name_of(services.ward.code, "login"), "")


def _row(session: Session, services: Services, request: Request) -> LoginSessionRow | None:
    secret = cookie_of(services, request)
    if not secret:
        return None
    row = session.exec(
        select(LoginSessionRow).where(
            LoginSessionRow.ward == services.ward.code,
            LoginSessionRow.browser == hashed(secret),
            col(LoginSessionRow.ended_at).is_(None),
        )
    ).first()
    return row if row is not None and services.clock.now() < row.expires_at else None


def read(session: Session, services: Services, row: LoginSessionRow) -> Login:
    """A login from its row; what it reaches is computed anew, from evidence and the person's proofs."""
    person = PersonId(row.person)
    evidence = [from_json(piece) for piece in json.loads(row.evidence)]
    proofs = people.proofs_of(session, services.ward.code, person)
    assurance = assess([*evidence, *proofs], services.clock.now(), services.thresholds)
    name = None
    if assurance.level.aal > AAL.CONTACT:
        profile = people.profile(session, services.vault, services.ward.code, person)
        name = None if profile is None else profile.name
    return Login(
        LoginId(row.id), services.ward.code, person, assurance, row.started_at, tuple(evidence), name
    )


def current(session: Session, services: Services, request: Request) -> Login | None:
    """The login of this browser in this ward."""
    row = _row(session, services, request)
    return None if row is None else read(session, services, row)


def required(session: Session, services: Services, request: Request) -> Login:
    """The login of this browser, where a form rests on it.

    :raises Fault: `login.needed`.
    """
    login = current(session, services, request)
    if login is None:
        raise Fault("login.needed")
    return login


def _as_text(evidence: Collection[Evidence]) -> str:
    return json.dumps([to_json(piece) for piece in evidence])


def begin(
    unit: Unit, services: Services, request: Request, person: PersonId, evidence: Authentication
) -> tuple[Login, Cookie]:
    """Log a person in, or raise the login that is theirs already; the cookie changes either way.

    Evidence of another person ends the login that was there: a login is evidence of one person.
    """
    now, secret = services.clock.now(), new_handle()
    row = _row(unit.session, services, request)
    if row is not None and row.person != person:
        end(unit, services, PersonId(row.person), row.id)
        row = None
    if row is None:
        row = LoginSessionRow(
            ward=unit.ward,
            id=new_id(),
            browser=hashed(secret),
            person=person,
            evidence=_as_text([evidence]),
            started_at=now,
            expires_at=now + _LIFETIME,
        )
        name = EventName.LOGIN_SUCCEEDED
    else:
        kept = [from_json(piece) for piece in json.loads(row.evidence)]
        row.evidence = _as_text([*(piece for piece in kept if type(piece) is not type(evidence)), evidence])
        row.browser = hashed(secret)
        name = EventName.LOGIN_RAISED
    unit.session.add(row)
    unit.session.flush()
    unit.record(Event(name, unit.ward, now, {person: {"by": type(evidence).__name__}}))
    cookie = Cookie(name_of(unit.ward, "login"), secret, int(_LIFETIME.total_seconds()))
    return read(unit.session, services, row), cookie


def end(unit: Unit, services: Services, person: PersonId, login: str) -> None:
    """End a login of a person; what hangs from it ends with it."""
    now = services.clock.now()
    ended = unit.session.exec(
        update(LoginSessionRow)
        .where(
            col(LoginSessionRow.ward) == unit.ward,
            col(LoginSessionRow.id) == login,
            col(LoginSessionRow.person) == person,
            col(LoginSessionRow.ended_at).is_(None),
        )
        .values(ended_at=now)
    )
    if ended.rowcount:
        unit.record(Event(EventName.LOGIN_ENDED, unit.ward, now, {person: {}}))
