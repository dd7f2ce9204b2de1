"""What an access token says, once it was verified (RFC 9068 §4; RFC 8693 §4.1)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

DETAILS_TYPE: Final = "jp_ward_delegation"
_DELEGATED: Final = "delegated:"


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

    token: str
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


def read_access(token: str, claims: Mapping[str, object]) -> Access:
    """Read verified claims; scope, `act` and details come together or not at all.

    :raises TokenRefused: for a token that says it by half.
    """
    scopes = frozenset(str(claims["scope"]).split())
    marked = {scope for scope in scopes if scope.startswith(_DELEGATED)}
    act, details = claims.get("act"), claims.get("authorization_details")
    subject, grant, procedures = str(claims["sub"]), None, frozenset[str]()
    if marked or act is not None or details is not None:
        whole = isinstance(act, Mapping) and isinstance(details, list) and len(details) == 1
        if not whole or marked != scopes or not isinstance(act, Mapping) or not isinstance(details, list):
            raise TokenRefused("a delegated token by half")
        detail = details[0]
        if not isinstance(detail, Mapping) or detail.get("type") != DETAILS_TYPE:
            raise TokenRefused("unknown authorization details")
        subject, grant = str(act["sub"]), str(detail["grant"])
        procedures = frozenset(map(str, detail["procedures"]))
    return Access(
        token=token,
        principal=str(claims["sub"]),
        subject=subject,
        scopes=scopes,
        acr=str(claims.get("acr", "")),
        expires_at=datetime.fromtimestamp(float(str(claims["exp"])), UTC),
        grant=grant,
        procedures=procedures,
    )


def require_context(access: Access, carried: str) -> None:
    """Refuse a form that was made for another principal.

    :raises NotForThis: when it was.
    """
    if not hmac.compare_digest(access.context.encode("ascii"), carried.encode("utf-8", "replace")):
        raise NotForThis
