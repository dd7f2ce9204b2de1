"""What clients discover (OIDC Discovery §3, RFC 8414 §2) and the public keys (RFC 7517 §5)."""

from assurance.levels import AAL, IAL, Level
from idp.keys import KeyPurpose
from idp.services import Services
from idp.token.client_authentication import METHODS
from idp.token.mint import DETAILS_TYPE


def metadata(services: Services) -> dict[str, object]:
    """The provider's metadata; both well-known addresses answer it."""
    issuer = services.ward.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/end-session",
        "jwks_uri": f"{issuer}/jwks.json",
        "scopes_supported": ["openid", "profile", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "PS256", "EdDSA"],
        "introspection_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": [Level(ial, aal).acr for ial in IAL for aal in AAL],
        "claims_supported": [
            "sub",
            "name",
            "birthdate",
            "email",
            "email_verified",
            "acr",
            "amr",
            "auth_time",
        ],
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [DETAILS_TYPE],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["ja", "en"],
    }


def jwks(services: Services) -> dict[str, object]:
    """The keys that verify our tokens."""
    return {"keys": services.keys.public(KeyPurpose.TOKEN)}
