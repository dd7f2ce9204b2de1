"""Tables of care offices. Every key begins with the ward; a person is an id without a foreign key."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class OfficeRow(SQLModel, table=True):
    """A care office (居宅介護支援事業所) that the ward registered.

    :param number: its 事業所番号.
    :param until: last ward date of its designation as an office (指定), ISO 8601.
    """

    __tablename__ = "office"
    __table_args__ = (UniqueConstraint("ward", "number"),)

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    number: str
    name: str
    until: str | None = None
    registered_by: str
    registered_at: datetime = time_column()
    ended_at: datetime | None = time_column(nullable=True)


class MembershipRow(SQLModel, table=True):
    """Someone's work for an office, from the invitation on.

    :param person: empty until the invited person accepted.
    :param administrator: may invite, attest, designate and hand over; acts for nobody by that alone.
    :param sealed: name and mail address as typed, and the 介護支援専門員番号.
    :param number_until: last ward date of the care manager's certificate (介護支援専門員証), ISO 8601.
    :param checked_at: when staff of the ward compared the number with the register.
    :param attested_until: until when the office says that this person works there.
    """

    __tablename__ = "membership"
    __table_args__ = (
        Index("membership_person", "ward", "person"),
        Index("membership_office", "ward", "office"),
        UniqueConstraint("ward", "invitation"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    office: str
    person: str | None = None
    administrator: bool
    sealed: bytes
    number_until: str | None = None
    invitation: str
    invitation_until: datetime = time_column()
    invited_by: str
    accepted_at: datetime | None = time_column(nullable=True)
    checked_by: str | None = None
    checked_at: datetime | None = time_column(nullable=True)
    attested_until: datetime | None = time_column(nullable=True)
    ended_at: datetime | None = time_column(nullable=True)


class AskRow(SQLModel, table=True):
    """An office asks someone for a grant; whether that person exists is looked up by nothing.

    :param target: MAC of name and birth date as asked; a person finds it by her own.
    :param sealed: name and birth date as typed, for the office.
    :param answered_at: set once, by whoever answers first; `grant` is what came of a yes.
    """

    __tablename__ = "grant_request"
    __table_args__ = (
        Index("grant_request_target", "ward", "target"),
        Index("grant_request_office", "ward", "office", "asked_at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    office: str
    membership: str
    asked_by: str
    target: str
    sealed: bytes
    mode: str
    procedures: str
    procedures_version: str
    actions: str
    first: str
    last: str
    asked_at: datetime = time_column()
    open_until: datetime = time_column()
    answered_at: datetime | None = time_column(nullable=True)
    grant: str | None = None


class DesignationRow(SQLModel, table=True):
    """The office's naming of the member who acts for a principal (担当), from and until a moment.

    Of one grant's at most one is in force at any moment.

    :param works_from: a hand-over's is a day after its notice, unless someone else confirms it.
    :param refused_at: its principal said no before it worked.
    """

    __tablename__ = "designation"
    __table_args__ = (
        Index("designation_grant", "ward", "grant", "works_from"),
        Index("designation_person", "ward", "person"),
        Index("designation_membership", "ward", "membership"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    grant: str
    office: str
    membership: str
    person: str
    named_by: str
    named_at: datetime = time_column()
    works_from: datetime = time_column()
    until: datetime | None = time_column(nullable=True)
    confirmed_by: str | None = None
    refused_at: datetime | None = time_column(nullable=True)
