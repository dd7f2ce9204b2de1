"""Tables of the registry. Every key begins with the ward; a person is an id without a foreign key."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class GrantRow(SQLModel, table=True):
    """A grant, from its proposal to its end.

    :param delegate: empty until someone accepts.
    :param procedures: JSON list of ids, as `actions`.
    :param first: first ward date, ISO 8601, as `last`: they sort as text.
    :param delegate_name: as the principal typed it, sealed with her key, as `invited`, the address.
    :param invitation: hash of the handle that the mail carries.
    :param digits: the six digits of this acceptance, sealed; empty once they were compared.
    :param commitment: SHA-256 over `opening` and the delegate's proven attributes.
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

    :param record: the verification record, a JWS by the archive key.
    :param certificate: MAC of the signature certificate's identity, for matching new revocation lists.
    """

    __tablename__ = "mandate"

    ward: str = Field(primary_key=True)
    grant: str = Field(primary_key=True)
    wrapped_key: bytes
    container: bytes
    opening: bytes
    record: str
    certificate: str = Field(index=True)
    signed_at: datetime = time_column()


class HoldRow(SQLModel, table=True):
    """One reason why a grant or a person must not be used now; one hold's end never lifts another.

    :param kind: `grant` or `person`.
    :param cause: `paused_by_principal`, `paused_by_delegate`, `admin`, `staff_review` or `card_lost`.
    """

    __tablename__ = "hold"
    __table_args__ = (Index("hold_open", "ward", "kind", "target", "lifted_at"),)

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str
    target: str
    cause: str
    placed_by: str
    placed_at: datetime = time_column()
    lifted_at: datetime | None = time_column(nullable=True)


class DecisionRow(SQLModel, table=True):
    """A decision that was made about someone who acted for another, or for themselves.

    :param grant: the one grant that carried it, where it was allowed.
    """

    __tablename__ = "decision"
    __table_args__ = (Index("decision_principal", "ward", "principal", "at"),)

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
    grant: str | None = Field(default=None, index=True)
