"""Tables of what staff do: changes that take two, their signatures, and who looked at whom."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from assurance.database import time_column
from delegation.tables import ClosedSet


class ChangeKind(StrEnum):
    """What takes two."""

    LIFT_HOLD = "lift_hold"
    LIFT_GRANT_HOLD = "lift_grant_hold"
    GIVE_ROLE = "give_role"
    END_ROLE = "end_role"


class Looked(StrEnum):
    """At what of a person someone looked."""

    FOUND = "found"
    PERSON = "person"
    GRANT = "grant"
    REVIEW = "review"


class ChangeRow(SQLModel, table=True):
    """A change that one staff member proposes and a second one approves, each with a card's signature.

    :param person: whom it concerns.
    :param content: JSON of ids and dates: nothing in it is more than other rows say in the clear.
    :param hash: SHA-256 of the whole proposal; both signatures are over it.
    :param signatures: how many there are; whoever adds one claims it by the number before.
    """

    __tablename__ = "staff_change"
    __table_args__ = (
        Index("staff_change_open", "ward", "done_at", "expires_at"),
        Index("staff_change_person", "ward", "person"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str = Field(sa_column=sa.Column(ClosedSet(ChangeKind), nullable=False))
    person: str
    content: str
    hash: str
    proposed_by: str
    proposed_at: datetime = time_column()
    expires_at: datetime = time_column()
    signatures: int = 0
    done_at: datetime | None = time_column(nullable=True)


class ApprovalRow(SQLModel, table=True):
    """One signature under a change, kept as evidence: sealed with a data key of its own.

    :param hash: SHA-256 of the container, which the audit log holds too.
    """

    __tablename__ = "staff_approval"
    __table_args__ = (Index("staff_approval_by", "ward", "by"),)

    ward: str = Field(primary_key=True)
    change: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    by: str
    at: datetime = time_column()
    hash: str
    wrapped_key: bytes
    container: bytes


class LookRow(SQLModel, table=True):
    """A staff member looked at a person.

    :param about: the grant, where it was one.
    """

    __tablename__ = "staff_look"
    __table_args__ = (
        Index("staff_look_at", "ward", "at"),
        Index("staff_look_by", "ward", "by", "at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    at: datetime = time_column()
    by: str
    person: str
    what: str = Field(sa_column=sa.Column(ClosedSet(Looked), nullable=False))
    about: str | None = None
