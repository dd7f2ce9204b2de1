"""Challenges: what may be answered once, by the browser it was made for, in its time."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import col, update

from assurance.database import Unit
from assurance.person import new_id
from assurance.sealed import Vault
from assurance.tables import ChallengeRow
from card.faults import Fault
from card.jose import b64url_decode, b64url_encode

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge as issued or taken.

    :param nonce: 32 random octets.
    """

    id: str
    nonce: bytes
    data: Mapping[str, Any]
    bound: str


def issue(
    unit: Unit,
    vault: Vault,
    purpose: str,
    *,
    browser: str,
    now: datetime,
    expires_at: datetime,
    data: Mapping[str, Any] | None = None,
    bound: str = "",
    tries: int = 1,
) -> Challenge:
    """Make a challenge.

    :param browser: what the answering browser must prove to be, such as the hash of its interaction's cookie.
    :param data: kept sealed.
    """
    id_, nonce = new_id(), secrets.token_bytes(32)
    content = json.dumps({"nonce": b64url_encode(nonce), "data": dict(data or {})}, ensure_ascii=False)
    unit.session.add(
        ChallengeRow(
            ward=unit.ward,
            id=id_,
            purpose=purpose,
            browser=browser,
            bound=bound,
            sealed=vault.seal_for("challenge", content, f"{unit.ward}/{id_}"),
            tries_left=tries,
            created_at=now,
            expires_at=expires_at,
        )
    )
    unit.session.flush()
    return Challenge(id_, nonce, data or {}, bound)


def find(unit: Unit, id_: str, purpose: str) -> ChallengeRow | None:
    """A challenge's row, in whatever state it is."""
    row = unit.session.get(ChallengeRow, (unit.ward, id_)) if _ID.match(id_) else None
    return row if row is not None and row.purpose == purpose else None


def take(unit: Unit, vault: Vault, id_: str, purpose: str, *, browser: str, now: datetime) -> Challenge:
    """Use a challenge up, whatever its answer turns out to be; the caller commits.

    :raises Fault: `challenge.gone`, `challenge.foreign` or `challenge.expired`; the last two are costly.
    """
    row = find(unit, id_, purpose)
    if row is None:
        raise Fault("challenge.gone")
    claimed = unit.session.exec(
        update(ChallengeRow)
        .where(
            col(ChallengeRow.ward) == unit.ward,
            col(ChallengeRow.id) == id_,
            col(ChallengeRow.used_at).is_(None),
        )
        .values(used_at=now)
    )
    if claimed.rowcount != 1:
        raise Fault("challenge.gone")
    if not secrets.compare_digest(row.browser, browser):
        raise unit.costly(Fault("challenge.foreign"))
    if now >= row.expires_at:
        raise unit.costly(Fault("challenge.expired"))
    return read(vault, row)


def read(vault: Vault, row: ChallengeRow) -> Challenge:
    """Open a challenge's row."""
    content = json.loads(vault.open_for("challenge", row.sealed, f"{row.ward}/{row.id}"))
    return Challenge(row.id, b64url_decode(content["nonce"]), content["data"], row.bound)
