"""A token that someone shows: verified, and whether what it hangs from still lives."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session

from assurance.login import Login
from assurance.person import PersonId
from card.jose import TokenRejected, unverified_claims, verify_compact
from delegation import registry
from delegation.grant import GrantId
from delegation.tables import GrantRow
from idp import sessions
from idp.keys import KeyPurpose
from idp.services import Services
from idp.tables import AuthorizationRow, LoginSessionRow
from idp.token.mint import ACCESS_TYPE


@dataclass(frozen=True, slots=True)
class Presented:
    """A live access token of a person."""

    claims: Mapping[str, object]
    authorization: AuthorizationRow
    login: Login

    @property
    def scopes(self) -> frozenset[str]:
        """Its scopes."""
        return frozenset(str(self.claims["scope"]).split())


def live_login(session: Session, services: Services, authorization: AuthorizationRow) -> Login | None:
    """The login that an authorization hangs from, if both go on."""
    row = session.get(LoginSessionRow, (services.ward.code, authorization.login))
    ended = authorization.ended_at is not None or row is None or row.ended_at is not None
    if row is None or ended or services.clock.now() >= row.expires_at:
        return None
    return sessions.read(session, services, row)


def usable_grant(session: Session, services: Services, authorization: AuthorizationRow) -> GrantRow | None:
    """The grant that a delegated authorization rests on, if it may be used now."""
    if authorization.grant is None or authorization.principal is None:
        return None
    found = registry.usable(
        session,
        services.ward.code,
        PersonId(authorization.person),
        services.clock.now(),
        principal=PersonId(authorization.principal),
        id_=GrantId(authorization.grant),
    )
    return found[0] if found else None


def still_allowed(session: Session, services: Services, authorization: AuthorizationRow) -> bool:
    """Whether what an authorization acts under may be used: always so for oneself."""
    return authorization.grant is None or usable_grant(session, services, authorization) is not None


def read_claims(services: Services, token: str) -> Mapping[str, object] | None:
    """The claims of an access token of ours, whatever its audience; None for anything else."""
    try:
        audience = unverified_claims(token).get("aud")
        return verify_compact(
            token,
            services.keys.key_set(KeyPurpose.TOKEN),
            typ=ACCESS_TYPE,
            issuer=services.ward.issuer,
            audience=audience if isinstance(audience, str) else "",
            required=("sub", "client_id", "scope", "jti"),
            now=services.clock.now(),
        )
    except TokenRejected:
        return None


def present(session: Session, services: Services, token: str) -> Presented | None:
    """A person's token that lives: signature, time, authorization and login."""
    claims = read_claims(services, token)
    if claims is None:
        return None
    id_ = str(claims["jti"]).partition(".")[0]
    authorization = session.get(AuthorizationRow, (services.ward.code, id_))
    login = None if authorization is None else live_login(session, services, authorization)
    if authorization is None or login is None or not still_allowed(session, services, authorization):
        return None
    return Presented(claims, authorization, login)
