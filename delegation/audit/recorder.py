"""Writing leaves, as the last statements of the transaction that they record."""

import json
from collections import defaultdict
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assurance.database import Database, StorageUnavailable, table_of
from assurance.events import Event, EventName
from assurance.person import PersonId
from assurance.sealed import Cipher, Vault
from assurance.wards import WardCode
from delegation.audit.closing import Writers
from delegation.audit.leaf import Values, Writer, next_leaf, place_of
from delegation.audit.tables import LeafRow, PartRow

_KNOWN: Final = "dairi.audit.known"
_MOVED: Final = "dairi.audit.moved"
PERSON: Final = "audit-person"
_JSON: Final = json.JSONEncoder(ensure_ascii=False)
_ADD_LEAVES: Final = sa.insert(table_of(LeafRow))
_ADD_PARTS: Final = sa.insert(table_of(PartRow))

Ciphers = Mapping[tuple[WardCode, PersonId], Cipher]


class AuditRecorder:
    """The recorder of a deployment.

    :ivar writers: those of this process whose last leaf is known to be committed.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.writers = Writers()

    def write(
        self, connection: Connection, events: Sequence[Event], writer: MutableMapping[Any, Any]
    ) -> None:
        """Add one leaf per event.

        A connection's writers are taken from it and given back by `committed` alone: whatever else happens,
        its next leaf is another writer's first.

        :raises StorageUnavailable: when another process closed the writer, which `closing` makes unlikely;
            nothing was written, and the next try has a new writer.
        """
        known: dict[WardCode, Writer] = writer.pop(_KNOWN, {})
        moved: dict[WardCode, Writer] = {}
        ciphers = self._ciphers(connection, events)
        leaves, parts = list[Values](), list[Values]()
        for event in events:
            current = moved.get(event.ward) or self.writers.going_on(known.get(event.ward), event.at)
            if current is None:
                opened = Event(EventName.WRITER_OPENED, event.ward, event.at)
                row, current = next_leaf(opened, Writer.fresh(event.ward, event.at))
                leaves.append(row)
            sealed = self._seal(event, current, ciphers, parts)
            row, moved[event.ward] = next_leaf(event, current, sealed)
            leaves.append(row)
        try:
            connection.execute(_ADD_LEAVES, leaves)
        except sa.exc.IntegrityError as error:
            raise StorageUnavailable from error
        if parts:
            connection.execute(_ADD_PARTS, parts)
        writer[_MOVED] = known, moved

    def _ciphers(self, connection: Connection, events: Sequence[Event]) -> Ciphers:
        concerned: dict[WardCode, set[PersonId]] = defaultdict(set)
        for event in events:
            concerned[event.ward].update(event.concerning)
        return {
            (ward, person): cipher
            for ward, people in concerned.items()
            for person, cipher in self._vault.ciphers(connection, ward, people).items()
        }

    def _seal(self, event: Event, writer: Writer, ciphers: Ciphers, parts: list[Values]) -> list[bytes]:
        counter, sealed, texts = writer.counter + 1, list[bytes](), dict[int, str]()
        for person, told in event.concerning.items():
            cipher = ciphers.get((event.ward, person))
            if cipher is None:  # erased: nothing more is written about them
                continue
            place = place_of(writer.id, counter, len(sealed))
            parts.append(
                {
                    "ward": event.ward,
                    "writer": writer.id,
                    "counter": counter,
                    "position": len(sealed),
                    "person": self._vault.mac(event.ward, PERSON, person),
                }
            )
            text = texts.get(id(told)) or texts.setdefault(id(told), _JSON.encode(dict(told)))
            sealed.append(cipher.seal(text, table="audit_leaf", column="part", row=place))
        return sealed

    def committed(self, writer: MutableMapping[Any, Any]) -> None:
        """The leaves stand."""
        known, moved = writer.pop(_MOVED)
        writer[_KNOWN] = known | moved
        self.writers.rest(moved.values())

    def doubtful(self, writer: MutableMapping[Any, Any]) -> None:
        """Nobody knows; the next leaf of this connection is another writer's first."""
        writer.pop(_KNOWN, None)
        writer.pop(_MOVED, None)


def writers_of(database: Database) -> Writers:
    """The writers of this process; none where nothing is recorded."""
    recorder = database.recorder
    return recorder.writers if isinstance(recorder, AuditRecorder) else Writers()
