"""The end of a writer: a leaf after which it has no other, so that a tail that was cut is missed.

A gap shows as soon as the writer goes on. A writer that does not go on is closed with one leaf more, as its
own next; so its key (writer, counter) lets either that leaf or a late one of the writer's stand, never both.

- A writer ends when its connection does, or by a doubtful commit, or by `SILENCE`. None of these is announced
  to anyone: a connection that finds its writer silent for so long, or gone from `Writers`, takes a new one.
- Its own process closes it, `by: process`, after twice the silence, and at a graceful stop at once. The
  process *remembers* counter and hash of the last leaf it knows to be committed: whatever is missing before
  the closing leaf was cut.
- A process that was killed remembers nothing. After three times the silence any other closes its writers,
  `by: sequencer`, with what the table holds. Two processes whose clocks differ by more than a silence may
  meet in one key; then one unit fails with 503 and nothing of it is written.

What stays unseen: a leaf deleted or rewritten after its commit and before its number (half a second while a
sequencer runs, longer while none does), of a process that is then killed before the same writer's next leaf
or its closing. `verify` therefore counts the closings `by: sequencer`: each should match a crash that
somebody knows of. And no log proves more of a process than what the process itself chose to write.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select

from assurance.database import Database, connection_of, table_of
from assurance.events import Event, EventName
from assurance.wards import WardCode
from delegation.audit.insertion import insert_if_absent
from delegation.audit.leaf import OPEN, Leaf, Malformed, Writer, next_leaf
from delegation.audit.tables import LeafRow

SILENCE: Final = timedelta(minutes=10)
_SILENT: Final = 2 * SILENCE
_ABANDONED: Final = 3 * SILENCE


class ClosedBy(StrEnum):
    """Whose knowledge a closing leaf rests on."""

    PROCESS = "process"
    SEQUENCER = "sequencer"


class Writers:
    """The writers of this process that are not closed, each as of its last leaf that is known to stand."""

    def __init__(self) -> None:
        self._last: dict[str, Writer] = {}

    def going_on(self, writer: Writer | None, at: datetime) -> Writer | None:
        """The writer, if it may have another leaf."""
        if writer is None or writer.id not in self._last or at - writer.at > SILENCE:
            return None
        return writer

    def rest(self, writers: Iterable[Writer]) -> None:
        """Remember their last leaves."""
        self._last.update((writer.id, writer) for writer in writers)

    def take(self, ward: WardCode, silent_since: datetime | None) -> list[Writer]:
        """Those whose last leaf is older, or all; none of them goes on."""
        taken = [
            writer
            for writer in self._last.copy().values()  # request threads change it meanwhile
            if writer.ward == ward and (silent_since is None or writer.at < silent_since)
        ]
        for writer in taken:
            self._last.pop(writer.id, None)
        return sorted(taken, key=lambda writer: writer.id)

    def give_back(self, writers: Iterable[Writer]) -> None:
        """Keep them for another try, unless they have a later leaf by now."""
        for writer in writers:
            self._last.setdefault(writer.id, writer)


def close_own(
    database: Database, ward: WardCode, writers: Writers, now: datetime, *, stopping: bool = False
) -> None:
    """Close this process's writers: the silent ones, or all of them when it stops."""
    ended = writers.take(ward, None if stopping else now - _SILENT)
    if not ended:
        return
    try:
        with database.writing(ward) as unit:
            connection = connection_of(unit.session)
            for writer in ended:
                if not _close(connection, writer, now, ClosedBy.PROCESS):
                    _contradict(connection, writer, now)
    except BaseException:
        writers.give_back(ended)
        raise


def close_abandoned(database: Database, ward: WardCode, now: datetime) -> None:
    """Close the writers of processes that ended without a word."""
    with database.reading(ward) as session:
        silent = [writer for writer in _open(session, ward) if writer.at < now - _ABANDONED]
    if silent:
        with database.writing(ward) as unit:
            connection = connection_of(unit.session)
            for writer in silent:
                _close(connection, writer, now, ClosedBy.SEQUENCER)


_LEAF: Final = table_of(LeafRow)


def _closing(writer: Writer, now: datetime, by: ClosedBy) -> Event:
    clear: dict[str, str | int | bool] = {"last": writer.counter, "by": str(by)}
    return Event(EventName.WRITER_CLOSED, writer.ward, now, clear=clear)


def _close(connection: Connection, writer: Writer, now: datetime, by: ClosedBy) -> bool:
    row, _ = next_leaf(_closing(writer, now, by), writer)
    if not insert_if_absent(connection, LeafRow, row):
        return False
    first = (_LEAF.c.ward == writer.ward, _LEAF.c.writer == writer.id, _LEAF.c.counter == 0)
    connection.execute(sa.update(_LEAF).where(*first).values(refers=None))
    return True


def _contradict(connection: Connection, writer: Writer, now: datetime) -> None:
    """Say what this process remembers, where something else was put after a tail that was cut.

    What stands in the closing leaf's place is right when it follows the remembered leaf: another process
    closed the writer, or a doubtful commit stands after all. Else the closing goes behind it, where it can
    follow nothing, and `verify` reports it.
    """
    mine = (_LEAF.c.ward == writer.ward, _LEAF.c.writer == writer.id)
    there = sa.select(_LEAF.c.counter, _LEAF.c.content).where(*mine).order_by(_LEAF.c.counter.desc())
    next_one = connection.execute(there.where(_LEAF.c.counter == writer.counter + 1)).first()
    if next_one is None or _follows(next_one.content, writer):
        return
    last = connection.execute(there.limit(1)).one()
    event = _closing(writer, now, ClosedBy.PROCESS)
    row, _ = next_leaf(event, replace(writer, counter=last.counter))
    insert_if_absent(connection, LeafRow, row)


def _follows(content: bytes, writer: Writer) -> bool:
    try:
        return Leaf.parse(content).previous == writer.previous.hex()
    except Malformed:
        return False


def _open(session: Session, ward: WardCode) -> Iterator[Writer]:
    opened = select(LeafRow.writer).where(LeafRow.ward == ward, LeafRow.refers == OPEN)
    for writer in session.exec(opened.order_by(LeafRow.writer)).all():
        last = session.exec(
            select(LeafRow)
            .where(LeafRow.ward == ward, LeafRow.writer == writer)
            .order_by(col(LeafRow.counter).desc())
            .limit(1)
        ).first()
        try:
            said = None if last is None else Leaf.parse(last.content)
        except Malformed:  # `verify` reports it
            said = None
        if last is not None and said is not None and said.event != EventName.WRITER_CLOSED:
            yield Writer(writer, ward, last.counter, last.hash, said.at)
