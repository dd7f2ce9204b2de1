"""Mails about grants: in every language at once, since nobody's language is known; they name no procedure.

Both sides of a grant are told of what happens to it, each in words of their own; a delegate's are the same
whatever the cause. A mail that one person makes us send to another is counted by its address and its grant:
an invitation must not be a way to fill someone's mailbox.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, col, func, select
from starlette.background import BackgroundTask

from assurance import identifiers
from assurance.database import Unit
from assurance.identifiers import IdentifierKind
from assurance.mail import Mail, hand_over
from assurance.person import PersonId, new_id
from assurance.wards import ward_name
from card.pages import LOCALES
from delegation import registry
from delegation.grant import GrantId
from delegation.parts import Parts
from delegation.tables import GrantRow, NoticeRow

_RULE: Final = "\n\n" + "-" * 24 + "\n\n"
_A_DAY: Final = timedelta(days=1)
_MOST_A_DAY: Final = 10


class NoticeKind(StrEnum):
    """Each has texts as `delegation.mail.<kind>.subject` and `.body`."""

    INVITATION = "invitation"
    CODE = "code"
    OTHER_NAME = "other_name"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    SIGNED = "signed"
    ENDED_GIVEN = "ended_given"
    ENDED_HELD = "ended_held"
    PAUSED_GIVEN = "paused_given"
    PAUSED_HELD = "paused_held"
    RESUMED_GIVEN = "resumed_given"
    RESUMED_HELD = "resumed_held"
    MEMBER = "member"
    HAND_OVER = "hand_over"
    CERTIFICATE_RENEWED = "certificate_renewed"
    CERTIFICATE_REVIEWED = "certificate_reviewed"
    CERTIFICATE_STOPPED = "certificate_stopped"


class News(NamedTuple):
    """What each side of a grant is told."""

    principal: NoticeKind
    delegate: NoticeKind


ACTIVATED: Final = News(NoticeKind.ACTIVE, NoticeKind.ACTIVE)
SIGNED: Final = News(NoticeKind.SIGNED, NoticeKind.SIGNED)
"""It is in force later; the page says when."""
ENDED: Final = News(NoticeKind.ENDED_GIVEN, NoticeKind.ENDED_HELD)
PAUSED: Final = News(NoticeKind.PAUSED_GIVEN, NoticeKind.PAUSED_HELD)
RESUMED: Final = News(NoticeKind.RESUMED_GIVEN, NoticeKind.RESUMED_HELD)


def notice(parts: Parts, to: str, kind: NoticeKind, path: str, **values: str) -> Mail:
    """A mail with a link to a page of ours."""
    told = values | {"link": parts.ward.origin + parts.address(path)}
    texts = [
        tuple(
            parts.pages.text(
                locale, f"delegation.mail.{kind}.{part}", ward=ward_name(parts.ward.code, locale), **told
            )
            for part in ("subject", "body")
        )
        for locale in LOCALES
    ]
    return Mail(to, " / ".join(subject for subject, _ in texts), _RULE.join(body for _, body in texts))


def notices_to(session: Session, parts: Parts, person: PersonId, kind: NoticeKind, path: str) -> list[Mail]:
    """The same mail to every confirmed address of a person."""
    addresses = identifiers.addresses_of(session, parts.vault, parts.ward.code, person)
    return [notice(parts, address, kind, path) for address in addresses]


def to_both_sides(session: Session, parts: Parts, rows: Sequence[GrantRow], news: News) -> list[Mail]:
    """Tell the parties of grants, each person once."""
    path = f"/grants/{rows[0].id}" if len(rows) == 1 else "/grants"
    now = parts.clock.now()
    delegates = (registry.delegate_of(session, row, now) for row in rows)
    told = [
        *((PersonId(row.principal), news.principal) for row in rows),
        *((delegate, news.delegate) for delegate in delegates if delegate is not None),
    ]
    return [
        mail
        for person, kind in dict.fromkeys(told)
        for mail in notices_to(session, parts, person, kind, path)
    ]


def _counting(unit: Unit, now: datetime, *which: sa.ColumnElement[bool] | bool) -> int:
    question = select(func.count()).where(NoticeRow.ward == unit.ward, NoticeRow.expires_at > now, *which)
    return unit.session.exec(question).one()


def _count(unit: Unit, kind: NoticeKind, grant: GrantId, address: str | None, now: datetime) -> None:
    until = now + _A_DAY
    unit.session.add(
        NoticeRow(ward=unit.ward, id=new_id(), kind=kind, grant=grant, address=address, expires_at=until)
    )


def invitation(unit: Unit, parts: Parts, grant: GrantId, address: str, handle: str) -> list[Mail]:
    """The mail to someone who is asked.

    :returns: nothing for an address that got too many within a day, of whomever: the page does not tell.
    """
    now = parts.clock.now()
    macs = identifiers.macs_of(parts.vault, unit.ward, IdentifierKind.EMAIL, address)
    if _counting(unit, now, col(NoticeRow.address).in_(macs)) >= _MOST_A_DAY:
        return []
    _count(unit, NoticeKind.INVITATION, grant, macs[0], now)
    return [notice(parts, address, NoticeKind.INVITATION, f"/invitations/{handle}")]


def other_name(unit: Unit, parts: Parts, row: GrantRow) -> list[Mail]:
    """What the principal is told, once a day and grant, when someone of another name tried to accept."""
    now, kind = parts.clock.now(), NoticeKind.OTHER_NAME
    if _counting(unit, now, NoticeRow.grant == row.id, NoticeRow.kind == kind):
        return []
    _count(unit, kind, GrantId(row.id), None, now)
    return notices_to(unit.session, parts, PersonId(row.principal), kind, f"/grants/{row.id}")


def sending(parts: Parts, mails: Sequence[Mail]) -> BackgroundTask:
    """Send mails after the response; one that fails is logged and does not keep the others."""
    return BackgroundTask(hand_over, parts.mailer, mails)
