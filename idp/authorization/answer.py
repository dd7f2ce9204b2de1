"""The authorization response (RFC 6749 §4.1.2, RFC 9207)."""

from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from card.pages.forms import see_other
from idp.services import Services


def respond(services: Services, redirect_uri: str, state: str | None, **parameters: str) -> Response:
    """Answer at the client's redirect URI, always with `iss` (RFC 9207 §2)."""
    if state is not None:
        parameters["state"] = state
    query = urlencode(parameters | {"iss": services.ward.issuer})
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return see_other(f"{redirect_uri}{joint}{query}")
