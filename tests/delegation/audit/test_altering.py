"""What somebody with the database's password alters is seen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import select

from assurance.database import Database, table_of
from assurance.events import Event, EventName
from assurance.wards import Ward
from card.faults import Fault
from delegation.audit import tree
from delegation.audit import verify as verifier
from delegation.audit.checkpoint import (
    Head,
    read_checkpoint,
)
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow
from tests.conftest import NOW
from tests.delegation.audit.log import (
    CHECKPOINT,
    HEAD,
    LEAF,
    NODE,
    judge,
    kept_checkpoint,
    number_all,
    record,
    rewrite,
)

FORGED = b'{"writer":"x","counter":3,"previous":""}'


def test_a_log_grows_and_verifies_beside_leaves_that_wait(database: Database, ward: Ward) -> None:
    record(database, ward, 5)
    assert number_all(database, ward) == 6  # the writer announced itself
    record(database, ward, 3)
    report = judge(database, ward)
    assert (report.size, report.checkpoints, report.waiting, report.problems) == (6, 1, 3, [])
    number_all(database, ward)
    assert number_all(database, ward) == 0
    report = judge(database, ward)
    assert (report.size, report.checkpoints, report.problems) == (9, 2, [])


def test_a_unit_that_rolls_back_leaves_no_leaf_and_no_gap(database: Database, ward: Ward) -> None:
    record(database, ward, 1)
    with pytest.raises(Fault), database.writing(ward.code) as unit:
        unit.record(Event(EventName.LOGIN_ENDED, ward.code, NOW))
        raise Fault("login.needed")
    record(database, ward, 1)
    number_all(database, ward)
    assert judge(database, ward).problems == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda leaf: sa.update(leaf).where(leaf.c.number == 3).values(content=FORGED), "altered"),
        (lambda leaf: sa.delete(leaf).where(leaf.c.number == 3), "missing"),
        (lambda leaf: sa.delete(leaf).where(leaf.c.number == 5), "leaves"),
        (lambda leaf: sa.update(leaf).where(leaf.c.number == 3).values(counter=77), "place"),
    ],
)  # fmt: skip
def test_whatever_is_altered_is_seen(
    database: Database, ward: Ward, change: Callable[[sa.Table], Any], says: str
) -> None:
    record(database, ward, 5)
    number_all(database, ward)
    with database.writing(ward.code) as unit:
        unit.session.connection().execute(change(table_of(LeafRow)))
    report = judge(database, ward)
    assert any(says in problem for problem in report.problems), report.problems


def test_a_log_that_was_written_anew_does_not_fit_its_checkpoints(database: Database, ward: Ward) -> None:
    record(database, ward, 5)
    number_all(database, ward)
    leaf = table_of(LeafRow)
    with database.writing(ward.code) as unit:
        row = unit.session.exec(select(LeafRow).where(LeafRow.number == 5)).one()
        content = row.content.replace(b'"n":4', b'"n":9')
        unit.session.connection().execute(
            sa.update(leaf).where(leaf.c.number == 5).values(content=content, hash=tree.leaf_hash(content))
        )
    assert any("another tree" in problem for problem in judge(database, ward).problems)
    record(database, ward, 1)
    with database.writing(ward.code) as unit:
        unit.session.connection().execute(sa.delete(table_of(CheckpointRow)))
        unit.session.connection().execute(sa.update(table_of(HeadRow)).values(size=6))
    number_all(database, ward, Ed25519PrivateKey.generate())
    assert any("no known key" in problem for problem in judge(database, ward).problems)


SEVEN_LEAVES = [sa.delete(LEAF).where(LEAF.c.number >= 7), sa.update(HEAD).values(size=7)]


def grown_twice(database: Database, ward: Ward) -> None:
    """Nine leaves, with checkpoints of six and of nine."""
    record(database, ward, 5)
    number_all(database, ward)
    record(database, ward, 3)
    number_all(database, ward)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([sa.delete(CHECKPOINT)], "no valid checkpoint is of the head"),
        ([sa.delete(CHECKPOINT).where(CHECKPOINT.c.size == 9)], "no valid checkpoint is of the head"),
        ([sa.delete(HEAD)], "no head"),
        ([*SEVEN_LEAVES, sa.delete(CHECKPOINT)], "no valid checkpoint is of the head"),
        (SEVEN_LEAVES, "the checkpoint of size 9 has no such tree"),
        (
            [
                sa.update(LEAF).where(LEAF.c.number == old).values(number=new)
                for old, new in ((3, 99), (4, 3), (99, 4))
            ],
            "of another tree",
        ),
        (
            [sa.update(LEAF).where(LEAF.c.number == 3).values(content=b"{", hash=tree.leaf_hash(b"{"))],
            "leaf 3 was altered",
        ),
        ([sa.update(LEAF).where(LEAF.c.number == 3).values(content=b"\xff")], "leaf 3 was altered"),
        ([sa.update(LEAF).where(LEAF.c.number == 3).values(content=b"[" * 9999)], "leaf 3 was altered"),
    ],
)  # fmt: skip
def test_a_log_without_its_signed_head_does_not_pass(
    database: Database, ward: Ward, changes: list[Any], says: str
) -> None:
    grown_twice(database, ward)
    rewrite(database, *changes)
    assert says in "; ".join(judge(database, ward).problems)


def test_a_log_set_back_to_an_older_state_contradicts_a_checkpoint_that_was_kept(
    database: Database, ward: Ward
) -> None:
    record(database, ward, 5)
    number_all(database, ward)
    old = kept_checkpoint(database, ward)
    record(database, ward, 3)
    number_all(database, ward)
    new = kept_checkpoint(database, ward)
    for kept in (Head(old.origin, 0, tree.EMPTY), old, new):
        assert judge(database, ward, kept).problems == []
    forged = Head(old.origin, old.size, new.root)
    assert "does not continue" in "; ".join(judge(database, ward, forged).problems)
    rewrite(
        database,
        sa.delete(LEAF).where(LEAF.c.number >= 6),
        sa.delete(CHECKPOINT).where(CHECKPOINT.c.size > 6),
        sa.delete(NODE).where((NODE.c.number + 1) * sa.case({1: 2, 2: 4}, value=NODE.c.level, else_=8) > 6),
        sa.update(HEAD).values(size=6),
    )
    assert judge(database, ward).problems == []  # nothing in the database tells
    assert "set back" in "; ".join(judge(database, ward, new).problems)
    record(database, ward, 3, NOW + timedelta(hours=1))
    number_all(database, ward)
    assert "does not continue" in "; ".join(judge(database, ward, new).problems)
    assert judge(database, ward, old).problems == []
    rewrite(database, sa.delete(NODE))
    assert "lacks a subtree" in "; ".join(judge(database, ward, old).problems)


def test_leaves_written_meanwhile_are_no_false_alarm(
    database: Database, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, ward, 5)
    number_all(database, ward)

    def slow(text: str, keys: Any) -> Head:
        monkeypatch.setattr(verifier, "read_checkpoint", read_checkpoint)
        record(database, ward, 3)
        number_all(database, ward)
        return read_checkpoint(text, keys)

    monkeypatch.setattr(verifier, "read_checkpoint", slow)
    report = judge(database, ward)
    assert (report.size, report.checkpoints, report.problems) == (6, 1, [])
    assert judge(database, ward).size > 6
