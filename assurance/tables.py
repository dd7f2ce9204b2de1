"""Tables of people, their ways in, and what proves them. Every key begins with the ward."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from assurance.database import time_column


class Person(SQLModel, table=True):
    """A person, proven or not.

    :param user_handle: random, for WebAuthn (L3 §5.4.3); it tells nothing.
    """

    __tablename__ = "person"
    __table_args__ = (Index("person_user_handle", "ward", "user_handle"),)

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    user_handle: str
    created_at: datetime = time_column()


class ProofRow(SQLModel, table=True):
    """A proofing with the attributes it proved, sealed."""

    __tablename__ = "proof"
    __table_args__ = (
        Index("proof_person", "ward", "person"),
        Index("proof_name_mac", "ward", "name_mac"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    person: str
    method: str
    ial: int
    proven_at: datetime = time_column()
    ends_at: datetime = time_column()
    name_mac: str
    name: bytes
    birth_date: bytes
    sex: bytes
    address: bytes


class IdentifierRow(SQLModel, table=True):
    """What identifies a person from outside: a card's certificate, an address; found by MAC.

    :param certificate: of a card's authentication key, which names nobody; sealed. Whether it still is valid
        is asked when another one is to take its place.
    :param ended_at: from then on it leads to nobody, and never to anybody else.
    """

    __tablename__ = "identifier"
    __table_args__ = (Index("identifier_person", "ward", "person"),)

    ward: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    mac: str = Field(primary_key=True)
    person: str
    sealed: bytes
    certificate: bytes | None = None
    bound_at: datetime = time_column()
    counts_from: datetime | None = time_column(nullable=True)
    ended_at: datetime | None = time_column(nullable=True)


class BusinessRow(SQLModel, table=True):
    """What GビズID said of a person's business when they last showed it.

    :param sealed: kind of account, number and name.
    """

    __tablename__ = "business"

    ward: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    sealed: bytes
    shown_at: datetime = time_column()


class PasskeyRow(SQLModel, table=True):
    """A passkey."""

    __tablename__ = "credential"
    __table_args__ = (
        UniqueConstraint("ward", "id"),
        Index("credential_person", "ward", "person"),
    )

    ward: str = Field(primary_key=True)
    credential_id: str = Field(primary_key=True)
    id: str
    person: str
    public_key: bytes
    sign_count: int
    synced: bool
    label: bytes
    added_at: datetime = time_column()
    last_used_at: datetime | None = time_column(nullable=True)
    counts_from: datetime | None = time_column(nullable=True)


class ChallengeRow(SQLModel, table=True):
    """Something that may be answered once, by one browser.

    :param bound: what the answer must be about, hashed or as MAC.
    """

    __tablename__ = "challenge"
    __table_args__ = (
        Index("challenge_bound", "ward", "bound"),
        Index("challenge_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    purpose: str
    browser: str
    bound: str
    sealed: bytes
    tries_left: int
    created_at: datetime = time_column()
    expires_at: datetime = time_column()
    used_at: datetime | None = time_column(nullable=True)


class RoleRow(SQLModel, table=True):
    """Who is staff, admin or auditor, and how long."""

    __tablename__ = "role_assignment"

    ward: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    since: datetime = time_column()
    until: datetime | None = time_column(nullable=True)


class ProtectionRow(SQLModel, table=True):
    """A protected person (DV等支援措置)."""

    __tablename__ = "protection"

    ward: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    since: datetime = time_column()
    until: datetime | None = time_column(nullable=True)
