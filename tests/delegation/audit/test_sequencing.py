"""One sequencer numbers the leaves, however many would."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from sqlmodel import select

from assurance.database import Database
from assurance.sealed import Vault
from assurance.wards import Ward, WardCode
from delegation.audit.recorder import AuditRecorder
from delegation.audit.sequencer import Sequencer, sequence
from delegation.audit.tables import HeadRow
from tests.conftest import FixedClock
from tests.delegation.audit.log import KEY, NODE, judge, number_all, record, rewrite


def test_two_processes_begin_a_log_at_once(database: Database, ward: Ward, vault: Vault) -> None:
    other = Database(database.url, AuditRecorder(vault))
    both = [Sequencer(each, [(ward, KEY)], FixedClock()) for each in (database, other)]
    for sequencer in both:
        sequencer.start()
    record(database, ward, 20)
    record(other, ward, 20)
    for sequencer in both:
        assert sequencer._thread.is_alive()
        sequencer.stop()
    other.close()
    report = judge(database, ward)
    assert (report.waiting, report.problems) == (0, [])


def test_of_two_units_that_begin_a_log_at_once_both_end(database: Database, ward: Ward) -> None:
    if database.engine.dialect.name == "sqlite":  # its units wait for each other from the first statement on
        return
    record(database, ward, 3)
    meet = threading.Barrier(2)

    def begin() -> int:
        with database.writing(ward.code) as unit:
            unit.session.exec(select(HeadRow)).all()
            meet.wait(5)
            return sequence(unit, ward, KEY, FixedClock())

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(begin) for _ in range(2)]
    assert sorted(each.result() for each in done) == [0, 4]
    assert judge(database, ward).problems == []


def test_a_fault_ends_neither_the_sequencer_nor_the_other_wards_log(database: Database, ward: Ward) -> None:
    other = Ward(WardCode("131121"), "https://setagaya.id.example")
    record(database, ward, 5)
    number_all(database, ward)
    rewrite(database, sa.delete(NODE))
    sequencer = Sequencer(database, [(ward, KEY), (other, KEY)], FixedClock())
    sequencer.start()
    record(database, ward, 3)
    record(database, other, 3)
    until = time.monotonic() + 10
    while judge(database, other).size < 4 and time.monotonic() < until:
        time.sleep(0.1)
    assert (judge(database, other).size, sequencer._thread.is_alive()) == (4, True)
    sequencer.stop()


def test_a_sequencer_that_wakes_late_forks_nothing(database: Database, ward: Ward) -> None:
    record(database, ward, 3)
    clock = FixedClock()
    one, two = (Sequencer(database, [(ward, KEY)], clock) for _ in range(2))
    one.start()
    two.start()
    one.stop()
    two.stop()
    record(database, ward, 2)
    late = Sequencer(database, [(ward, KEY)], clock)
    late.start()
    late.stop()
    report = judge(database, ward)
    assert (report.waiting, report.problems) == (0, [])
