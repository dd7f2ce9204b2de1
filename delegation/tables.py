"""Tables of the registry. Every key begins with the ward; a person is an id without a foreign key."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Dialect, Index, UniqueConstraint
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from assurance.database import time_column
from delegation.grant import HoldCause, HoldKind


class ClosedSet(TypeDecorator[str]):
    """A text column for the values of one enumeration.

    Another value stops the statement: a hold of a misspelt kind would be found by no query, and hold nothing.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, values: type[StrEnum]) -> None:
        super().__init__()
        self.values = values

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what is no value of the set."""
        del dialect
        return None if value is None else str(self.values(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Read the value of the set."""
        del dialect
        return None if value is None else self.values(value)


class GrantRow(SQLModel, table=True):
    """A grant, from its proposal to its end.

    :param delegate: empty until someone accepts, and in an office's grant: whom it designates acts.
    :param office: the delegate of a `care_office` grant.
    :param procedures: JSON list of ids, as `actions`.
    :param first: first ward date, ISO 8601, as `last`: they sort as text.
    :param delegate_name: as the principal typed it, sealed with her key, as `invited`, the address.
    :param invitation: hash of the handle that the mail carries.
    :param digits: the six digits of this acceptance, sealed; empty once they were compared. Why they are no
        MAC: see `delegation.comparing`.
    :param commitment: SHA-256 over 32 random octets and the delegate's proven attributes.
    :param opening: these octets and attributes, sealed to the hash of the proposal that was accepted.
    :param ended_reason: told to the principal alone.
    """

    __tablename__ = "delegation_grant"
    __table_args__ = (
        Index("delegation_grant_use", "ward", "delegate", "principal", "state"),
        Index("delegation_grant_principal", "ward", "principal"),
        UniqueConstraint("ward", "invitation"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    version: int
    state: str
    principal: str
    delegate: str | None = None
    office: str | None = None
    basis: str
    mode: str
    procedures: str
    procedures_version: str
    actions: str
    first: str
    last: str
    delegate_name: bytes
    invited: bytes
    invitation: str
    invitation_until: datetime = time_column()
    digits: bytes | None = None
    tries_left: int = 3
    compared_at: datetime | None = time_column(nullable=True)
    commitment: str | None = None
    opening: bytes | None = None
    ended_reason: str | None = None
    created_at: datetime = time_column()
    ended_at: datetime | None = time_column(nullable=True)


class TransitionRow(SQLModel, table=True):
    """One step of a grant."""

    __tablename__ = "grant_transition"

    ward: str = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    state: str
    by: str
    at: datetime = time_column()


class MandateRow(SQLModel, table=True):
    """The evidence of a grant: what the principal's card signed, sealed with a data key of its own.

    Two of its columns could not be filled in later. `certificate` is what every new revocation list is
    matched with (`delegation.revoked.matching`), which must not mean opening every mandate. `opening`, which
    nothing reads yet, proves in a dispute who the delegate was that the text commits to; the grant forgets
    it.

    :param opening: of the commitment; it stands in no page, receipt or file.
    :param record: the verification record, a JWS by the archive key.
    :param certificate: MAC of the signature certificate's identity, the very one of its identifier: by it a
        card is found that does not count in full yet. New revocation lists are to be matched with it every
        day, which must not mean opening every mandate.
    """

    __tablename__ = "mandate"
    __table_args__ = (Index("mandate_certificate", "ward", "certificate"),)

    ward: str = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    wrapped_key: bytes
    container: bytes
    opening: bytes
    record: str
    certificate: str
    signed_at: datetime = time_column()


class HoldRow(SQLModel, table=True):
    """One reason why a grant or a person must not be used now; one hold's end never lifts another.

    :param kind: a `HoldKind`.
    :param target: the grant's or the person's id.
    :param cause: a `HoldCause`.
    :param reason: what the staff member wrote who placed it, sealed with the key of the person held.
    """

    __tablename__ = "hold"
    __table_args__ = (Index("hold_open", "ward", "kind", "target", "lifted_at"),)

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str = Field(sa_column=sa.Column(ClosedSet(HoldKind), nullable=False))
    target: str
    cause: str = Field(sa_column=sa.Column(ClosedSet(HoldCause), nullable=False))
    placed_by: str
    reason: bytes | None = None
    placed_at: datetime = time_column()
    lifted_at: datetime | None = time_column(nullable=True)


class NoticeRow(SQLModel, table=True):
    """A mail that one person can make us send to another, as long as it counts towards the cap of such mails.

    :param address: MAC of the invited address; None for a mail to the grant's principal.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("notice_address", "ward", "address", "expires_at"),
        Index("notice_grant", "ward", "grant", "kind", "expires_at"),
        Index("notice_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str
    grant: str
    address: str | None = None
    expires_at: datetime = time_column()


class DecisionRow(SQLModel, table=True):
    """A decision that was made about someone who acted for another, or for themselves.

    :param grant: the one grant that carried it, where it was allowed.
    """

    __tablename__ = "decision"
    __table_args__ = (
        Index("decision_principal", "ward", "principal", "at"),
        Index("decision_grant", "ward", "grant"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    at: datetime = time_column()
    caller: str
    subject: str
    principal: str
    procedure: str
    action: str
    allowed: bool
    reason: str
    grant: str | None = None
