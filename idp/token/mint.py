"""Making tokens (RFC 9068, OIDC Core §2)."""

from datetime import datetime, timedelta
from typing import Final

from assurance.database import Unit
from assurance.login import Login
from assurance.person import PersonId, new_id
from card.dates import end_of
from card.jose import sign_compact
from delegation import registry
from delegation.grant import GrantId
from delegation.handles import handle_of
from delegation.tables import GrantRow
from idp.clients import Client
from idp.keys import KeyPurpose
from idp.services import Services
from idp.subjects import sub_for
from idp.tables import AuthorizationRow
from idp.token.claims import claims_about

LIFETIME: Final = timedelta(minutes=10)
ACCESS_TYPE: Final = "at+jwt"
ID_TYPE: Final = "JWT"
DELEGATED: Final = "delegated:"
DETAILS_TYPE: Final = "jp_ward_delegation"
OWN_SCOPES: Final = frozenset({"openid", "profile", "email", "decide"})


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


def delegated_scope(asked: str) -> str:
    """The scope of a delegated token: of what was asked for, the API scopes alone, marked.

    A verifier that never heard of `act` finds no scope that it knows, and fails closed.
    """
    return " ".join(f"{DELEGATED}{scope}" for scope in asked.split() if scope not in OWN_SCOPES)


def details(unit: Unit, services: Services, client: Client, grant: GrantRow) -> dict[str, object]:
    """What a delegated token says of its grant, cut to the client's procedures (RFC 9396 §9.1)."""
    terms = registry.terms_of(grant)
    return {
        "type": DETAILS_TYPE,
        "grant": handle_of(services.vault, unit.ward, client.sector, GrantId(grant.id)),
        "basis": str(terms.basis),
        "mode": terms.mode,
        "procedures": [id_ for id_ in terms.procedures if id_ in client.procedures],
        "actions": [str(action) for action in terms.actions],
        "until": terms.last.isoformat(),
    }


def delegated_token(
    unit: Unit,
    services: Services,
    client: Client,
    authorization: AuthorizationRow,
    login: Login,
    grant: GrantRow,
) -> str:
    """A delegated access token: `sub` is the principal, `act.sub` the delegate (RFC 8693 §4.1).

    It never outlives the grant.
    """
    now = services.clock.now()
    expires = min(now + LIFETIME, end_of(registry.terms_of(grant).last))
    claims: dict[str, object] = {
        "iss": services.ward.issuer,
        "aud": client.audience,
        "sub": sub_for(unit, client.sector, PersonId(grant.principal)),
        "client_id": client.client_id,
        "scope": delegated_scope(authorization.scope),
        "jti": f"{authorization.id}.{new_id()}",
        "iat": _seconds(now),
        "exp": _seconds(expires),
        "auth_time": _seconds(login.assurance.auth_time),
        "acr": login.assurance.acr,
        "amr": list(login.assurance.amr),
        "act": {"sub": sub_for(unit, client.sector, login.person)},
        "authorization_details": [details(unit, services, client, grant)],
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
    if authorization.grant is not None:  # userinfo refuses the delegated token that comes along
        claims |= claims_about(unit, services, login, authorization.scope.split())
    return sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=ID_TYPE)
