"""Making tokens (RFC 9068, OIDC Core §2)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from assurance.login import Login
from assurance.person import PersonId, new_id
from card.dates import end_of
from card.jose import sign_compact
from delegation.client import DELEGATED_PREFIX, DETAILS_TYPE
from delegation.grant import without_waiting
from delegation.handles import handle_of
from delegation.usability import Usable
from idp.clients import DECIDE, Client
from idp.keys import KeyPurpose
from idp.services import Services
from idp.token.claims import claims_about
from idp.token.lookups import Known, Redeemable
from idp.token.presented import ACCESS_TYPE

LIFETIME: Final = timedelta(minutes=10)
ID_TYPE: Final = "JWT"
PERSONAL: Final = frozenset({"openid", "profile", "email"})
"""Scopes that open something about the person who logged in (OIDC Core §5.4)."""


def _base(
    services: Services, audience: str, sub: str, *, not_after: float = float("inf")
) -> dict[str, object]:
    """The claims that every token has, for ten minutes at most."""
    now = services.clock.now()
    return {
        "iss": services.ward.issuer,
        "aud": audience,
        "sub": sub,
        "iat": int(now.timestamp()),
        "exp": int(min((now + LIFETIME).timestamp(), not_after)),
    }


def login_claims(login: Login) -> dict[str, object]:
    """How the person authenticated, in the login that happened."""
    return {
        "auth_time": int(login.assurance.auth_time.timestamp()),
        "acr": login.assurance.acr,
        "amr": list(login.assurance.amr),
    }


def _signed(services: Services, claims: dict[str, object], typ: str) -> str:
    return sign_compact(claims, services.keys.signer(KeyPurpose.TOKEN), typ=typ)


def access_token(services: Services, client: Client, redeemed: Redeemable, login: Login, scope: str) -> str:
    """An own access token: `sub` is the person who logged in, in the audience's sector."""
    claims = _base(services, client.audience, redeemed.subs[client.sector, login.person]) | {
        "client_id": client.client_id,
        "scope": scope,
        "jti": f"{redeemed.standing.id}.{new_id()}",
    }
    return _signed(services, claims | login_claims(login), ACCESS_TYPE)


def delegated_scope(asked: str) -> str:
    """The scope of a delegated token: of what was asked for, the API scopes alone, marked.

    A verifier that never heard of `act` finds no scope that it knows, and fails closed.
    """
    return " ".join(
        f"{DELEGATED_PREFIX}{scope}" for scope in asked.split() if scope not in PERSONAL | {DECIDE}
    )


def details(services: Services, client: Client, grant: Usable) -> dict[str, object]:
    """What a delegated token says of its grant, cut to the client's procedures (RFC 9396 §9.1)."""
    terms = without_waiting(grant.terms, services.procedures) if grant.waits else grant.terms
    return {
        "type": DETAILS_TYPE,
        "grant": handle_of(services.vault, services.ward.code, client.sector, grant.id),
        "basis": str(terms.basis),
        "mode": terms.mode,
        "procedures": [id_ for id_ in terms.procedures if id_ in client.procedures],
        "actions": [str(action) for action in terms.actions],
        "until": terms.last.isoformat(),
    }


def delegated_token(
    services: Services, client: Client, redeemed: Redeemable, login: Login, grant: Usable, scope: str
) -> str:
    """A delegated access token: `sub` is the principal, `act.sub` the delegate (RFC 8693 §4.1).

    It never outlives the grant. For an office, `act.office` is its 事業所番号.

    :param scope: as `delegated_scope` marked it.
    """
    office = {} if grant.office is None else {"office": grant.office}
    over, subs = end_of(grant.terms.last).timestamp(), redeemed.subs
    principal = subs[client.sector, grant.principal]
    claims = _base(services, client.audience, principal, not_after=over) | {
        "client_id": client.client_id,
        "scope": scope,
        "jti": f"{redeemed.standing.id}.{new_id()}",
        "act": {"sub": subs[client.sector, login.person]} | office,
        "authorization_details": [details(services, client, grant)],
    }
    return _signed(services, claims | login_claims(login), ACCESS_TYPE)


def client_token(services: Services, client: Client, scope: str) -> str:
    """A client's own token (RFC 6749 §4.4); its audience is this ward's issuer, where decisions are asked."""
    own = {"client_id": client.client_id, "scope": scope, "jti": new_id()}
    return _signed(services, _base(services, services.ward.issuer, client.client_id) | own, ACCESS_TYPE)


def id_token(
    services: Services,
    client: Client,
    redeemed: Redeemable,
    login: Login,
    known: Mapping[PersonId, Known],
) -> str:
    """An ID token (OIDC Core §2): always about the person who authenticated."""
    standing = redeemed.standing
    claims = _base(services, client.client_id, redeemed.subs[client.sector, login.person]) | login_claims(
        login
    )
    if standing.nonce is not None:
        claims["nonce"] = standing.nonce
    if standing.grant is not None:  # userinfo refuses the delegated token that comes along
        claims |= claims_about(login, known.get(login.person), standing.scope.split())
    return _signed(services, claims, ID_TYPE)
