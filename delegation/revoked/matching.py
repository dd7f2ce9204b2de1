"""Matching lists with mandates: who is named is found by MAC, and only what is named is opened.

A unit takes up what is new about one principal; what it took up is in its rows, so that a job that is
repeated, doubled or cut off tells nobody twice and holds nothing twice. A mail that a crash kept from being
sent is not sent later; the principal's records say the same.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from sqlmodel import col, select

from assurance.among import among
from assurance.database import Unit, connection_of, table_of
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind, macs_of
from assurance.mail import Mail, hand_over
from assurance.person import PersonId
from assurance.sealed import Unopenable
from card.certificates import read_certificate
from card.dates import ward_day
from card.faults import CardRejected
from card.jose import Flattened
from card.revocation import Listed, RevocationList
from delegation import notices
from delegation.grant import GrantState
from delegation.notices import NoticeKind
from delegation.parts import Parts
from delegation.revoked import holding
from delegation.revoked.consequence import REVIEW_TAKES, Consequence, follows
from delegation.revoked.tables import RevokedMandateRow
from delegation.tables import GrantRow, MandateRow

_AT_ONCE: Final = 2000
_GRANT: Final = table_of(GrantRow)
_MANDATE: Final = table_of(MandateRow)
_REVOKED: Final = table_of(RevokedMandateRow)
_NAMED: Final = (
    sa.select(
        _MANDATE.c.grant,
        _MANDATE.c.certificate,
        _MANDATE.c.wrapped_key,
        _MANDATE.c.container,
        _GRANT.c.principal,
        _REVOKED.c.reason,
    )
    .select_from(
        _MANDATE.join(
            _GRANT, (_GRANT.c.ward == _MANDATE.c.ward) & (_GRANT.c.id == _MANDATE.c.grant)
        ).outerjoin(_REVOKED, (_REVOKED.c.ward == _MANDATE.c.ward) & (_REVOKED.c.grant == _MANDATE.c.grant))
    )
    .where(
        among(_MANDATE.c.certificate, "macs"),
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.last >= sa.bindparam("today", type_=sa.String()),
    )
)
_OVERDUE: Final = (
    sa.select(_GRANT.c.principal, _GRANT.c.id)
    .select_from(
        _REVOKED.join(_GRANT, (_GRANT.c.ward == _REVOKED.c.ward) & (_GRANT.c.id == _REVOKED.c.grant))
    )
    .where(
        _REVOKED.c.ward == sa.bindparam("ward", type_=sa.String()),
        _REVOKED.c.settled_at.is_(None),
        _REVOKED.c.hold_at <= sa.bindparam("now", type_=_REVOKED.c.hold_at.type),
        _GRANT.c.state == GrantState.ACTIVE,
        _GRANT.c.last >= sa.bindparam("today", type_=sa.String()),
    )
)
_TOLD: Final[Mapping[Consequence, NoticeKind]] = {
    Consequence.NOTICE: NoticeKind.CERTIFICATE_RENEWED,
    Consequence.REVIEW: NoticeKind.CERTIFICATE_REVIEWED,
    Consequence.HOLD: NoticeKind.CERTIFICATE_STOPPED,
}


@dataclass(frozen=True, slots=True)
class Matched:
    """What a job did.

    :param listed: certificates that the lists name.
    :param new: mandates of which a list says something that was not taken up before.
    :param reviews: of these, those that staff look at now.
    :param holds: holds placed, also those whose review nobody settled in time.
    """

    listed: int
    new: int
    reviews: int
    holds: int


def match(parts: Parts, lists: Sequence[RevocationList], stopping: threading.Event | None = None) -> Matched:
    """Take up whatever these lists say of the ward's mandates, then hold what waited for staff too long.

    :param lists: current ones, the newest last: its reason counts.
    :param stopping: when it is set, the job ends before its end; the next one finds the rest.
    """
    stopping = stopping or threading.Event()
    found, listed = _named(parts, lists, stopping)
    taken = [_take_up(parts, reasons) for reasons in found.values() if not stopping.is_set()]
    return Matched(
        listed,
        sum(done.new for done in taken),
        sum(done.reviews for done in taken),
        sum(done.holds for done in taken) + hold_overdue(parts),
    )


def hold_overdue(parts: Parts) -> int:
    """Hold what waited for staff until its day.

    :returns: how many grants were held.
    """
    now = parts.clock.now()
    moment = {"ward": parts.ward.code, "now": now, "today": ward_day(now).isoformat()}
    overdue: dict[str, list[str]] = defaultdict(list)
    with parts.database.reading(parts.ward.code) as session:
        for row in connection_of(session).execute(_OVERDUE, moment):
            overdue[row.principal].append(row.id)
    return sum(_hold_overdue(parts, ids) for ids in overdue.values())


def _chunks(found: RevocationList) -> Iterator[Sequence[Listed]]:
    entries = iter(found)
    while chunk := list(islice(entries, _AT_ONCE)):
        yield chunk


def _named(
    parts: Parts, lists: Sequence[RevocationList], stopping: threading.Event
) -> tuple[Mapping[str, Mapping[str, str]], int]:
    """What is new: by principal, the reason by grant; and how many certificates the lists name.

    Each chunk is asked about in a snapshot of its own: one that is as old as the job would keep SQLite from
    shortening its log.
    """
    ward, listed = parts.ward.code, 0
    today = ward_day(parts.clock.now()).isoformat()
    found: dict[tuple[str, str], tuple[str, bool]] = {}
    for of_root in lists:
        for chunk in _chunks(of_root):
            if stopping.is_set():
                return {}, listed
            listed += len(chunk)
            by_mac = {
                mac: named
                for named in chunk
                for mac in macs_of(parts.vault, ward, IdentifierKind.CARD_SIGNATURE, named.identity)
            }
            asked = {"ward": ward, "macs": list(by_mac), "today": today}
            with parts.database.reading(ward) as session:
                rows = connection_of(session).execute(_NAMED, asked).all()
            for row in rows:
                reason = by_mac[row.certificate].reason
                known = row.reason == reason
                if known or _is_of_root(parts, row.grant, row.wrapped_key, row.container, of_root):
                    found[row.principal, row.grant] = reason, known
    new: dict[str, dict[str, str]] = defaultdict(dict)
    for (principal, grant), (reason, known) in found.items():
        if not known:
            new[principal][grant] = reason
    return new, listed


def _is_of_root(parts: Parts, grant: str, wrapped: bytes, container: bytes, found: RevocationList) -> bool:
    """Whether the list's root issued the certificate that signed: names of issuers and keys prove nothing."""
    try:
        cipher = parts.vault.open_data_key(parts.ward.code, f"mandate/{grant}", wrapped)
        kept = cipher.open(container, table="mandate", column="container", row=grant)
        certificate = read_certificate(Flattened.parse(kept).leaf_der)
        certificate.x509.verify_directly_issued_by(found.root)
    except (Unopenable, CardRejected, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _mails(unit: Unit, parts: Parts, told: Mapping[NoticeKind, Sequence[GrantRow]]) -> list[Mail]:
    """To the principal alone: a delegate learns no more than that a grant cannot be used."""
    return [
        mail
        for kind, rows in told.items()
        for mail in notices.notices_to(
            unit.session,
            parts,
            PersonId(rows[0].principal),
            kind,
            f"/grants/{rows[0].id}" if len(rows) == 1 else "/grants",
        )
    ]


def _hold_at(known: RevokedMandateRow | None, now: datetime) -> datetime:
    """When a grant is held that nobody decides about; another reason does not put off that day."""
    if known is None or known.settled_at is not None or known.hold_at is None:
        return now + REVIEW_TAKES
    return known.hold_at


def _take_up(parts: Parts, reasons: Mapping[str, str]) -> Matched:
    """Take up what is new of one principal's grants."""
    now, new, reviews, holds = parts.clock.now(), 0, 0, 0
    told: dict[NoticeKind, list[GrantRow]] = defaultdict(list)
    with parts.database.writing(parts.ward.code) as unit:
        for row in holding.active_grants(unit, list(reasons)):
            reason = reasons[row.id]
            known = unit.session.get(RevokedMandateRow, (unit.ward, row.id))
            if known is not None and known.reason == reason:
                continue
            consequence, held = follows(reason), holding.is_held(unit.session, unit.ward, row.id)
            waits = consequence is Consequence.REVIEW and not held
            unit.session.merge(
                RevokedMandateRow(
                    ward=unit.ward,
                    grant=row.id,
                    reason=reason,
                    seen_at=now,
                    hold_at=_hold_at(known, now) if waits else None,
                    settled_at=None if waits else now,
                )
            )
            concerning = {PersonId(row.principal): {"grant": row.id, "reason": reason}}
            unit.record(Event(EventName.MANDATE_REVOKED, unit.ward, now, concerning))
            placed = consequence is Consequence.HOLD and holding.place(unit, parts, row)
            new, reviews, holds = new + 1, reviews + waits, holds + placed
            if placed or waits or (consequence is Consequence.NOTICE and not held):
                told[_TOLD[consequence]].append(row)
        mails = _mails(unit, parts, told)
    hand_over(parts.mailer, mails)
    return Matched(0, new, reviews, holds)


def _hold_overdue(parts: Parts, ids: Sequence[str]) -> int:
    now, held = parts.clock.now(), list[GrantRow]()
    with parts.database.writing(parts.ward.code) as unit:
        for row in holding.active_grants(unit, ids):
            review = unit.session.exec(
                select(RevokedMandateRow).where(
                    RevokedMandateRow.ward == unit.ward,
                    RevokedMandateRow.grant == row.id,
                    col(RevokedMandateRow.settled_at).is_(None),
                    col(RevokedMandateRow.hold_at) <= now,
                )
            ).first()
            if review is None:
                continue
            review.settled_at = now
            if holding.place(unit, parts, row):
                held.append(row)
        mails = _mails(unit, parts, {NoticeKind.CERTIFICATE_STOPPED: held} if held else {})
    hand_over(parts.mailer, mails)
    return len(held)
