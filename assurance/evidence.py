"""Evidence: one proven fact about a login or a person. It never names the person it belongs to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from assurance.levels import AAL, IAL


@dataclass(frozen=True, slots=True)
class EmailCode:
    """A code sent to an address was read back.

    :param address: MAC of the address.
    """

    at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn assertion (WebAuthn L3 §7.2).

    :param synced: the credential may be backed up (BE=1).
    :param counts_from: before this it counts for less, as after a recovery.
    """

    at: datetime
    user_verified: bool
    synced: bool
    counts_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class CardAuthentication:
    """The user authentication certificate signed, after its PIN.

    :param countersigned: by a bridge that staff enrolled; only then it resists phishing.
    """

    at: datetime
    revocation_checked: bool
    countersigned: bool = False
    counts_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Identity proofing of the person, while it lasts."""

    method: str
    ial: IAL
    proven_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Demo:
    """A person picked in the sandbox, at whatever level."""

    at: datetime
    ial: IAL
    aal: AAL


Evidence = EmailCode | Passkey | CardAuthentication | Proof | Demo
Authentication = EmailCode | Passkey | CardAuthentication | Demo

_KINDS: Final[Mapping[str, type[Evidence]]] = {
    kind.__name__: kind for kind in (EmailCode, Passkey, CardAuthentication, Proof, Demo)
}
_LEVELS: Final = {"ial": IAL, "aal": AAL}


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Evidence as it is stored."""
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(evidence).items()
    }
    return {"kind": type(evidence).__name__, **values}


def from_json(document: Mapping[str, Any]) -> Evidence:
    """Evidence as it was stored.

    :raises KeyError: for a kind that is unknown.
    """
    kind = _KINDS[document["kind"]]
    values: dict[str, Any] = {}
    for entry in fields(kind):
        value = document[entry.name]
        if entry.name in _LEVELS:
            value = _LEVELS[entry.name](value)
        elif isinstance(value, str) and entry.name.endswith(("at", "_from")):
            value = datetime.fromisoformat(value)
        values[entry.name] = value
    return kind(**values)
