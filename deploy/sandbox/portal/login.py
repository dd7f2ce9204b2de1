"""Logging in and out: plain OpenID Connect, by Authlib's Starlette client."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from card.jose import SoftwareSigner
from card.pages.forms import refuse_foreign_pages, see_other
from delegation.client import (
    DecisionUnavailable,
    TokenRefused,
    asking_for_printed,
    principal_name,
    read_printed,
)
from deploy.sandbox.portal.portal import Portal
from deploy.sandbox.portal.visits import Context

COUNTER: Final = "/counter"
SCOPE: Final = "openid profile kaigo"
_DOWN: Final = frozenset({"server_error", "temporarily_unavailable"})


class WardLogin(Protocol):
    """Authlib's client as far as it is used here; it ships no types."""

    async def authorize_redirect(self, request: Request, redirect_uri: str, **parameters: str) -> Response:
        """Begin a login; `state`, nonce and PKCE verifier are kept in the session."""

    async def authorize_access_token(self, request: Request) -> Mapping[str, object]:
        """Redeem the code, and verify the ID token."""

    async def userinfo(self, *, token: Mapping[str, object]) -> Mapping[str, object]:
        """Claims about the person of an own access token."""

    async def logout_redirect(
        self, request: Request, *, post_logout_redirect_uri: str, id_token_hint: str
    ) -> Response:
        """Begin a logout."""


def ward_login(issuer: str, client_id: str, signer: SoftwareSigner, **http: object) -> WardLogin:
    """Authlib's client, with PKCE and `private_key_jwt`.

    :param http: how the provider is reached, as `httpx2.AsyncClient` takes it.
    """
    made: WardLogin = OAuth().register(
        "ward",
        client_id=client_id,
        client_secret=ECKey.import_key(signer.private_pem().decode("ascii"), {"kid": signer.kid}),
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_auth_methods=[PrivateKeyJWT(issuer, alg="ES256")],
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "private_key_jwt",
            **http,
        },
    )
    return made


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a provider that is down makes Authlib raise into one thing; no page here is a 500."""
    try:
        yield
    except (httpx2.HTTPError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DecisionUnavailable(type(error).__name__) from error


class Login:
    """The pages that lead to the provider and back."""

    def __init__(self, portal: Portal, ward: WardLogin) -> None:
        self._portal, self._ward = portal, ward

    async def begin(self, request: Request) -> Response:
        """Log in; with `as`, in a context that was open before, and then back to its form."""
        asked = request.query_params
        again = self._portal.visits.of(request).contexts.get(asked.get("as", ""))
        return await self.go(request, again, asked.get("procedure", ""), asked.get("acr", ""))

    async def go(
        self, request: Request, again: Context | None, procedure: str = "", acr: str = ""
    ) -> Response:
        """Send the browser to the provider.

        :param again: the context to come back in; None lets the person choose for whom.
        :param acr: the level to come back with (RFC 9470 §4).
        """
        parameters = {"acr_values": acr} if acr else {}
        if again is not None:
            parameters["authorization_details"] = again.access.authorization_details
        back_to = ""
        if again is not None and procedure in self._portal.procedures:
            back_to = f"/as/{again.access.context}/file/{procedure}"
        return await self._redirect(request, back_to, parameters)

    async def to_card(self, request: Request) -> Response:
        """Send staff to the provider, to come back to the counter with what is printed on a card."""
        return await self._redirect(request, COUNTER, {"authorization_details": asking_for_printed()})

    async def _redirect(self, request: Request, back_to: str, parameters: Mapping[str, str]) -> Response:
        with _answering():
            redirect = await self._ward.authorize_redirect(
                request, f"{self._portal.address}/callback", **parameters
            )
            (state,) = parse_qs(urlsplit(redirect.headers["location"]).query)["state"]
        self._portal.visits.of(request).back_to = {state: back_to}  # Authlib keeps the last `state` alone
        return redirect

    async def callback(self, request: Request) -> Response:
        """Take the code, and open a context for whom the person acts."""
        visit = self._portal.visits.of(request)
        back_to = visit.back_to.pop(request.query_params.get("state", ""), "")
        try:
            with _answering():
                tokens = await self._ward.authorize_access_token(request)
                context = await self._context(tokens)
                printed = read_printed(tokens) if back_to == COUNTER else None
        except OAuthError as error:
            if error.error in _DOWN:
                raise DecisionUnavailable(error.error) from error
            if back_to == COUNTER and error.error == "access_denied":
                text = self._portal.sentence(request, "unread")
                return self._portal.problem(request, text, 403, [("sandbox.portal.to_counter", COUNTER)])
            return self._not_logged_in(request, "denied" if error.error == "access_denied" else "login")
        except (JoseError, TokenRefused):
            return self._not_logged_in(request, "login")
        visit.open(context)
        if printed is not None:
            visit.printed = printed
            return see_other(COUNTER)
        mine = f"/as/{context.access.context}"
        return see_other(back_to if back_to.startswith(f"{mine}/") else mine)

    async def _context(self, tokens: Mapping[str, object]) -> Context:
        access = await run_in_threadpool(self._portal.system.verify, str(tokens["access_token"]))
        about = tokens["userinfo"]  # Authlib's name for what the ID token says
        identity = about if isinstance(about, Mapping) else {}
        told = identity if access.delegated else await self._ward.userinfo(token=tokens)
        if told["sub"] != identity["sub"]:  # OIDC Core §5.3.2
            raise TokenRefused("userinfo is about someone else")
        return Context(
            access=access,
            refresh_token=str(tokens["refresh_token"]),
            id_token=str(tokens["id_token"]),
            name=str(told.get("name", "")),
            principal=principal_name(tokens) if access.delegated else "",
        )

    def _not_logged_in(self, request: Request, kind: str) -> Response:
        text = self._portal.sentence(request, kind)
        return self._portal.problem(request, text, 403, [("sandbox.portal.login_again", "/login")])

    async def end(self, request: Request) -> Response:
        """Log out here, and at the provider."""
        refuse_foreign_pages(request, self._portal.address)
        visit = self._portal.visits.of(request)
        hints = [context.id_token for context in visit.contexts.values()]
        visit.contexts.clear()
        if not hints:
            return see_other("/")
        with _answering():
            return await self._ward.logout_redirect(
                request, post_logout_redirect_uri=f"{self._portal.address}/bye", id_token_hint=hints[-1]
            )

    async def bye(self, request: Request) -> Response:
        """After the logout."""
        return self._portal.page(request, "bye")
