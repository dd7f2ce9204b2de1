"""Two staff each enter one paper, unseen by the other; its number works once.

The first entry is sealed and waits a week. The second, of someone else, uses the number up, whatever it says:
neither is told what the other entered, nor whether there was another.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from assurance.database import Unit, connection_of, table_of
from assurance.events import Event, EventName
from assurance.person import PersonId
from card.faults import Fault
from card.full_width import narrowed
from delegation.audit.insertion import insert_if_absent
from delegation.counter.tables import PaperEntryRow
from delegation.counter.visiting import STAFF_PART
from delegation.parts import Parts

_BOX: Final = "paper-entry"
_WAITS: Final = timedelta(days=7)
_TRIES: Final = 4
"""Others can come between a reading and its claim only so often: each takes one step of the number's life."""
_ENTRY: Final = table_of(PaperEntryRow)


@dataclass(frozen=True, slots=True)
class Pair:
    """One paper that two staff entered.

    :param number: MAC of its number.
    :param same: whether both entered the same.
    """

    number: str
    by: tuple[PersonId, PersonId]
    same: bool


def read_number(text: str) -> str:
    """A paper's number as two people may write it: width, case, spaces and hyphens do not count.

    :raises Fault: `paper.number`.
    """
    number = "".join(narrowed(text).split()).replace("-", "").upper()
    if not number.isascii() or not number.isalnum() or len(number) > 40:
        raise Fault("paper.number")
    return number


def enter(unit: Unit, parts: Parts, by: PersonId, number: str, document: Mapping[str, Any]) -> Pair | None:
    """Keep what a staff member entered, or compare it with what another did.

    Whoever enters the same number again before the other replaces their own entry.

    :param number: as `read_number` gave it.
    :returns: both, with the second; None as long as there is one, and for a number that was used.
    """
    unit.record(Event(EventName.PAPER_ENTERED, unit.ward, parts.clock.now(), {by: STAFF_PART}))
    numbers = parts.vault.macs(unit.ward, "paper", number)
    said = json.dumps(document, ensure_ascii=False, sort_keys=True)
    for _ in range(_TRIES):
        first = _read(unit, numbers)
        if first is None:
            if insert_if_absent(
                connection_of(unit.session), PaperEntryRow, _row(unit, parts, by, numbers[0], said)
            ):
                return None
            continue
        if first.entry is None:
            return None
        second = first.by != by and first.expires_at > parts.clock.now()
        used: dict[str, Any] = {"entry": None, "expires_at": None}
        if not _claim(unit, first, used if second else _row(unit, parts, by, first.number, said)):
            continue
        if not second:
            return None
        before = parts.vault.open_for(_BOX, first.entry, _place(unit, first.number, first.by))
        same = hmac.compare_digest(before.encode("utf-8"), said.encode("utf-8"))
        return Pair(first.number, (PersonId(first.by), by), same)
    raise Fault("grant.not_now")


def _place(unit: Unit, number: str, by: str) -> str:
    return f"{unit.ward}/{number}/{by}"


def _row(unit: Unit, parts: Parts, by: PersonId, number: str, said: str) -> dict[str, Any]:
    now = parts.clock.now()
    return {
        "ward": unit.ward,
        "number": number,
        "by": by,
        "entry": parts.vault.seal_for(_BOX, said, _place(unit, number, by)),
        "entered_at": now,
        "expires_at": now + _WAITS,
    }


def _read(unit: Unit, numbers: tuple[str, ...]) -> "sa.Row[Any] | None":
    mine = sa.select(_ENTRY).where(_ENTRY.c.ward == unit.ward, _ENTRY.c.number.in_(numbers))
    return connection_of(unit.session).execute(mine).first()


def _claim(unit: Unit, read: "sa.Row[Any]", values: Mapping[str, Any]) -> bool:
    """Take the number's next step, if nobody took one since it was read."""
    unchanged = (
        sa.update(_ENTRY)
        .where(_ENTRY.c.ward == unit.ward, _ENTRY.c.number == read.number, _ENTRY.c.entry == read.entry)
        .values(**values)
    )
    return connection_of(unit.session).execute(unchanged).rowcount == 1
