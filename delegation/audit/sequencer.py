"""Numbering committed leaves and extending the tree: one process at a time, within a second."""

import threading
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session, col, delete, or_, select, update

from assurance.database import Database, StorageUnavailable, Unit, connection_of, table_of
from assurance.person import new_id
from assurance.wards import Ward
from card.clock import Clock
from card.faults import Fault
from delegation.audit import tree
from delegation.audit.checkpoint import Head, origin_of, sign_checkpoint
from delegation.audit.closing import close_abandoned, close_own
from delegation.audit.insertion import insert_if_absent
from delegation.audit.recorder import writers_of
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, LeaseRow, NodeRow

_AT_ONCE: Final = 500
_EVERY_S: Final = 0.5
_LAST_TURNS: Final = 10
_CLOSING_EVERY: Final = timedelta(minutes=1)
_LEASE: Final = timedelta(seconds=10)
_NAME: Final = "sequencer"


class StoredNodes:
    """The complete subtrees of a ward's tree, read when they are asked for."""

    def __init__(self, session: Session, ward: str) -> None:
        self._session, self._ward = session, ward
        self.known: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, number: int) -> bytes:
        """One subtree.

        :raises Fault: `audit.damaged` when somebody deleted it.
        """
        found = self.known.get((level, number))
        if found is None:
            found = self.known[level, number] = self._read(level, number)
        return found

    def _read(self, level: int, number: int) -> bytes:
        if level:
            row = self._session.get(NodeRow, (self._ward, level, number))
            if row is not None:
                return row.hash
        else:
            found = self._session.exec(
                select(LeafRow.hash).where(LeafRow.ward == self._ward, LeafRow.number == number)
            ).first()
            if found is not None:
                return found
        raise Fault("audit.damaged")


_Row = dict[str, Any]
_LEAF: Final = table_of(LeafRow)
_WAITING: Final = (
    sa.select(_LEAF.c.writer, _LEAF.c.counter, _LEAF.c.hash)
    .where(_LEAF.c.ward == sa.bindparam("ward"), _LEAF.c.number.is_(None))
    .order_by(_LEAF.c.writer, _LEAF.c.counter)
    .limit(_AT_ONCE)
)
# Statements, not rows of a session: at the hot endpoints' pace each leaf would cost ten times as much.
_NUMBERING: Final = (
    sa.update(_LEAF)
    .where(
        _LEAF.c.ward == sa.bindparam("in_ward"),
        _LEAF.c.writer == sa.bindparam("at_writer"),
        _LEAF.c.counter == sa.bindparam("at_counter"),
    )
    .values(number=sa.bindparam("as_number"))
)
_MADE: Final = sa.insert(table_of(NodeRow))


def _size(unit: Unit) -> int:
    statement = select(HeadRow.size).where(HeadRow.ward == unit.ward)
    found = unit.session.exec(statement).first()
    if found is None:
        insert_if_absent(connection_of(unit.session), HeadRow, {"ward": unit.ward, "size": 0})
        found = unit.session.exec(statement).one()
    return found


def sequence(unit: Unit, ward: Ward, key: Ed25519PrivateKey, clock: Clock) -> int:
    """Number what was committed, and sign the new head; a head that moved meanwhile is left alone.

    The size of the head is what fences every write, as a lease's number would, and it needs no lease: it only
    grows, and whoever numbers moves it from the very size that it read *before* it read the leaves. On
    PostgreSQL the `UPDATE` waits for another's, then finds the new size and changes nothing; one that changes
    the row holds it until the commit, and since the head did not move from the first read on, nobody
    numbered these leaves. So a leader that wakes late cannot fork the log, nor sign a head that is not
    committed with its checkpoint. The keys of `audit_checkpoint` and (ward, number) say the same once more.

    :returns: how many leaves were numbered.
    """
    session = unit.session
    old = _size(unit)
    connection = connection_of(session)
    leaves = connection.execute(_WAITING, {"ward": unit.ward}).all()
    if not leaves:
        return 0
    size = old + len(leaves)
    moved = session.exec(
        update(HeadRow).where(col(HeadRow.ward) == unit.ward, col(HeadRow.size) == old).values(size=size)
    )
    if moved.rowcount != 1:
        return 0
    nodes, numbered, made = StoredNodes(session, unit.ward), list[_Row](), list[_Row]()
    for number, leaf in enumerate(leaves, old):
        numbered.append({"at_writer": leaf.writer, "at_counter": leaf.counter, "as_number": number})
        nodes.known[0, number] = leaf.hash
        for level, place, hash_ in tree.completed(number, leaf.hash, nodes):
            nodes.known[level, place] = hash_
            made.append({"ward": unit.ward, "level": level, "number": place, "hash": hash_})
    connection.execute(_NUMBERING, [{"in_ward": unit.ward, **row} for row in numbered])
    if made:
        connection.execute(_MADE, made)
    signed = sign_checkpoint(Head(origin_of(ward.issuer), size, tree.root(nodes, size)), key)
    session.add(CheckpointRow(ward=unit.ward, size=size, text=signed, at=clock.now()))
    return len(leaves)


class Sequencer:
    """A thread that numbers the leaves of every ward while it holds the lease, and closes writers."""

    def __init__(
        self, database: Database, wards: Collection[tuple[Ward, Ed25519PrivateKey]], clock: Clock
    ) -> None:
        self._database, self._wards, self._clock = database, wards, clock
        self._writers = writers_of(database)
        self._holder, self._stopped = new_id(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)
        self._log = structlog.get_logger(_NAME)
        self._said: dict[str, tuple[str, str]] = {}
        self._close_next: datetime | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Close this process's writers, number what is left, and give the lease back."""
        self._stopped.set()
        self._thread.join()
        for ward, _ in self._wards:
            with self._whatever_happens(ward):
                close_own(self._database, ward.code, self._writers, self._clock.now(), stopping=True)
        for _ in range(_LAST_TURNS):
            if not self._number():
                break
        ward, _ = next(iter(self._wards))
        with self._whatever_happens(ward), self._database.writing(ward.code) as unit:
            mine = (col(LeaseRow.name) == _NAME, col(LeaseRow.holder) == self._holder)
            unit.session.exec(delete(LeaseRow).where(*mine))

    def _run(self) -> None:
        behind = False
        while not self._stopped.wait(0 if behind else _EVERY_S):
            behind = self._number()
            self._close()

    def _number(self) -> bool:
        """Number what waits, in every ward.

        :returns: whether more waits.
        """
        behind = False
        for ward, key in self._wards:
            with self._whatever_happens(ward), self._database.writing(ward.code) as unit:
                if not self._hold(unit):
                    return False
                behind = sequence(unit, ward, key, self._clock) == _AT_ONCE or behind
        return behind

    def _close(self) -> None:
        """Now and then close what fell silent; no lease, since a closing leaf's key is fence enough."""
        now = self._clock.now()
        if self._close_next is not None and now < self._close_next:
            return
        self._close_next = now + _CLOSING_EVERY
        for ward, _ in self._wards:
            with self._whatever_happens(ward):
                close_own(self._database, ward.code, self._writers, now)
                close_abandoned(self._database, ward.code, now)

    def _hold(self, unit: Unit) -> bool:
        """Whether the lease is ours; it is renewed when half of it is over."""
        now = self._clock.now()
        mine = {"name": _NAME, "holder": self._holder, "until": now + _LEASE}
        lease = unit.session.get(LeaseRow, _NAME)
        if lease is None:
            return insert_if_absent(connection_of(unit.session), LeaseRow, mine)
        if lease.until >= now + (_LEASE / 2 if lease.holder == self._holder else timedelta()):
            return lease.holder == self._holder
        free = or_(col(LeaseRow.holder) == self._holder, col(LeaseRow.until) < now)
        taken = unit.session.exec(update(LeaseRow).where(col(LeaseRow.name) == _NAME, free).values(**mine))
        return taken.rowcount == 1

    @contextmanager
    def _whatever_happens(self, ward: Ward) -> Iterator[None]:
        """Go on: the thread serves every ward as long as the process lives, and tries again.

        An error's kind and place are logged, once until something works; its text and locals may be personal.
        A database that is gone is what readiness tells.
        """
        try:
            yield
            self._said.pop(ward.code, None)
        except StorageUnavailable:
            pass
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = (type(error).__name__, f"{place.filename}:{place.lineno}")
            if self._said.get(ward.code) != said:
                self._log.error("audit_stalled", ward=ward.code, error=said[0], where=said[1])
            self._said[ward.code] = said
