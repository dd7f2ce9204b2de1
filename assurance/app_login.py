"""Logging in with デジタル認証アプリ: whose it is, joining it to a person, and taking it away again.

The app names someone by a `sub` of its own for us, which outlives cards and phones. **It attributes nothing
by name and birth date alone**: who is logged in strongly joins it to themselves, and then both must be those
of their proof; everybody else goes to the counter. What was joined at home counts in full after a wait, as a
card that was linked there does.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, delete, select

from assurance import credentials, identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import AppAuthentication
from assurance.identifiers import IdentifierKind
from assurance.levels import FRESH_TWO_FACTORS
from assurance.login import Login
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import IdentifierRow, Person
from assurance.thresholds import Thresholds
from assurance.wards import WardCode
from card.faults import Fault


@dataclass(frozen=True, slots=True)
class AppHolder:
    """Whom the app says that it authenticated.

    :param identifier: issuer and `sub`, which name one person together (OIDC Core §2).
    """

    identifier: str
    authenticated_at: datetime


@dataclass(frozen=True, slots=True)
class AppAttributes:
    """What the app read of its holder's card.

    :param sex: `1` or `2` (JIS X 0303).
    """

    name: str
    birth_date: date
    sex: str


@dataclass(frozen=True, slots=True)
class AppLogin:
    """Whose app it is, and the evidence of it."""

    person: PersonId
    evidence: AppAuthentication


def log_in(session: Session, vault: Vault, ward: WardCode, holder: AppHolder) -> AppLogin:
    """Find the person of whoever the app authenticated.

    :raises Fault: `app.unknown` where nobody joined it.
    """
    row = identifiers.find(session, vault, ward, IdentifierKind.APP, holder.identifier)
    if row is None:
        raise Fault("app.unknown")
    evidence = AppAuthentication(holder.authenticated_at, row.counts_from, credential=row.mac)
    return AppLogin(PersonId(row.person), evidence)


def link_of(session: Session, ward: WardCode, person: PersonId) -> IdentifierRow | None:
    """The app that a person joined."""
    return session.exec(
        select(IdentifierRow).where(
            IdentifierRow.ward == ward,
            IdentifierRow.person == person,
            IdentifierRow.kind == IdentifierKind.APP,
        )
    ).first()


def _is_of(unit: Unit, vault: Vault, login: Login, said: AppAttributes, now: datetime) -> bool:
    """Whether this is what a proof of the person says that still counts."""
    proofs = people.proofs_of(unit.session, unit.ward, login.person)
    proven = people.profile(unit.session, vault, unit.ward, login.person)
    if proven is None or not any(proof.proven_at <= now < proof.ends_at for proof in proofs):
        return False
    named = people.name_key(said.name, said.birth_date) == people.name_key(proven.name, proven.birth_date)
    return named and said.sex == proven.sex


def link(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    login: Login,
    holder: AppHolder,
    said: AppAttributes,
    now: datetime,
) -> bool:
    """Join the app to the person of this login.

    :returns: whether it is new; then the caller mails `notices.notices_of`.
    :raises Fault: `app.too_weak`, `app.second`, or `app.differs`, which is also the answer where the app is
        someone else's: who that is concerns nobody.
    """
    if not login.assurance.meets(FRESH_TWO_FACTORS, now):
        raise Fault("app.too_weak")
    unit.session.get(Person, (unit.ward, login.person), with_for_update=True)  # two tabs would each see none
    known = identifiers.find_person(unit.session, vault, unit.ward, IdentifierKind.APP, holder.identifier)
    if known == login.person:
        return False
    if known is not None or not _is_of(unit, vault, login, said, now):
        raise Fault("app.differs")
    if link_of(unit.session, unit.ward, login.person) is not None:
        raise Fault("app.second")
    counts_from = now + thresholds.linked_at_home_waits
    identifiers.bind(
        unit, vault, login.person, IdentifierKind.APP, holder.identifier, now, counts_from=counts_from
    )
    unit.record(Event(EventName.APP_LINKED, unit.ward, now, {login.person: {}}))
    return True


def unlink(unit: Unit, login: Login, now: datetime) -> None:
    """Take the app away, and with it what rests on it; the last strong way in stays.

    The caller mails `notices.notices_of`.

    :raises Fault: `app.too_weak`, `app.last` or `app.unknown`.
    """
    if not login.assurance.meets(FRESH_TWO_FACTORS, now):
        raise Fault("app.too_weak")
    # As with passkeys: two removals side by side would each leave what the other takes as the last.
    unit.session.get(Person, (unit.ward, login.person), with_for_update=True)
    row = link_of(unit.session, unit.ward, login.person)
    if row is None:
        raise Fault("app.unknown")
    if credentials.live_of(unit.session, unit.ward, login.person) == {row.mac}:
        raise Fault("app.last")
    unit.session.exec(
        delete(IdentifierRow).where(
            col(IdentifierRow.ward) == unit.ward,
            col(IdentifierRow.kind) == IdentifierKind.APP,
            col(IdentifierRow.person) == login.person,
        )
    )
    unit.record(Event(EventName.APP_REMOVED, unit.ward, now, {login.person: {}}))
