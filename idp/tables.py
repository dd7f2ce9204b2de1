"""Tables of the provider. Every key begins with the ward."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from assurance.database import time_column


class SigningKeyRow(SQLModel, table=True):
    """A key that the ward signs with, sealed."""

    __tablename__ = "signing_key"

    ward: str = Field(primary_key=True)
    kid: str = Field(primary_key=True)
    purpose: str
    alg: str
    sealed: bytes
    created_at: datetime = time_column()
    retired_at: datetime | None = time_column(nullable=True)


class LoginSessionRow(SQLModel, table=True):
    """A login: one browser, one person.

    :param browser: hash of the cookie; it changes whenever the login is raised.
    :param evidence: JSON of what was proven in this login.
    """

    __tablename__ = "login_session"

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    browser: str = Field(index=True)
    person: str = Field(index=True)
    evidence: str
    started_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)
    ended_at: datetime | None = time_column(nullable=True)


class InteractionRow(SQLModel, table=True):
    """Something a browser is in the middle of.

    :param browser: hash of the interaction's own cookie.
    :param answer_hash: hash of the one-time handle of an answer that came back through a third party.
    """

    __tablename__ = "interaction"

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kind: str
    browser: str
    return_to: str
    ial: int
    aal: int
    not_before: datetime | None = time_column(nullable=True)
    payload: bytes
    answer_hash: str | None = None
    answer: bytes | None = None
    answer_until: datetime | None = time_column(nullable=True)
    created_at: datetime = time_column()
    expires_at: datetime = time_column(index=True)
