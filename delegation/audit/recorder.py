"""Writing leaves, as the last statements of the transaction that they record."""

import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assurance.database import table_of
from assurance.events import Event, EventName
from assurance.person import PersonId, new_id
from assurance.sealed import Cipher, Vault
from assurance.wards import WardCode
from card.jose.compact import encode_json
from delegation.audit.tables import LeafRow, PartRow
from delegation.audit.tree import leaf_hash

_STATE: Final = "dairi.audit"
_PERSON: Final = "audit-person"


@dataclass(frozen=True, slots=True)
class Writer:
    """One connection's writer in one ward.

    :param counter: of its last leaf.
    :param previous: hash of that leaf.
    """

    id: str
    counter: int
    previous: bytes


def leaf_content(event: Event, writer: Writer, parts: Sequence[bytes]) -> bytes:
    """What is hashed: nothing in it is a person's or grant's id."""
    return encode_json(
        {
            "v": 1,
            "ward": event.ward,
            "event": str(event.name),
            "at": event.at.isoformat(),
            "writer": writer.id,
            "counter": writer.counter + 1,
            "previous": writer.previous.hex(),
            "clear": dict(event.clear),
            "parts": [b64encode(part).decode("ascii") for part in parts],
        }
    )


def place_of(writer: str, counter: int, position: int) -> str:
    """What a sealed part is bound to."""
    return f"{writer}/{counter}/{position}"


class AuditRecorder:
    """The recorder of a deployment."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def write(
        self, connection: Connection, events: Sequence[Event], writer: MutableMapping[Any, Any]
    ) -> None:
        """Add one leaf per event; counters advance only when the commit is known."""
        state: dict[str, dict[str, Writer]] = writer.setdefault(_STATE, {"known": {}, "pending": {}})
        state["pending"] = dict(state["known"])
        ciphers = self._ciphers(connection, events)
        leaves, parts = list[dict[str, Any]](), list[dict[str, Any]]()
        for event in events:
            if event.ward not in state["pending"]:
                fresh = Writer(new_id(), -1, b"")
                opened = Event(EventName.WRITER_OPENED, event.ward, event.at)
                state["pending"][event.ward] = self._add(opened, fresh, {}, leaves, parts)
            state["pending"][event.ward] = self._add(
                event, state["pending"][event.ward], ciphers, leaves, parts
            )
        connection.execute(sa.insert(table_of(LeafRow)), leaves)
        if parts:
            connection.execute(sa.insert(table_of(PartRow)), parts)

    def _ciphers(
        self, connection: Connection, events: Sequence[Event]
    ) -> dict[tuple[WardCode, PersonId], Cipher]:
        concerned: dict[WardCode, set[PersonId]] = defaultdict(set)
        for event in events:
            concerned[event.ward].update(event.concerning)
        return {
            (ward, person): cipher
            for ward, people in concerned.items()
            for person, cipher in self._vault.ciphers(connection, ward, people).items()
        }

    def _add(
        self,
        event: Event,
        writer: Writer,
        ciphers: dict[tuple[WardCode, PersonId], Cipher],
        leaves: list[dict[str, Any]],
        parts: list[dict[str, Any]],
    ) -> Writer:
        counter, sealed = writer.counter + 1, list[bytes]()
        for person, told in event.concerning.items():
            cipher = ciphers.get((event.ward, person))
            if cipher is None:  # erased: nothing more is written about them
                continue
            position = len(sealed)
            sealed.append(
                cipher.seal(
                    json.dumps(dict(told), ensure_ascii=False),
                    table="audit_leaf",
                    column="part",
                    row=place_of(writer.id, counter, position),
                )
            )
            parts.append(
                {
                    "ward": event.ward,
                    "writer": writer.id,
                    "counter": counter,
                    "position": position,
                    "person": self._vault.mac(event.ward, _PERSON, person),
                }
            )
        content = leaf_content(event, writer, sealed)
        hash_ = leaf_hash(content)
        leaves.append(
            {
                "ward": event.ward,
                "writer": writer.id,
                "counter": counter,
                "number": None,
                "content": content,
                "hash": hash_,
                "refers": event.clear.get("record"),
            }
        )
        return Writer(writer.id, counter, hash_)

    def committed(self, writer: MutableMapping[Any, Any]) -> None:
        """The leaves stand."""
        writer[_STATE]["known"] = writer[_STATE]["pending"]

    def doubtful(self, writer: MutableMapping[Any, Any]) -> None:
        """Nobody knows; the next leaf of this connection is another writer's first."""
        writer.pop(_STATE, None)
