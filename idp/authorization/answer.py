"""The authorization response (RFC 6749 §4.1.2, RFC 9207)."""

from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from card.pages.forms import see_other
from idp.services import Services


def with_parameters(uri: str, parameters: dict[str, str]) -> str:
    """A registered address with parameters; a query that it has already is kept (RFC 6749 §3.1.2)."""
    if not parameters:
        return uri
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(parameters)}"


def response_uri(services: Services, redirect_uri: str, state: str | None, **parameters: str) -> str:
    """Where an authorization response leads, always with `iss` (RFC 9207 §2)."""
    told = parameters | ({} if state is None else {"state": state}) | {"iss": services.ward.issuer}
    return with_parameters(redirect_uri, told)


def respond(services: Services, redirect_uri: str, state: str | None, **parameters: str) -> Response:
    """Answer at the client's redirect URI."""
    return see_other(response_uri(services, redirect_uri, state, **parameters))
