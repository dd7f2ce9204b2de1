"""Signing a change: the proposer's card, then a second person's; with the second one the change is made.

Every rule is judged again in the unit of each signature. Whoever was raised by the other within thirty days
is no second person: one who takes over an account could make that one first.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlmodel import Session, col, or_, select, update

from assurance import people, roles
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.mail import Mail
from assurance.person import PersonId
from assurance.roles import Role
from assurance.wards import WardCode, ward_name
from card.container import CardEvidence, SigningPurpose
from card.dates import end_of, ward_day
from card.faults import Fault
from card.pages import LOCALES
from delegation.parts import Errand, Parts
from delegation.signer import check_signer
from delegation.staffing import change_text, changes, staff
from delegation.staffing.tables import ApprovalRow, ChangeKind, ChangeRow
from delegation.tables import HoldRow

_TOO_NEAR: Final = timedelta(days=30)
_BOTH: Final = 2


def approvals_of(session: Session, row: ChangeRow) -> Sequence[ApprovalRow]:
    """The signatures under a change, in their order."""
    rows = select(ApprovalRow).where(ApprovalRow.ward == row.ward, ApprovalRow.change == row.id)
    return session.exec(rows.order_by(col(ApprovalRow.number))).all()


def _raised(session: Session, ward: WardCode, one: PersonId, other: PersonId, since: datetime) -> bool:
    """Whether either of two people signed for a role of the other since a time.

    Judged by the signatures, not by the roles: a role that was given anew would forget who gave it first.
    """
    pairs = [(one, other), (other, one)]
    given = select(ChangeRow.id).where(
        ChangeRow.ward == ward,
        ChangeRow.ward == ApprovalRow.ward,
        ChangeRow.id == ApprovalRow.change,
        ChangeRow.kind == ChangeKind.GIVE_ROLE,
        col(ChangeRow.done_at) > since,
        or_(*((ChangeRow.person == raised) & (ApprovalRow.by == by) for raised, by in pairs)),
    )
    return session.exec(given).first() is not None


def check_signing(session: Session, parts: Parts, row: ChangeRow, login: Login) -> None:
    """Every rule of the next signature: the proposer's first, then that of a second person.

    :raises Fault: `change.done`, `change.expired`, `change.signed`, `change.card`, `change.raised`,
        `change.proposer` when the proposer is no admin any more, or `staff.own_grant` to a party of the grant
        that is held.
    """
    now, ward = parts.clock.now(), parts.ward.code
    if row.done_at is not None:
        raise Fault("change.done")
    if row.expires_at <= now:
        raise Fault("change.expired")
    proposer = PersonId(row.proposed_by)
    if row.signatures > 0 and proposer == login.person:
        raise Fault("change.signed")
    if not staff.is_card_proofed(session, ward, login.person, now):
        raise Fault("change.card")
    grant = json.loads(row.content).get("grant")
    if grant is not None:
        staff.required_grant(session, ward, grant, login.person, now)
    if row.signatures == 0:
        return
    still = Role.ADMIN in staff.roles_now(session, ward, proposer, now)
    if not still or not staff.is_card_proofed(session, ward, proposer, now):
        raise Fault("change.proposer")
    if _raised(session, ward, proposer, login.person, now - _TOO_NEAR):
        raise Fault("change.raised")


def content_of(session: Session, parts: Parts, row: ChangeRow, locale: str) -> dict[str, Any]:
    """The structure that both sign: the change with the proven name of whom it concerns.

    :raises Fault: `staff.unknown_person` when that person was erased.
    """
    profile = people.profile(session, parts.vault, parts.ward.code, PersonId(row.person))
    if profile is None:
        raise Fault("staff.unknown_person")
    said = json.loads(row.content)
    return {
        "ward": ward_name(parts.ward.code, locale),
        "change": row.id,
        "kind": row.kind,
        "person": {"name": profile.name, "birth_date": profile.birth_date.isoformat()},
        **{name: said[name] for name in ("role", "last", "cause", "placed", "signed") if name in said},
        "hash": row.hash,
    }


def text_of(session: Session, parts: Parts, row: ChangeRow, locale: str) -> str:
    """The text of a change as it would be signed now."""
    return change_text.render(content_of(session, parts, row, locale), change_text.template_of(locale))


def ask_for_signature(unit: Unit, parts: Parts, login: Login | None, id_: str, locale: str) -> Errand:
    """Send a staff member to their card.

    :raises Fault: `login.needed`, `request.unknown_page`, `change.*`.
    """
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    row = changes.find(unit.session, unit.ward, id_, login.person)
    check_signing(unit.session, parts, row, login)
    content, template = content_of(unit.session, parts, row, locale), change_text.template_of(locale)
    page = parts.address(f"/staff/changes/{id_}")
    return parts.signing.ask(
        unit,
        SigningPurpose.APPROVAL,
        row.id,
        locale=locale,
        text=change_text.render(content, template),
        template=template,
        content=content,
        pages=(page, page),
    )


def _claim(unit: Unit, row: ChangeRow, now: datetime) -> int:
    """Add the next signature, if nobody was faster.

    :returns: its number, from 1.
    :raises Fault: `change.done`.
    """
    number = row.signatures + 1
    done = {"done_at": now} if number == _BOTH else {}
    claimed = unit.session.exec(
        update(ChangeRow)
        .where(
            col(ChangeRow.ward) == unit.ward,
            col(ChangeRow.id) == row.id,
            col(ChangeRow.signatures) == row.signatures,
            col(ChangeRow.done_at).is_(None),
        )
        .values(signatures=number, **done)
    )
    if claimed.rowcount != 1:
        raise Fault("change.done")
    unit.session.refresh(row)
    return number


def _keep(unit: Unit, parts: Parts, row: ChangeRow, by: PersonId, number: int, signed: CardEvidence) -> None:
    now, container = parts.clock.now(), signed.container.to_json()
    place = f"{row.id}/{number}"
    cipher, wrapped = parts.vault.new_data_key(unit.ward, f"staff_approval/{place}")
    hash_ = hashlib.sha256(container.encode("ascii")).hexdigest()
    unit.session.add(
        ApprovalRow(
            ward=unit.ward,
            change=row.id,
            number=number,
            by=by,
            at=now,
            hash=hash_,
            wrapped_key=wrapped,
            container=cipher.seal(container, table="staff_approval", column="container", row=place),
        )
    )
    clear: dict[str, str | int | bool] = {"container": hash_, "change": row.hash, "kind": row.kind}
    unit.record(Event(EventName.CHANGE_APPROVED, unit.ward, now, {by: {"change": row.id}}, clear))


def _lift(unit: Unit, row: ChangeRow, hold: str, now: datetime) -> None:
    lifted = unit.session.exec(
        update(HoldRow)
        .where(col(HoldRow.ward) == unit.ward, col(HoldRow.id) == hold, col(HoldRow.lifted_at).is_(None))
        .values(lifted_at=now)
    )
    if lifted.rowcount != 1:
        raise Fault("change.stale")
    lifted_of = PersonId(row.person)
    unit.record(Event(EventName.STAFF_LIFTED, unit.ward, now, {lifted_of: {}}, {"change": row.hash}))


def _execute(unit: Unit, parts: Parts, row: ChangeRow) -> None:
    """Make the change, if it can still be made.

    :raises Fault: `change.stale`, `staff.not_proofed`.
    """
    content, now, person = json.loads(row.content), parts.clock.now(), PersonId(row.person)
    match ChangeKind(row.kind):
        case ChangeKind.LIFT_HOLD | ChangeKind.LIFT_GRANT_HOLD:
            _lift(unit, row, content["hold"], now)
        case ChangeKind.GIVE_ROLE:
            last = date.fromisoformat(content["last"])
            if last < ward_day(now):
                raise Fault("change.stale")
            if not staff.is_card_proofed(unit.session, unit.ward, person, now):
                raise Fault("staff.not_proofed")
            roles.give(unit, person, Role(content["role"]), now, end_of(last))
        case ChangeKind.END_ROLE:
            if not roles.end(unit, person, Role(content["role"]), now):
                raise Fault("change.stale")


def take_in(unit: Unit, parts: Parts, login: Login | None, id_: str, signed: CardEvidence) -> list[Mail]:
    """Take a signature in; with the second one the change is made.

    :raises Fault: `login.needed`, `request.unknown_page`, `change.*`, `staff.*`.
    """
    staff.one_at_a_time(unit)
    login = staff.required_as(unit.session, parts, login, staff.ADMIN)
    row = changes.find(unit.session, unit.ward, id_, login.person)
    check_signing(unit.session, parts, row, login)
    check_signer(unit, parts, login.person, signed, SigningPurpose.APPROVAL)
    claims = signed.container.claims()
    locale = str(claims.get("template")).rpartition(".")[2]
    if locale not in LOCALES:
        raise Fault("change.text")
    change_text.check_signed(claims, content_of(unit.session, parts, row, locale))
    number = _claim(unit, row, parts.clock.now())
    _keep(unit, parts, row, login.person, number, signed)
    if number == _BOTH:
        _execute(unit, parts, row)
    return []
