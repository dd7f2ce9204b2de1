"""What clients discover (OIDC Discovery §3, RFC 8414 §2) and the public keys (RFC 7517 §5)."""

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance.levels import AAL, IAL, Level
from delegation.client import DETAILS_TYPE, PRINTED_TYPE
from delegation.evaluation import metadata as decision_metadata
from idp.clients import ASSERTION_ALGS
from idp.keys import KeyPurpose
from idp.services import Services
from idp.token.client_authentication import METHODS


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
        **{
            f"{endpoint}_endpoint_auth_{what}_supported": values
            for endpoint in ("token", "introspection", "revocation")
            for what, values in (("methods", METHODS), ("signing_alg_values", list(ASSERTION_ALGS)))
        },
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
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
        "authorization_details_types_supported": [DETAILS_TYPE, PRINTED_TYPE],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["ja", "en"],
    }


def discovery_routes(services: Services) -> Sequence[Route]:
    """What lies below the ward's own address: OIDC appends its well-known part (Discovery §4)."""
    return [
        _document("/.well-known/openid-configuration", lambda: metadata(services)),
        _document("/jwks.json", lambda: jwks(services)),
    ]


def inserted_routes(services: Services) -> Sequence[Route]:
    """What lies at the host's root: the well-known part stands before the ward's path.

    RFC 8414 §3.1, AuthZEN §9.1. For a ward with a host of its own the two places are one.
    """
    path, issuer = services.ward.path, services.ward.issuer
    return [
        _document(f"/.well-known/oauth-authorization-server{path}", lambda: metadata(services)),
        _document(f"/.well-known/authzen-configuration{path}", lambda: decision_metadata(issuer)),
    ]


def _document(path: str, read: Callable[[], Mapping[str, object]]) -> Route:
    async def answer(_request: Request) -> Response:
        return JSONResponse(read())

    return Route(path, answer)


def jwks(services: Services) -> dict[str, object]:
    """The keys that verify our tokens."""
    return {"keys": services.keys.public(KeyPurpose.TOKEN)}
