"""What an access token says, once it was verified (RFC 9068 §4; RFC 8693 §4.1; RFC 9396 §9)."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

DELEGATED_PREFIX: Final = "delegated:"
DETAILS_TYPE: Final = "jp_ward_delegation"
_MARKS: Final = frozenset({"act", "authorization_details"})


class TokenRefused(Exception):  # noqa: N818 - what happened to the token
    """The token does not count here; its bearer logs in again."""


class NotForThis(Exception):  # noqa: N818 - what happened to the form
    """A form was filled in for someone else than the one that this request is about."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who acts, and for whom.

    :param principal: `sub`, for whom something is done.
    :param subject: who acts: `act.sub`, or the same as the principal.
    :param grant: handle of the grant of a delegated token; None for oneself.
    :param procedures: those that a delegated token names; empty for oneself.
    """

    token: str = field(repr=False)
    principal: str
    subject: str
    scopes: frozenset[str]
    acr: str
    expires_at: datetime
    grant: str | None
    procedures: frozenset[str]

    @property
    def delegated(self) -> bool:
        """Whether someone acts for another."""
        return self.grant is not None

    @property
    def context(self) -> str:
        """What forms carry, so that two tabs with two principals cannot file into each other."""
        said = "\n".join([self.principal, self.subject, self.grant or ""])
        return hashlib.sha256(said.encode("utf-8")).hexdigest()[:32]

    @property
    def authorization_details(self) -> str:
        """The parameter that asks to come back as the same, such as from a step-up (RFC 9396 §2)."""
        who = {"principal": "self"} if self.grant is None else {"grant": self.grant}
        return json.dumps([{"type": DETAILS_TYPE} | who])


def read_access(token: str, claims: Mapping[str, object]) -> Access:
    """Read verified claims; scope, `act` and details come together or not at all.

    A token of which one of the three was lost on its way must not pass for somebody's own.

    :raises TokenRefused: for a token that says it by half.
    """
    principal, scopes = _text(claims, "sub"), _scopes(claims)
    marked = {scope for scope in scopes if scope.startswith(DELEGATED_PREFIX)}
    subject, grant, procedures = principal, None, frozenset[str]()
    if marked or _MARKS & claims.keys():
        if not marked or marked != scopes:
            raise TokenRefused("a delegated token with another scope, or none")
        subject = _text(_object(claims.get("act"), "act"), "sub")
        grant, procedures = _grant(claims.get("authorization_details"))
    return Access(
        token=token,
        principal=principal,
        subject=subject,
        scopes=scopes,
        acr=str(claims.get("acr", "")),
        expires_at=datetime.fromtimestamp(float(str(claims["exp"])), UTC),
        grant=grant,
        procedures=procedures,
    )


def principal_name(tokens: Mapping[str, object]) -> str:
    """For whom a token response lets someone act; the JWT holds no names (RFC 9396 §7).

    :raises TokenRefused: when it does not say: nobody acts for someone whom the page cannot name.
    """
    detail = _detail(tokens.get("authorization_details"))
    return _text(_object(detail.get("principal"), "principal"), "name")


def require_context(access: Access, carried: str) -> None:
    """Refuse a form that was made for another principal.

    :raises NotForThis: when it was.
    """
    if not hmac.compare_digest(access.context.encode("ascii"), carried.encode("utf-8", "replace")):
        raise NotForThis


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TokenRefused(f"{name} is missing")
    return value


def _text(parent: Mapping[str, object], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRefused(f"{name} is missing")
    return value


def _scopes(claims: Mapping[str, object]) -> frozenset[str]:
    scope = claims.get("scope")
    if not isinstance(scope, str):
        raise TokenRefused("scope is missing")
    return frozenset(scope.split())


def _detail(details: object) -> Mapping[str, object]:
    if not isinstance(details, list) or len(details) != 1:
        raise TokenRefused("not exactly one grant")
    detail = _object(details[0], "authorization_details")
    if detail.get("type") != DETAILS_TYPE:
        raise TokenRefused("unknown authorization details")
    return detail


def _grant(details: object) -> tuple[str, frozenset[str]]:
    detail = _detail(details)
    procedures = detail.get("procedures")
    if not isinstance(procedures, list) or not all(isinstance(id_, str) for id_ in procedures):
        raise TokenRefused("procedures are missing")
    return _text(detail, "grant"), frozenset(procedures)
