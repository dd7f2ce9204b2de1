"""What each field of a token, an introspection and a decision means, and where that is written."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class Document(StrEnum):
    """What a ward system sends or gets."""

    ID_HEADER = "id_header"
    ID_TOKEN = "id_token"  # noqa: S105 - a document's name
    ACCESS_HEADER = "access_header"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - the same
    INTROSPECTION = "introspection"
    REQUEST = "request"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Row:
    """A field with its value.

    :param path: members from the outside in; `[]` is every entry of a list.
    :param value: JSON.
    :param text: key of what it means.
    :param source: the clause; empty for a field that nobody explained yet.
    :param at: the moment that the value stands for, if it is one.
    """

    path: str
    value: str
    text: str
    source: str
    at: datetime | None = None


_HEADER: Final = {"alg": "RFC 7515 §4.1.1", "kid": "RFC 7515 §4.1.4"}
_OIDC: Final = dict.fromkeys(
    ("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "acr", "amr"), "OpenID Connect Core §2"
)
_ABOUT: Final = dict.fromkeys(("name", "birthdate", "email", "email_verified"), "OpenID Connect Core §5.1")
_DETAILS: Final = {
    f"authorization_details[].{name}": "RFC 9396 §9.1"
    for name in ("grant", "basis", "mode", "procedures", "until")
} | {"authorization_details[].type": "RFC 9396 §2", "authorization_details[].actions": "RFC 9396 §2.2"}
_ACCESS: Final = {
    **dict.fromkeys(("iss", "sub", "aud", "client_id", "iat", "exp", "jti"), "RFC 9068 §2.2"),
    **dict.fromkeys(("auth_time", "acr", "amr"), "RFC 9068 §2.2.1"),
    "scope": "RFC 9068 §2.2.3",
    "act.sub": "RFC 8693 §4.1",
    **_DETAILS,
}
_REASONS: Final = ("reason", "reason_user.ja", "reason_user.en", "acr_values", "grant", "rule", "until")
SOURCES: Final[Mapping[Document, Mapping[str, str]]] = {
    Document.ID_HEADER: _HEADER | {"typ": "RFC 7519 §5.1"},
    Document.ID_TOKEN: _OIDC | _ABOUT,
    Document.ACCESS_HEADER: _HEADER | {"typ": "RFC 9068 §2.1"},
    Document.ACCESS_TOKEN: _ACCESS,
    Document.INTROSPECTION: _ACCESS | {"active": "RFC 7662 §2.2", "token_type": "RFC 7662 §2.2"},
    Document.REQUEST: {
        "subject.type": "AuthZEN 1.0 §5.1",
        "subject.id": "AuthZEN 1.0 §5.1",
        "resource.type": "AuthZEN 1.0 §5.2",
        "resource.id": "AuthZEN 1.0 §5.2",
        "resource.properties.principal": "AuthZEN 1.0 §5.2",
        "action.name": "AuthZEN 1.0 §5.3",
        "context.token": "AuthZEN 1.0 §5.4",
    },
    Document.ANSWER: {"decision": "AuthZEN 1.0 §5.5"}
    | {f"context.{name}": "AuthZEN 1.0 §5.5" for name in _REASONS},
}
_TIMES: Final = frozenset({"iat", "exp", "auth_time"})
_AS_ACCESS: Final = frozenset(_ACCESS)
_BOTH: Final = frozenset({"iss", "iat", "exp", "auth_time", "acr", "amr", "alg", "kid"})
"""What means the same wherever it is."""


def without_signature(token: str) -> str:
    """A token that can be read and not used: whoever copies it from a screen bears nothing."""
    head, dot, _ = token.rpartition(".")
    return f"{head}{dot}…"


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _flat(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for entry in value:
            yield from _flat(entry, f"{path}[]")
    else:
        yield path, value


def _text(document: Document, path: str, *, delegated: bool) -> str:
    """The key of what a field means; `sub` means another person in a delegated token."""
    if path == "sub" and document is not Document.ID_TOKEN:
        return f"sandbox.developer.field.access_token.sub.{'delegated' if delegated else 'own'}"
    if path in _BOTH:
        return f"sandbox.developer.field.{path}"
    of = Document.ACCESS_TOKEN if document is Document.INTROSPECTION and path in _AS_ACCESS else document
    return f"sandbox.developer.field.{of}.{path.replace('[]', '')}"


def _moment(path: str, value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if path in _TIMES and isinstance(value, int) else None


def rows(document: Document, content: Mapping[str, object], *, delegated: bool) -> list[Row]:
    """Every field of a document, in its order."""
    found = []
    for path, value in _flat(content):
        source = SOURCES[document].get(path, "")
        text = _text(document, path, delegated=delegated) if source else "sandbox.developer.unexplained"
        shown = without_signature(value) if path == "context.token" and isinstance(value, str) else value
        found.append(Row(path, json.dumps(shown, ensure_ascii=False), text, source, _moment(path, value)))
    return found
