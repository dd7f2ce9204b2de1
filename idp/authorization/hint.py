"""An ID token as a hint of who is meant (OIDC Core §3.1.2.1, RP-Initiated Logout §2)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlmodel import Session

from assurance.person import PersonId
from card.jose import TokenRejected, unverified_claims, verify_compact
from idp.clients import load_client
from idp.keys import KeyPurpose
from idp.services import Services
from idp.subjects import person_of
from idp.token.mint import ID_TYPE

_LATE_AT_MOST: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Hint:
    """An ID token of ours.

    :param client_id: for whom it was made.
    """

    client_id: str
    sub: str


def read_hint(services: Services, token: str) -> Hint | None:
    """Verify a hint; that it expired does not matter here, a year at most."""
    try:
        audience = unverified_claims(token).get("aud")
        if not isinstance(audience, str):
            return None
        claims = verify_compact(
            token,
            services.keys.key_set(KeyPurpose.TOKEN),
            typ=ID_TYPE,
            issuer=services.ward.issuer,
            audience=audience,
            required=("sub",),
            now=services.clock.now(),
            leeway_s=int(_LATE_AT_MOST.total_seconds()),
        )
    except TokenRejected:
        return None
    return Hint(audience, str(claims["sub"]))


def hinted_person(session: Session, services: Services, hint: Hint) -> PersonId | None:
    """Who is meant: a `sub` is read in the sector of the client that it was made for."""
    client = load_client(session, services.ward.code, hint.client_id)
    return None if client is None else person_of(session, services.ward.code, client.sector, hint.sub)
