"""An authorization request: parsed once into a typed value, or refused with the specification's own error."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from assurance.levels import AAL, ACTING, IAL, Level, Requirement
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import read_body
from delegation.client import DELEGATED_PREFIX, DETAILS_TYPE, PRINTED_TYPE
from idp.clients import Client
from idp.token.mint import delegated_scope

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_MOST: Final = 4096
SELF: Final = "self"


class Refused(Exception):  # noqa: N818 - an OAuth error, answered at the client's redirect URI
    """An error of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.

    :param error: its code.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may be answered.

    :param aal: the strongest authentication asked for by `acr_values`.
    :param max_age: seconds, None without limit.
    :param acting: `self`, a grant's handle, or None where the picker decides.
    :param printed: it asks for what is printed on a card that lies at the counter.
    :param person: who must answer, where `id_token_hint` says so.
    """

    client_id: str
    redirect_uri: str
    scope: str
    state: str | None
    nonce: str | None
    code_challenge: str
    prompt: frozenset[str]
    max_age: int | None
    aal: AAL
    acting: str | None
    printed: bool = False
    person: PersonId | None = None

    @property
    def names_grant(self) -> bool:
        """Whether it says for whom the person is to act."""
        return self.acting not in {None, SELF}

    @property
    def requirement(self) -> Requirement:
        """How sure we must be of the person."""
        acting = ACTING if self.names_grant or self.printed else Level(IAL.NONE, AAL.CONTACT)
        return Requirement(Level(acting.ial, max(self.aal, acting.aal)))

    @property
    def asks_again(self) -> bool:
        """Whether no login that is there will do (OIDC Core §3.1.2.1).

        A browser has one login at most, so that selecting an account is logging in.
        """
        return bool(self.prompt & {"login", "select_account"})

    def not_before(self, now: datetime) -> datetime | None:
        """Since when the person must have authenticated (OIDC Core §3.1.2.1)."""
        if self.asks_again:
            return now
        return None if self.max_age is None else now - timedelta(seconds=self.max_age)

    def is_meant_for(self, person: PersonId) -> bool:
        """Whether this person may answer it (OIDC Core §3.1.2.1, `id_token_hint`)."""
        return self.person in {None, person}

    @property
    def may_act(self) -> bool:
        """Whether a delegated token could hold anything of what is asked for."""
        return bool(delegated_scope(self.scope))

    def as_payload(self) -> dict[str, Any]:
        """JSON, for the interaction."""
        return {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.code_challenge,
            "prompt": sorted(self.prompt),
            "max_age": self.max_age,
            "aal": int(self.aal),
            "acting": self.acting,
            "printed": self.printed,
            "person": self.person,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "AuthorizationRequest":
        """What `as_payload` wrote."""
        values = {name: payload[name] for name in cls.__dataclass_fields__}
        return cls(**values | {"prompt": frozenset(payload["prompt"]), "aal": AAL(payload["aal"])})


def single(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name; one that is repeated is refused (RFC 6749 §3.1).

    :raises Fault: `request.repeated`.
    """
    values = {name: value for name, value in pairs if value}
    if len({name for name, _ in pairs}) != len(pairs):
        raise Fault("request.repeated")
    return values


def of_form(request: Request, body: str) -> dict[str, str]:
    """The parameters of a form; one that stands in the address as well is repeated too.

    :raises Fault: `request.repeated`.
    """
    values = single(parse_qsl(body, keep_blank_values=True))
    if not request.query_params.keys().isdisjoint(values):
        raise Fault("request.repeated")
    return values


async def read_parameters(request: Request) -> dict[str, str]:
    """The parameters of an endpoint that clients send browsers to, by GET or POST.

    :raises Fault: `request.repeated` or `request.too_large`.
    """
    if request.method == "POST":
        body = await read_body(request)
        return of_form(request, body.decode("utf-8", "replace"))
    return single(request.query_params.multi_items())


def parse(parameters: Mapping[str, str], client: Client) -> AuthorizationRequest:
    """Read a request whose client and redirect URI are known to be right.

    :raises Refused: to be answered at the redirect URI.
    """
    if any(len(value) > _MOST or "\x00" in value for value in parameters.values()):
        raise Refused("invalid_request", "a parameter is too long")
    for name in ("request", "request_uri", "registration"):
        if name in parameters:
            raise Refused(f"{name}_not_supported", f"{name} is not supported")
    if parameters.get("response_type") != "code":
        raise Refused("unsupported_response_type", "response_type is `code`")
    if parameters.get("response_mode", "query") != "query":
        raise Refused("invalid_request", "response_mode is `query`")
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256" or _CHALLENGE.match(challenge) is None:
        raise Refused("invalid_request", "PKCE with S256 is required (RFC 7636)")
    detail = _detail(parameters.get("authorization_details"))
    acting, printed = _acting(detail), detail.get("type") == PRINTED_TYPE
    if acting not in {None, SELF} and not client.delegation_aware:
        raise Refused("invalid_authorization_details", "this client is not registered for acting")
    if printed and not client.reads_cards:
        raise Refused("invalid_authorization_details", "this client is not registered for reading cards")
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=parameters["redirect_uri"],
        scope=_scope(parameters.get("scope", ""), client),
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        code_challenge=challenge,
        prompt=_prompt(parameters.get("prompt", "")),
        max_age=_max_age(parameters.get("max_age")),
        aal=_aal(parameters.get("acr_values", "")),
        acting=acting,
        printed=printed,
    )


def _scope(text: str, client: Client) -> str:
    asked = list(dict.fromkeys(text.split()))
    if any(scope.startswith(DELEGATED_PREFIX) or scope not in client.scopes for scope in asked):
        raise Refused("invalid_scope", "a scope that this client is not registered for")
    if "openid" not in asked:
        raise Refused("invalid_scope", "openid is missing")
    return " ".join(asked)


def _prompt(text: str) -> frozenset[str]:
    """What to ask the person (OIDC Core §3.1.2.1).

    Ward systems are registered by the ward, and no page asks for consent: a client that insists on one is
    told so, as the clause demands where consent cannot be obtained.
    """
    prompt = frozenset(text.split())
    if "none" in prompt and len(prompt) > 1:
        raise Refused("invalid_request", "prompt=none stands alone")
    if "consent" in prompt:
        raise Refused("consent_required", "consent is not asked for here")
    return prompt


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused("invalid_request", "max_age is a number of seconds")
    return int(text)


def _aal(text: str) -> AAL:
    levels = [level for level in map(Level.parse_acr, text.split()) if level is not None]
    return max((level.aal for level in levels), default=AAL.CONTACT)


def _detail(text: str | None) -> Mapping[str, object]:
    """The one detail of a request, of a type of ours (RFC 9396 §2); an empty one where there is none."""
    if text is None:
        return {}
    try:
        details = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid_authorization_details", "no JSON") from error
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise Refused("invalid_authorization_details", "one object in a list")
    detail: dict[str, object] = details[0]
    members = {DETAILS_TYPE: {"type", "grant", "principal"}, PRINTED_TYPE: {"type"}}
    kind = detail.get("type")
    if not isinstance(kind, str) or kind not in members or detail.keys() - members[kind]:
        raise Refused("invalid_authorization_details", f"the types are {' and '.join(members)}")
    return detail


def _acting(detail: Mapping[str, object]) -> str | None:
    """For whom the person is to act: a grant by its handle, or the person themselves."""
    if detail.get("type") != DETAILS_TYPE:
        return SELF if detail else None
    if detail.get("principal") == "self" and "grant" not in detail:
        return SELF
    grant = detail.get("grant")
    if not isinstance(grant, str) or "principal" in detail:
        raise Refused("invalid_authorization_details", "a grant's handle, or principal `self`")
    return grant
