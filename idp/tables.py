"""Tables of the provider. Every key begins with the ward."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from assurance.database import time_column


def _used(table: str) -> Index:
    """The index that a request finds by what it claimed.

    It leaves out what nobody redeemed yet, where PostgreSQL without statistics would search for a claim.
    """
    used = text("used_by IS NOT NULL")
    return Index(f"{table}_used_by", "ward", "used_by", sqlite_where=used, postgresql_where=used)


class SigningKeyRow(SQLModel, table=True):
    """A key that the ward signs with, sealed.

    :param certified: what the request key before it signed about it (`card.successors`); None for the first.
    """

    __tablename__ = "signing_key"

    ward: str = Field(primary_key=True)
    kid: str = Field(primary_key=True)
    purpose: str
    alg: str
    sealed: bytes
    created_at: datetime = time_column()
    retired_at: datetime | None = time_column(nullable=True)
    certified: str | None = None


class EnrolledBridgeRow(SQLModel, table=True):
    """A bridge on a PC of the ward.

    :param id: thumbprint of its key (RFC 7638).
    :param jwk: JSON of its public key.
    """

    __tablename__ = "enrolled_bridge"

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str
    jwk: str
    enrolled_at: datetime = time_column()
    revoked_at: datetime | None = time_column(nullable=True)


class LoginSessionRow(SQLModel, table=True):
    """A login: one browser, one person.

    :param browser: hash of the cookie; it changes whenever the login is raised.
    :param evidence: JSON of what was proven in this login.
    """

    __tablename__ = "login_session"
    __table_args__ = (
        Index("login_session_browser", "ward", "browser"),
        Index("login_session_person", "ward", "person"),
        Index("login_session_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    browser: str
    person: str
    evidence: str
    started_at: datetime = time_column()
    expires_at: datetime = time_column()
    ended_at: datetime | None = time_column(nullable=True)


class InteractionRow(SQLModel, table=True):
    """Something a browser is in the middle of.

    :param browser: hash of the interaction's own cookie.
    :param answer_hash: hash of the one-time handle of an answer that came back through a third party.
    """

    __tablename__ = "interaction"
    __table_args__ = (Index("interaction_expires_at", "ward", "expires_at"),)

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
    expires_at: datetime = time_column()


class OAuthClientRow(SQLModel, table=True):
    """A ward system: client, audience and decision caller in one row, with one sector.

    :param redirect_uris: JSON list, as `post_logout_redirect_uris`, `scopes` and `procedures`.
    :param secret_hash: SHA-256 of a random secret, for `client_secret_basic`.
    :param jwks: JSON of the client's public keys, for `private_key_jwt`.
    :param reads_cards: staff who use it may hand it what is printed on a card at the counter.
    :param previous_until: how long what the last rotation replaced goes on working.
    :param disabled_at: since when it is nobody, and what hangs from it nothing.
    """

    __tablename__ = "oauth_client"

    ward: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    name_ja: str
    name_en: str
    redirect_uris: str
    post_logout_redirect_uris: str
    auth_method: str
    secret_hash: str | None = None
    jwks: str | None = None
    sector: str
    audience: str
    scopes: str
    procedures: str
    delegation_aware: bool
    reads_cards: bool = False
    created_at: datetime = time_column()
    previous_secret_hash: str | None = None
    previous_jwks: str | None = None
    previous_until: datetime | None = time_column(nullable=True)
    disabled_at: datetime | None = time_column(nullable=True)


class SubjectRow(SQLModel, table=True):
    """The random name of a person in one sector; found both ways."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("ward", "sector", "sub"), Index("subject_person", "ward", "person"))

    ward: str = Field(primary_key=True)
    sector: str = Field(primary_key=True)
    person: str = Field(primary_key=True)
    sub: str


class AuthorizationRow(SQLModel, table=True):
    """What a person, acting for whom under which grant, allowed a client; codes and tokens hang from it.

    :param login: the login session that it ends with.
    :param principal: for whom the person acts; None for themselves.
    """

    __tablename__ = "client_authorization"
    __table_args__ = (
        Index("client_authorization_client_id", "ward", "client_id"),
        Index("client_authorization_person", "ward", "person"),
        Index("client_authorization_login", "ward", "login"),
        Index("client_authorization_grant", "ward", "grant"),
    )

    ward: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    client_id: str
    person: str
    login: str
    scope: str
    nonce: str | None = None
    principal: str | None = None
    grant: str | None = None
    created_at: datetime = time_column()
    ended_at: datetime | None = time_column(nullable=True)


class CodeRow(SQLModel, table=True):
    """An authorization code, by hash (RFC 6749 §4.1.2).

    :param printed: what is printed on a card, sealed, until the code is redeemed.
    """

    __tablename__ = "authorization_code"
    __table_args__ = (
        _used("authorization_code"),
        Index("authorization_code_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    client_id: str
    authorization: str
    redirect_uri: str
    code_challenge: str
    printed: bytes | None = None
    expires_at: datetime = time_column()
    used_by: str | None = None


class RefreshTokenRow(SQLModel, table=True):
    """A refresh token, by hash; each is used once (RFC 9700 §4.14.2)."""

    __tablename__ = "refresh_token"
    __table_args__ = (
        _used("refresh_token"),
        Index("refresh_token_expires_at", "ward", "expires_at"),
    )

    ward: str = Field(primary_key=True)
    token: str = Field(primary_key=True)
    client_id: str
    authorization: str
    expires_at: datetime = time_column()
    used_by: str | None = None


class UsedJtiRow(SQLModel, table=True):
    """A client assertion that was used (RFC 7523 §3 rule 7)."""

    __tablename__ = "used_jti"
    __table_args__ = (Index("used_jti_expires_at", "ward", "expires_at"),)

    ward: str = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    jti: str = Field(primary_key=True)
    expires_at: datetime = time_column()
