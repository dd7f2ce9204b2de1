"""A leaf: its octets, and its place after its writer's last."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from assurance.events import Event, EventName
from assurance.person import new_id
from assurance.wards import WardCode
from card.jose.compact import encode_json
from delegation.audit.tree import leaf_hash

OPEN: Final = "open"
"""What the first leaf of a writer is found by until the writer is closed (`LeafRow.refers`)."""

Values = dict[str, str | int | bytes | None]


@dataclass(frozen=True, slots=True)
class Writer:
    """One connection's life in one ward, as far as its leaf `counter`.

    :param counter: of its last leaf; -1 before the first.
    :param previous: hash of that leaf.
    :param at: time of that leaf's event.
    """

    id: str
    ward: WardCode
    counter: int
    previous: bytes
    at: datetime

    @classmethod
    def fresh(cls, ward: WardCode, at: datetime) -> Self:
        """One that has written nothing yet."""
        return cls(new_id(), ward, -1, b"", at)


class Malformed(ValueError):  # noqa: N818 - what it is
    """The octets are no leaf."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says.

    :param event: an `EventName` of the version that wrote it.
    :param previous: hash of its writer's leaf before it, hexadecimal; empty in the first.
    :param parts: sealed, one for each person concerned.
    """

    event: str
    at: datetime
    writer: str
    counter: int
    previous: str
    clear: Mapping[str, str | int | bool]
    parts: tuple[bytes, ...]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the octets.

        :raises Malformed: whatever they are; they come from a table that somebody may have altered.
        """
        try:
            said = json.loads(content)
            return cls(
                event=str(said["event"]),
                at=datetime.fromisoformat(said["at"]).astimezone(UTC),
                writer=str(said["writer"]),
                counter=int(said["counter"]),
                previous=str(said["previous"]),
                clear=dict(said["clear"]),
                parts=tuple(b64decode(part, validate=True) for part in said["parts"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise Malformed from error


def place_of(writer: str, counter: int, position: int) -> str:
    """What a sealed part is bound to."""
    return f"{writer}/{counter}/{position}"


def next_leaf(event: Event, writer: Writer, parts: Sequence[bytes] = ()) -> tuple[Values, Writer]:
    """The row of a writer's next leaf, and the writer after it; nothing clear is a person's or grant's id."""
    counter = writer.counter + 1
    content = encode_json(
        {
            "v": 1,
            "ward": event.ward,
            "event": str(event.name),
            "at": event.at.isoformat(),
            "writer": writer.id,
            "counter": counter,
            "previous": writer.previous.hex(),
            "clear": dict(event.clear),
            "parts": [b64encode(part).decode("ascii") for part in parts],
        }
    )
    record, hash_ = event.clear.get("record"), leaf_hash(content)
    row: Values = {
        "ward": event.ward,
        "writer": writer.id,
        "counter": counter,
        "number": None,
        "content": content,
        "hash": hash_,
        "refers": OPEN if event.name is EventName.WRITER_OPENED else None if record is None else str(record),
    }
    return row, Writer(writer.id, event.ward, counter, hash_, event.at)
