"""Evidence: one proven fact about a login or a person. It never names the person it belongs to.

What proves a login names the credential that it rests on, and counts only while that is live: a passkey that
was removed ends the logins and tokens that were made with it, at once (`credentials.py` says what is live).
So with the bridge that countersigned: once it is revoked, the login goes on and resists phishing no longer.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from assurance.levels import IAL


@dataclass(frozen=True, slots=True)
class EmailCode:
    """A code sent to an address was read back.

    It rests on no credential: an address that was invited may be read back by someone whose it is not yet.

    :param address: MAC of the address.
    """

    at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn assertion (WebAuthn L3 §7.2).

    :param synced: the credential may be backed up (BE=1).
    :param counts_from: before this it counts for less, as after a recovery.
    :param credential: our id of the passkey; without it the evidence is never live.
    """

    at: datetime
    user_verified: bool
    synced: bool
    counts_from: datetime | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class CardAuthentication:
    """The user authentication certificate signed, after its PIN.

    :param countersigned_by: the bridge, which staff enrolled; only with one it resists phishing.
    :param credential: the MAC by which the card is its person's identifier, as with a passkey.
    """

    at: datetime
    revocation_checked: bool
    countersigned_by: str | None = None
    counts_from: datetime | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class AppAuthentication:
    """デジタル認証アプリ says that its holder's card was used with its PIN.

    It is somebody else's word, and a page that looks like ours gets it as well as ours does.

    :param at: when, as the app's service says.
    :param counts_from: before this it counts for less, as a card that was linked at home.
    :param credential: the MAC by which the app is its person's identifier, as with a passkey.
    """

    at: datetime
    counts_from: datetime | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Identity proofing of the person, while it lasts."""

    method: str
    ial: IAL
    proven_at: datetime
    ends_at: datetime


Authentication = EmailCode | Passkey | CardAuthentication | AppAuthentication
Evidence = Authentication | Proof

_KINDS: Final[Mapping[str, type[Authentication]]] = {
    kind.__name__: kind for kind in (EmailCode, Passkey, CardAuthentication, AppAuthentication)
}
_FIELDS: Final = {name: [entry.name for entry in fields(kind)] for name, kind in _KINDS.items()}
_TIMES: Final = frozenset({"at", "counts_from"})


def still_live(
    evidence: Collection[Authentication], live: Collection[str], bridges: Collection[str]
) -> tuple[Authentication, ...]:
    """Evidence without what rests on a credential, or a bridge, that is gone.

    :param live: the credentials of its person that are live now.
    :param bridges: the ones among those that countersigned it which are enrolled now.
    """
    return tuple(
        _without_revoked_bridge(piece, bridges)
        for piece in evidence
        if isinstance(piece, EmailCode) or piece.credential in live
    )


def _without_revoked_bridge(piece: Authentication, bridges: Collection[str]) -> Authentication:
    if not isinstance(piece, CardAuthentication) or piece.countersigned_by in {None, *bridges}:
        return piece
    return replace(piece, countersigned_by=None)


def to_text(evidence: Collection[Authentication]) -> str:
    """The evidence of a login as it is stored."""
    return json.dumps(
        [{"kind": type(piece).__name__} | asdict(piece) for piece in evidence], default=datetime.isoformat
    )


@lru_cache(maxsize=4096)
def from_text(text: str) -> tuple[Authentication, ...]:
    """Evidence as it was stored.

    What another version wrote in a way that is not understood counts for nothing: the person logs in again.
    """
    pieces = (_read(document) for document in json.loads(text))
    return tuple(piece for piece in pieces if piece is not None)


def _read(document: Mapping[str, Any]) -> Authentication | None:
    name = document["kind"]
    if name not in _KINDS or any(entry not in document for entry in _FIELDS[name]):
        return None
    return _KINDS[name](**{entry: _value(entry, document[entry]) for entry in _FIELDS[name]})


def _value(name: str, stored: str | bool | None) -> Any:
    return datetime.fromisoformat(stored) if name in _TIMES and isinstance(stored, str) else stored
