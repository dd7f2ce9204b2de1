"""Judging a whole log: every leaf, writer and checkpoint; it needs the database and public keys alone.

Whoever can write to the database can compute every hash; what they cannot make is a signed checkpoint. So a
log counts only with a checkpoint of exactly its head, which `sequence` commits together with the head. A log
that was set back as a whole to an older state, checkpoint and all, contradicts only a checkpoint that
somebody kept elsewhere.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from assurance.database import Database
from assurance.wards import Ward, WardCode
from card.faults import Fault
from delegation.audit import tree
from delegation.audit.chains import Chains
from delegation.audit.checkpoint import CheckpointRefused, Head, LogKey, origin_of, read_checkpoint
from delegation.audit.sequencer import StoredNodes
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, PartRow

_STREAMED: Final = {"yield_per": 1000}


@dataclass
class Report:
    """What was found.

    :param waiting: leaves that are committed but not yet numbered.
    :param writers: those that are not closed.
    :param abandoned: writers that were closed for a process that ended without a word; whether leaves of its
        last second were cut is not known (`closing`).
    :param problems: each in one sentence; none means that nothing was altered.
    """

    size: int = 0
    checkpoints: int = 0
    waiting: int = 0
    writers: int = 0
    abandoned: int = 0
    problems: list[str] = field(default_factory=list)


def verify_log(database: Database, ward: Ward, keys: Collection[LogKey], kept: Head | None = None) -> Report:
    """Judge a ward's log, beside a running server or a stopped one.

    :param keys: whose checkpoints count.
    :param kept: head of a checkpoint that was kept elsewhere, which the log must continue.
    """
    origin, report, grown, chains = origin_of(ward.issuer), Report(), tree.Growing(), Chains()
    with _snapshot(database, ward.code) as session:
        checkpoints = _Checkpoints(session, ward.code, [key for key in keys if key.origin == origin])
        for leaf, parts in _leaves(session, ward.code, numbered=True):
            if leaf.number is not None and leaf.number != report.size:
                report.problems.append(f"leaf {report.size} is missing: the next is {leaf.number}")
                report.size = leaf.number
            report.problems += chains.judge(leaf, parts, f"leaf {leaf.number}")
            grown.add(tree.leaf_hash(leaf.content))
            report.size += 1
            report.problems += checkpoints.judge(report.size, grown)
        report.problems += checkpoints.judge_rest()
        report.checkpoints = checkpoints.judged
        report.problems += _judge_head(session, ward.code, report.size, checkpoints.signed)
        if kept is not None:
            report.problems += _judge_kept(session, ward.code, kept, Head(origin, report.size, grown.root()))
        for leaf, parts in _leaves(session, ward.code, numbered=False):
            report.problems += chains.judge(leaf, parts, f"the waiting leaf {leaf.writer}/{leaf.counter}")
            report.waiting += 1
    report.writers, report.abandoned = len(chains), chains.abandoned
    return report


@contextmanager
def _snapshot(database: Database, ward: WardCode) -> Iterator[Session]:
    """All is read as of one moment, while others write; on SQLite every transaction is such a snapshot."""
    with database.reading(ward) as session:
        if session.connection().dialect.name == "postgresql":
            session.connection().execute(
                sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            )
        yield session


def _leaves(session: Session, ward: WardCode, *, numbered: bool) -> Iterator[tuple[LeafRow, int]]:
    """Leaves in the order of the log, each with the number of its rows of parts."""
    number = col(LeafRow.number)
    parts = (
        select(func.count())
        .where(
            PartRow.ward == LeafRow.ward,
            PartRow.writer == LeafRow.writer,
            PartRow.counter == LeafRow.counter,
        )
        .scalar_subquery()
    )
    statement = (
        select(LeafRow, parts)
        .where(LeafRow.ward == ward, number.is_not(None) if numbered else number.is_(None))
        .order_by(number, col(LeafRow.writer), col(LeafRow.counter))
    )
    yield from session.exec(statement, execution_options=_STREAMED)


class _Checkpoints:
    """A ward's checkpoints beside its growing tree.

    :ivar judged: how many there are.
    :ivar signed: the largest size that a valid one is of.
    """

    def __init__(self, session: Session, ward: WardCode, keys: Collection[LogKey]) -> None:
        statement = select(CheckpointRow.size, CheckpointRow.text).where(CheckpointRow.ward == ward)
        ordered = statement.order_by(col(CheckpointRow.size))
        self._rows = iter(session.exec(ordered, execution_options=_STREAMED))
        self._next = next(self._rows, None)
        self._keys = keys
        self.judged = self.signed = 0

    def judge(self, size: int, grown: tree.Growing) -> list[str]:
        """Judge those of a tree of this size, and those of sizes that no tree had."""
        problems = list[str]()
        while self._next is not None and self._next[0] <= size:
            claimed, text = self._next
            self._next = next(self._rows, None)
            self.judged += 1
            problem = self._problem(claimed, text, grown) if claimed == size else "has no such tree"
            if problem:
                problems.append(f"the checkpoint of size {claimed} {problem}")
            else:
                self.signed = claimed
        return problems

    def judge_rest(self) -> list[str]:
        """Those of a larger tree than there is."""
        rest = [] if self._next is None else [self._next[0], *(claimed for claimed, _ in self._rows)]
        self.judged += len(rest)
        return [f"the checkpoint of size {claimed} has no such tree" for claimed in rest]

    def _problem(self, size: int, text: str, grown: tree.Growing) -> str:
        try:
            head = read_checkpoint(text, self._keys)
        except CheckpointRefused as error:
            return f"does not count: {error}"
        return "" if (head.size, head.root) == (size, grown.root()) else "is of another tree"


def _judge_head(session: Session, ward: WardCode, size: int, signed: int) -> list[str]:
    head = session.exec(select(HeadRow.size).where(HeadRow.ward == ward)).first()
    if head is None:
        return [f"there are {size} leaves and no head"] if size else []
    if head != size:
        return [f"the head says {head} leaves, there are {size}"]
    if signed != size:
        return [f"no valid checkpoint is of the head of {size} leaves; the last valid one is of {signed}"]
    return []


def _judge_kept(session: Session, ward: WardCode, kept: Head, head: Head) -> list[str]:
    """Demand what a consistency proof demands of a log from outside (RFC 9162 §2.1.4)."""
    if head.size < kept.size:
        return [
            f"there are {head.size} leaves, and a checkpoint of {kept.size} was kept: the log was set back"
        ]
    try:
        proof = tree.consistency(StoredNodes(session, ward), kept.size, head.size)
    except Fault:
        return ["the tree lacks a subtree that proves the checkpoint that was kept"]
    if not tree.continues(kept.size, kept.root, head.size, head.root, proof):
        return [f"the log does not continue the checkpoint of {kept.size} leaves that was kept"]
    return []
