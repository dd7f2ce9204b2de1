"""Numbering committed leaves and extending the tree: one process at a time, within a second."""

import threading
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session, col, select, update

from assurance.database import Database, StorageUnavailable, Unit
from assurance.person import new_id
from assurance.wards import Ward
from card.clock import Clock
from delegation.audit import tree
from delegation.audit.checkpoint import Head, origin_of, sign_checkpoint
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, LeaseRow, NodeRow

_AT_ONCE: Final = 2000
_EVERY_S: Final = 0.5
_LEASE: Final = timedelta(seconds=10)
_NAME: Final = "sequencer"


class StoredNodes:
    """The complete subtrees of a ward's tree, read when they are asked for."""

    def __init__(self, session: Session, ward: str) -> None:
        self._session, self._ward = session, ward
        self.known: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, number: int) -> bytes:
        """One subtree."""
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
        raise LookupError("the tree lacks a subtree")


def sequence(unit: Unit, ward: Ward, key: Ed25519PrivateKey, clock: Clock) -> int:
    """Number what was committed, and sign the new head; a head that moved meanwhile is left alone.

    :returns: how many leaves were numbered.
    """
    session = unit.session
    head = session.get(HeadRow, unit.ward)
    if head is None:
        head = HeadRow(ward=unit.ward, size=0)
        session.add(head)
        session.flush()
    leaves = session.exec(
        select(LeafRow)
        .where(LeafRow.ward == unit.ward, col(LeafRow.number).is_(None))
        .order_by(col(LeafRow.writer), col(LeafRow.counter))
        .limit(_AT_ONCE)
    ).all()
    if not leaves:
        return 0
    old, size = head.size, head.size + len(leaves)
    moved = session.exec(
        update(HeadRow).where(col(HeadRow.ward) == unit.ward, col(HeadRow.size) == old).values(size=size)
    )
    if moved.rowcount != 1:
        return 0
    nodes = StoredNodes(session, unit.ward)
    for number, leaf in enumerate(leaves, old):
        leaf.number = number
        nodes.known[0, number] = leaf.hash
        for level, place, hash_ in tree.completed(number, leaf.hash, nodes):
            nodes.known[level, place] = hash_
            session.add(NodeRow(ward=unit.ward, level=level, number=place, hash=hash_))
    signed = sign_checkpoint(Head(origin_of(ward.issuer), size, tree.root(nodes, size)), key)
    session.add(CheckpointRow(ward=unit.ward, size=size, text=signed, at=clock.now()))
    return len(leaves)


class Sequencer:
    """A thread that numbers the leaves of every ward, while it holds the lease."""

    def __init__(
        self, database: Database, wards: Collection[tuple[Ward, Ed25519PrivateKey]], clock: Clock
    ) -> None:
        self._database, self._wards, self._clock = database, wards, clock
        self._holder, self._stopped = new_id(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Number what is left, and give the lease back."""
        self._stopped.set()
        self._thread.join()
        with suppress(StorageUnavailable):
            self._turn()
            self._give_back()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            with suppress(StorageUnavailable):  # tried again at the next turn
                self._turn()

    def _turn(self) -> None:
        for ward, key in self._wards:
            with self._database.writing(ward.code) as unit:
                if not self._hold(unit):
                    return
                sequence(unit, ward, key, self._clock)

    def _hold(self, unit: Unit) -> bool:
        now, lease = self._clock.now(), unit.session.get(LeaseRow, _NAME)
        if lease is None:
            lease = LeaseRow(name=_NAME, holder=self._holder, until=now + _LEASE)
        elif lease.holder != self._holder and now < lease.until:
            return False
        lease.holder, lease.until = self._holder, now + _LEASE
        unit.session.add(lease)
        return True

    def _give_back(self) -> None:
        ward, _ = next(iter(self._wards))
        with self._database.writing(ward.code) as unit:
            lease = unit.session.get(LeaseRow, _NAME)
            if lease is not None and lease.holder == self._holder:
                unit.session.delete(lease)
