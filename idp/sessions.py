"""Logins: who this browser is, and how sure we are.

A login is what its evidence still proves: what rests on a credential that was removed is dropped whenever the
login is read, and a login of which nothing is left is none, for its browser and for every token.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, select, update
from starlette.requests import Request

from assurance import credentials, people
from assurance.database import Unit, connection_of
from assurance.engine import assess
from assurance.events import Event, EventName
from assurance.evidence import Authentication, from_text, still_live, to_text
from assurance.handles import hashed, new_handle
from assurance.levels import AAL
from assurance.login import Login, LoginId
from assurance.person import PersonId, new_id
from card.faults import Fault
from idp import bridges
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


def _evidence(session: Session, services: Services, row: LoginSessionRow) -> Collection[Authentication]:
    evidence, ward = from_text(row.evidence), services.ward.code
    live = credentials.live_of(session, ward, PersonId(row.person))
    return still_live(evidence, live, bridges.live_of(connection_of(session), ward, evidence))


def read(session: Session, services: Services, row: LoginSessionRow) -> Login | None:
    """A login from its row; what it reaches is computed anew, from live evidence and the person's proofs.

    :returns: None when nothing is left of it.
    """
    person, evidence = PersonId(row.person), _evidence(session, services, row)
    if not evidence:
        return None
    proofs = people.proofs_of(session, services.ward.code, person)
    assurance = assess([*evidence, *proofs], services.clock.now(), services.thresholds)
    name = None
    if assurance.level.aal > AAL.CONTACT:
        profile = people.profile(session, services.vault, services.ward.code, person)
        name = None if profile is None else profile.name
    return Login(LoginId(row.id), services.ward.code, person, assurance, row.started_at, evidence, name)


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


def begin(
    unit: Unit,
    services: Services,
    request: Request,
    person: PersonId,
    evidence: Authentication,
    *,
    not_before: datetime | None = None,
) -> tuple[Login, Cookie]:
    """Log a person in, or raise the login that is theirs already; the cookie changes either way.

    Evidence of another person ends the login that was there: a login is evidence of one person. So does a
    login of which nothing is left, lest its tokens come back to life.

    :param not_before: evidence from before then is dropped (`prompt=login`, `max_age`): `acr` and `auth_time`
        are those of the authentication that was asked for, not of a stronger one long ago.
    :raises Fault: `login.needed` when the credential was removed meanwhile.
    """
    now, secret = services.clock.now(), new_handle()
    row = _row(unit.session, services, request)
    held = () if row is None else _evidence(unit.session, services, row)
    if row is not None and (row.person != person or not held):
        end(unit, services, PersonId(row.person), row.id)
        row = None
    if row is None:
        row = LoginSessionRow(
            ward=unit.ward,
            id=new_id(),
            browser=hashed(secret),
            person=person,
            evidence=to_text([evidence]),
            started_at=now,
            expires_at=now + _LIFETIME,
        )
        name = EventName.LOGIN_SUCCEEDED
    else:
        kept = [
            piece
            for piece in held
            if type(piece) is not type(evidence) and (not_before is None or piece.at >= not_before)
        ]
        row.evidence = to_text([*kept, evidence])
        row.browser = hashed(secret)
        name = EventName.LOGIN_RAISED
    unit.session.add(row)
    unit.session.flush()
    login = read(unit.session, services, row)
    if login is None:
        raise Fault("login.needed")
    unit.record(Event(name, unit.ward, now, {person: {"by": type(evidence).__name__}}))
    cookie = Cookie(name_of(unit.ward, "login"), secret, int(_LIFETIME.total_seconds()))
    return login, cookie


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
