"""Making tokens (RFC 9068, OIDC Core §2)."""

from datetime import datetime, timedelta
from typing import Final

from assurance.database import Unit
from assurance.login import Login
from assurance.person import PersonId, new_id
from card.jose import sign_compact
from idp.clients import Client
from idp.keys import KeyPurpose
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import AuthorizationRow

LIFETIME: Final = timedelta(minutes=10)
ACCESS_TYPE: Final = "at+jwt"
ID_TYPE: Final = "JWT"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def access_token(
    unit: Unit,
    services: Services,
    client: Client,
    authorization: AuthorizationRow,
    login: Login,
    scope: str,
) -> str:
    """An own access token: `sub` is the person who logged in, in the audience's sector."""
    now = services.clock.now()
    claims: dict[str, object] = {
        "iss": services.ward.issuer,
        "aud": client.audience,
        "sub": sub_for(unit, client.sector, PersonId(authorization.person)),
        "client_id": client.client_id,
        "scope": scope,
        "jti": f"{authorization.id}.{new_id()}",
        "iat": _seconds(now),
        "exp": _seconds(now + LIFETIME),
        "auth_time": _seconds(login.assurance.auth_time),
        "acr": login.assurance.acr,
        "amr": list(login.assurance.amr),
    }
    return sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=ACCESS_TYPE)


def client_token(services: Services, client: Client, scope: str) -> str:
    """A client's own token (RFC 6749 §4.4); its audience is this ward's issuer, where decisions are asked."""
    now = services.clock.now()
    claims: dict[str, object] = {
        "iss": services.ward.issuer,
        "aud": services.ward.issuer,
        "sub": client.client_id,
        "client_id": client.client_id,
        "scope": scope,
        "jti": new_id(),
        "iat": _seconds(now),
        "exp": _seconds(now + LIFETIME),
    }
    return sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=ACCESS_TYPE)


def id_token(
    unit: Unit, services: Services, client: Client, authorization: AuthorizationRow, login: Login
) -> str:
    """An ID token (OIDC Core §2): always about the person who authenticated."""
    now = services.clock.now()
    claims: dict[str, object] = {
        "iss": services.ward.issuer,
        "aud": client.client_id,
        "sub": sub_for(unit, client.sector, PersonId(authorization.person)),
        "iat": _seconds(now),
        "exp": _seconds(now + LIFETIME),
        "auth_time": _seconds(login.assurance.auth_time),
        "acr": login.assurance.acr,
        "amr": list(login.assurance.amr),
    }
    if authorization.nonce is not None:
        claims["nonce"] = authorization.nonce
    return sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=ID_TYPE)
