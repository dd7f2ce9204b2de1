"""Judging a whole log: every leaf, writer and checkpoint; it needs the database and public keys alone."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session, col, func, select

from assurance.wards import Ward
from delegation.audit import tree
from delegation.audit.checkpoint import CheckpointRefused, LogKey, read_checkpoint
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow

_AT_ONCE: Final = 1000


@dataclass
class Report:
    """What was found.

    :param waiting: leaves that are committed but not yet numbered.
    :param problems: each in one sentence; none means that nothing was altered.
    """

    size: int = 0
    checkpoints: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)


class _Range:
    """The growing tree as its complete subtrees, from the left."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []

    def add(self, hash_: bytes) -> None:
        level = 0
        while self._stack and self._stack[-1][0] == level:
            hash_, level = tree.node_hash(self._stack.pop()[1], hash_), level + 1
        self._stack.append((level, hash_))

    def root(self) -> bytes:
        if not self._stack:
            return tree.EMPTY
        hash_ = self._stack[-1][1]
        for _, left in reversed(self._stack[:-1]):
            hash_ = tree.node_hash(left, hash_)
        return hash_


def _numbered(session: Session, ward: str) -> Iterator[LeafRow]:
    after = -1
    while True:
        rows = session.exec(
            select(LeafRow)
            .where(LeafRow.ward == ward, col(LeafRow.number) > after)
            .order_by(col(LeafRow.number))
            .limit(_AT_ONCE)
        ).all()
        if not rows:
            return
        for row in rows:
            after = -1 if row.number is None else row.number
            yield row


def verify_log(session: Session, ward: Ward, keys: Collection[LogKey]) -> Report:
    """Judge a ward's log."""
    report, grown = Report(), _Range()
    found = session.exec(select(CheckpointRow).where(CheckpointRow.ward == ward.code))
    heads = {row.size: row for row in found}
    writers: dict[str, tuple[int, str]] = {}
    for leaf in _numbered(session, ward.code):
        if leaf.number != report.size:
            report.problems.append(f"leaf {report.size} is missing")
            report.size = leaf.number or 0
        _judge_leaf(leaf, writers, report)
        grown.add(tree.leaf_hash(leaf.content))
        report.size += 1
        checkpoint = heads.pop(report.size, None)
        if checkpoint is not None:
            _judge_checkpoint(checkpoint, grown.root(), keys, report)
    report.problems += [f"the checkpoint of size {size} has no such tree" for size in heads]
    head = session.get(HeadRow, ward.code)
    if head is not None and head.size != report.size:
        report.problems.append(f"the head says {head.size} leaves, there are {report.size}")
    report.waiting = session.exec(
        select(func.count()).where(LeafRow.ward == ward.code, col(LeafRow.number).is_(None))
    ).one()
    return report


def _judge_leaf(leaf: LeafRow, writers: dict[str, tuple[int, str]], report: Report) -> None:
    content = json.loads(leaf.content)
    counter, previous = writers.get(leaf.writer, (-1, ""))
    place = f"leaf {leaf.number}"
    if tree.leaf_hash(leaf.content) != leaf.hash:
        report.problems.append(f"{place} was altered")
    if (content["writer"], content["counter"]) != (leaf.writer, leaf.counter):
        report.problems.append(f"{place} stands in another's place")
    if leaf.counter != counter + 1 or content["previous"] != previous:
        report.problems.append(f"{place} does not follow its writer's last")
    writers[leaf.writer] = (leaf.counter, leaf.hash.hex())


def _judge_checkpoint(row: CheckpointRow, root: bytes, keys: Collection[LogKey], report: Report) -> None:
    report.checkpoints += 1
    try:
        head = read_checkpoint(row.text, keys)
    except CheckpointRefused as error:
        report.problems.append(f"the checkpoint of size {row.size}: {error}")
        return
    if (head.size, head.root) != (row.size, root):
        report.problems.append(f"the checkpoint of size {row.size} is of another tree")
