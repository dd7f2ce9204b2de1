"""A writer's end is a leaf, so that a cut tail is missed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from assurance.database import Database, StorageUnavailable
from assurance.events import Event, EventName
from assurance.sealed import Vault
from assurance.wards import Ward, WardCode
from delegation.audit import tree
from delegation.audit.closing import close_abandoned
from delegation.audit.leaf import Writer, next_leaf
from delegation.audit.recorder import AuditRecorder, writers_of
from delegation.audit.sequencer import Sequencer
from delegation.audit.tables import LeafRow
from tests.conftest import NOW, FixedClock
from tests.delegation.audit.log import KEY, LEAF, close, judge, leaves, number_all, record, rewrite

MINUTE = timedelta(minutes=1)


def test_a_silent_writer_is_closed_with_its_last_counter_and_never_writes_again(
    database: Database, ward: Ward
) -> None:
    record(database, ward, 3)
    close(database, ward, NOW + 20 * MINUTE)
    assert leaves(database, EventName.WRITER_CLOSED) == []
    close(database, ward, NOW + 21 * MINUTE)
    close(database, ward, NOW + 22 * MINUTE)
    (closed,) = leaves(database, EventName.WRITER_CLOSED)
    assert (closed.counter, closed.clear) == (4, {"last": 3, "by": "process"})
    record(database, ward, 1, NOW + 22 * MINUTE)
    assert len(leaves(database, EventName.WRITER_OPENED)) == 2
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.writers, report.abandoned, report.problems) == (1, 0, [])


def test_a_connection_takes_a_new_writer_after_a_silence(database: Database, ward: Ward) -> None:
    for after in (0, 9, 18, 29):
        record(database, ward, 1, NOW + after * MINUTE)
    assert len(leaves(database, EventName.WRITER_OPENED)) == 2
    number_all(database, ward)
    assert judge(database, ward).problems == []


def test_a_process_that_stops_closes_its_writers(database: Database, ward: Ward) -> None:
    sequencer = Sequencer(database, [(ward, KEY)], FixedClock())
    sequencer.start()
    record(database, ward, 3)
    sequencer.stop()
    report = judge(database, ward)
    assert (report.size, report.writers, report.waiting, report.problems) == (5, 0, 0, [])
    record(database, ward, 1)
    number_all(database, ward)
    assert judge(database, ward).problems == []


def test_the_writers_of_a_killed_process_are_closed_by_another(
    database: Database, ward: Ward, vault: Vault
) -> None:
    killed = Database(database.url, AuditRecorder(vault))
    record(killed, ward, 3)
    killed.close()
    record(database, ward, 2, NOW + 25 * MINUTE)
    for after in (30, 31, 32):
        close_abandoned(database, ward.code, NOW + after * MINUTE)
    (closed,) = leaves(database, EventName.WRITER_CLOSED)
    assert (closed.counter, closed.clear) == (4, {"last": 3, "by": "sequencer"})
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.writers, report.abandoned, report.problems) == (1, 1, [])


def test_a_writer_that_another_process_closed_fails_once_and_writes_nothing(
    database: Database, ward: Ward
) -> None:
    record(database, ward, 3)
    close_abandoned(database, ward.code, NOW + 31 * MINUTE)  # its clock is half an hour ahead
    with pytest.raises(StorageUnavailable):
        record(database, ward, 1)
    record(database, ward, 1)
    close(database, ward, stopping=True)
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.size, report.writers, report.abandoned, report.problems) == (8, 0, 1, [])


LAST = LEAF.c.counter == 3


def forged_closing(database: Database, _ward: Ward) -> None:
    """Put a closing leaf where a tail was cut, so that the process has no place for its own."""
    with database.reading() as session:
        row = session.exec(select(LeafRow).where(LeafRow.counter == 2)).one()
    cut = Writer(row.writer, WardCode(row.ward), 2, row.hash, NOW)
    third, after = next_leaf(Event(EventName.LOGIN_ENDED, cut.ward, NOW, {}, {"n": 9}), cut)
    fourth, _ = next_leaf(Event(EventName.WRITER_CLOSED, cut.ward, NOW), after)
    rewrite(database, sa.delete(LEAF).where(LAST), sa.insert(LEAF).values([third, fourth]))


def rewritten_tail(database: Database, _ward: Ward) -> None:
    with database.reading() as session:
        row = session.exec(select(LeafRow).where(LeafRow.counter == 3)).one()
    content = row.content.replace(b'"n":2', b'"n":9')
    rewrite(database, sa.update(LEAF).where(LAST).values(content=content, hash=tree.leaf_hash(content)))


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        (lambda database, _: rewrite(database, sa.delete(LEAF).where(LAST)), "whose last leaves are missing"),
        (rewritten_tail, "closes a writer whose last leaves are missing"),
        (forged_closing, "is of no open writer"),
    ],
)  # fmt: skip
def test_a_tail_cut_before_it_was_numbered_is_missed_at_the_closing(
    database: Database, ward: Ward, attack: Callable[[Database, Ward], None], says: str
) -> None:
    record(database, ward, 3)
    attack(database, ward)
    number_all(database, ward)
    assert judge(database, ward).problems == []
    close(database, ward, stopping=True)
    assert says in "; ".join(judge(database, ward).problems)  # while it waits
    number_all(database, ward)
    assert says in "; ".join(judge(database, ward).problems)


def test_a_leaf_beyond_its_writers_closing_is_seen(database: Database, ward: Ward) -> None:
    record(database, ward, 3)
    close(database, ward, stopping=True)
    with database.reading() as session:
        last = session.exec(select(LeafRow).order_by(col(LeafRow.counter).desc())).all()[0]
    row, _ = next_leaf(
        Event(EventName.LOGIN_ENDED, ward.code, NOW),
        Writer(last.writer, ward.code, last.counter, last.hash, NOW),
    )
    rewrite(database, sa.insert(LEAF).values(row))
    number_all(database, ward)
    (problem,) = judge(database, ward).problems
    assert problem.startswith("leaf 5 is of no open writer")


@pytest.mark.parametrize("stands", [True, False])
def test_a_doubtful_commit_ends_the_writer_whether_it_stands_or_not(
    database: Database, ward: Ward, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    real = Session.commit

    def lost(session: Session) -> None:
        if stands:
            real(session)
        raise sa.exc.OperationalError("COMMIT", None, Exception("the connection is gone"))

    record(database, ward, 2)
    with monkeypatch.context() as patched, pytest.raises(StorageUnavailable):
        patched.setattr(Session, "commit", lost)
        record(database, ward, 1)
    record(database, ward, 2)
    assert len(leaves(database, EventName.WRITER_OPENED)) == 2
    close(database, ward, NOW + 21 * MINUTE)
    close_abandoned(database, ward.code, NOW + 31 * MINUTE)
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.writers, report.abandoned, report.problems) == (0, int(stands), [])


def test_closing_waits_for_a_unit_that_is_in_flight(database: Database, ward: Ward) -> None:
    record(database, ward, 3)
    writers = writers_of(database)
    taken = writers.take(ward.code, None)
    writers.give_back(taken)
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        with database.writing(ward.code) as unit:
            event = Event(EventName.LOGIN_ENDED, ward.code, NOW)
            row, _ = next_leaf(event, taken[0])
            unit.session.connection().execute(sa.insert(LEAF).values(row))
            begun.set()
            done.wait(5)

    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(write)
        assert begun.wait(5)
        closed = pool.submit(close, database, ward, NOW, stopping=True)
        assert wait([closed], timeout=0.3).done == set()
        done.set()
        written.result()
        closed.result()
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.size, report.writers, report.problems) == (5, 1, [])
