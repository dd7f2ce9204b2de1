"""The audit log: RFC 9162's trees, C2SP checkpoints, leaves with what they record; altering it shows."""

import hashlib
import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select
from typer.testing import CliRunner

from assurance.database import Database, StorageUnavailable, table_of
from assurance.events import Event, EventName
from assurance.person import PersonId
from assurance.sealed import PersonKey, Vault
from assurance.wards import Ward, WardCode
from card.faults import Fault
from card.jose import KeySet
from card.test_authority import TestAuthority
from delegation import mandate_file
from delegation.audit import tree
from delegation.audit import verify as verifier
from delegation.audit.checkpoint import (
    CheckpointRefused,
    Head,
    LogKey,
    log_key,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
)
from delegation.audit.closing import close_abandoned, close_own
from delegation.audit.leaf import Leaf, Writer, next_leaf
from delegation.audit.leaves_about import leaves_about
from delegation.audit.proofs import latest_checkpoint
from delegation.audit.recorder import AuditRecorder, writers_of
from delegation.audit.sequencer import Sequencer, sequence
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, NodeRow, PartRow
from delegation.audit.verify import Report, verify_log
from delegation.mandate_file import MandateRefused
from idp.cli.mandate import app as mandate_command
from idp.keys import KeyPurpose
from tests.conftest import NOW, FixedClock
from tests.delegation.conftest import Town

KEY = Ed25519PrivateKey.generate()
FORGED = b'{"writer":"x","counter":3,"previous":""}'


def naive(hashes: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(hashes[:k]) + naive(hashes[k:])).digest()


class Grown:
    """A tree in memory, grown leaf by leaf as the sequencer does."""

    def __init__(self, size: int) -> None:
        self.hashes = [tree.leaf_hash(str(number).encode()) for number in range(size)]
        self.nodes: dict[tuple[int, int], bytes] = {}
        for number, hash_ in enumerate(self.hashes):
            self.nodes[0, number] = hash_
            for level, place, made in tree.completed(number, hash_, self):
                self.nodes[level, place] = made

    def __call__(self, level: int, number: int) -> bytes:
        return self.nodes[level, number]


def test_rfc9162_2_1_1_known_heads() -> None:
    inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    hashes = [tree.leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert naive(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert naive(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.integers(1, 70), st.data())
def test_rfc9162_2_1_3_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    grown, index = Grown(size), data.draw(st.integers(0, size - 1))
    head = tree.root(grown, size)
    growing = tree.Growing()
    for hash_ in grown.hashes:
        growing.add(hash_)
    assert head == growing.root() == naive(grown.hashes)
    proof = tree.inclusion(grown, index, size)
    assert tree.includes(grown.hashes[index], index, size, proof, head)
    assert not tree.includes(tree.leaf_hash(b"other"), index, size, proof, head)
    assert not tree.includes(grown.hashes[index], index, size, [*proof, head], head)
    other = data.draw(st.integers(0, size - 1))
    assert tree.includes(grown.hashes[index], other, size, proof, head) is (other == index)


@given(st.integers(1, 70), st.integers(1, 70))
def test_rfc9162_2_1_4_a_longer_tree_continues_a_shorter(first: int, second: int) -> None:
    old, size = sorted((first, second))
    grown = Grown(size)
    heads = [tree.root(grown, old), tree.root(grown, size)]
    proof = tree.consistency(grown, old, size)
    assert tree.continues(old, heads[0], size, heads[1], proof)
    if old < size:
        assert not tree.continues(old, tree.leaf_hash(b"x"), size, heads[1], proof)
        assert not tree.continues(old, heads[0], size, tree.leaf_hash(b"x"), proof)


def test_c2sp_tlog_checkpoint_is_three_lines_and_a_signature() -> None:
    head = Head("ward.example/audit", 7, b"r" * 32)
    text = sign_checkpoint(head, KEY)
    assert text.startswith("ward.example/audit\n7\n" + "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n\n— ")
    known = LogKey.parse(log_key(head.origin, KEY).text)
    assert read_checkpoint(text, [known]) == head
    stranger = log_key(head.origin, Ed25519PrivateKey.generate())
    for wrong, keys in [
        (text, [stranger]),
        (text.replace("\n7\n", "\n8\n"), [known]),
        (text.partition("—")[0], [known]),
        ("nonsense", [known]),
        (text, [log_key("other.example/audit", KEY)]),
    ]:
        with pytest.raises(CheckpointRefused):
            read_checkpoint(wrong, keys)


def record(database: Database, ward: Ward, count: int, at: datetime = NOW) -> None:
    for number in range(count):
        with database.writing(ward.code) as unit:
            unit.record(Event(EventName.LOGIN_ENDED, ward.code, at, {}, {"n": number}))


def number_all(database: Database, ward: Ward, key: Ed25519PrivateKey = KEY) -> int:
    with database.writing(ward.code) as unit:
        return sequence(unit, ward, key, FixedClock())


def judge(database: Database, ward: Ward, kept: Head | None = None) -> Report:
    return verify_log(database, ward, [log_key(origin_of(ward.issuer), KEY)], kept)


def kept_checkpoint(database: Database, ward: Ward) -> Head:
    with database.reading(ward.code) as session:
        found = latest_checkpoint(session, ward.code)
    assert found is not None
    return read_checkpoint(found.text, [log_key(origin_of(ward.issuer), KEY)])


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


def rewrite(database: Database, *statements: Any) -> None:
    """Do what somebody with the database's password can do."""
    with database.writing_engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


LEAF, NODE = table_of(LeafRow), table_of(NodeRow)
HEAD, CHECKPOINT = table_of(HeadRow), table_of(CheckpointRow)
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


def close(database: Database, ward: Ward, at: datetime = NOW, *, stopping: bool = False) -> None:
    close_own(database, ward.code, writers_of(database), at, stopping=stopping)


def leaves(database: Database, event: EventName) -> list[Leaf]:
    with database.reading() as session:
        contents = session.exec(select(LeafRow.content)).all()
    return [leaf for leaf in map(Leaf.parse, contents) if leaf.event == event]


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
        time.sleep(0.3)
        assert not closed.done()
        done.set()
        written.result()
        closed.result()
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.size, report.writers, report.problems) == (5, 1, [])


def test_a_leaf_holds_nothing_clear_about_people(town: Town) -> None:
    grant = town.active()
    with town.services.database.reading() as session:
        leaves = session.exec(select(LeafRow)).all()
        parts = session.exec(select(PartRow)).all()
    hanako = town.hanako.person
    for leaf in leaves:
        for secret in (hanako, town.yuki.person, grant, "花子", "example.jp"):
            assert secret.encode() not in leaf.content
    mac = town.services.vault.mac(town.services.ward.code, "audit-person", hanako)
    mine = [part for part in parts if part.person == mac]
    assert len(mine) > 5
    assert {json.loads(leaf.content)["event"] for leaf in leaves} >= {
        "grant:grant:proposed", "grant:grant:accepted", "grant:digits:compared", "grant:mandate:signed",
        "grant:grant:activated", "people:person:proven", "login:person:succeeded",
    }  # fmt: skip


def new_people(database: Database, ward: Ward, vault: Vault, *names: str) -> list[PersonId]:
    people = [PersonId(name) for name in names]
    with database.writing(ward.code) as unit:
        for person in people:
            vault.new_cipher(unit.session, ward.code, person)
    return people


def tell(database: Database, ward: Ward, about: dict[PersonId, str], at: datetime = NOW) -> None:
    concerning = {person: {"what": what} for person, what in about.items()}
    with database.writing(ward.code) as unit:
        unit.record(Event(EventName.GRANT_ENDED, ward.code, at, concerning, {"n": 1}))


def test_erasing_a_person_leaves_the_tree_and_nothing_readable(
    database: Database, ward: Ward, vault: Vault
) -> None:
    gone, other = new_people(database, ward, vault, "gone", "other")
    tell(database, ward, {gone: "a", other: "b"})
    number_all(database, ward)
    rewrite(database, sa.delete(table_of(PersonKey)).where(col(PersonKey.person) == gone))
    tell(database, ward, {gone: "c", other: "d"})
    number_all(database, ward)
    report = judge(database, ward)
    assert (report.size, report.problems) == (3, [])
    with database.reading(ward.code) as session:
        contents = [Leaf.parse(leaf) for leaf in session.exec(select(LeafRow.content)).all()]
        assert sorted(len(leaf.parts) for leaf in contents) == [0, 1, 2]
        assert leaves_about(session, vault, ward.code, gone) == []
        told = [leaf.told for leaf in leaves_about(session, vault, ward.code, other)]
    assert told == [{"what": "d"}, {"what": "b"}]


def test_a_person_reads_their_own_leaves_newest_first(database: Database, ward: Ward, vault: Vault) -> None:
    hanako, yuki = new_people(database, ward, vault, "hanako", "yuki")
    for number in range(5):
        tell(database, ward, {yuki: f"yuki {number}", hanako: f"hanako {number}"})
        number_all(database, ward)
    tell(database, ward, {yuki: "of yuki alone"})
    tell(database, ward, {hanako: "not numbered"})
    with database.reading(ward.code) as session:
        newest = leaves_about(session, vault, ward.code, hanako, at_most=3)
        older = leaves_about(session, vault, ward.code, hanako, before=newest[-1].number)
        nobody = leaves_about(session, vault, ward.code, PersonId("nobody"))
        elsewhere = leaves_about(session, vault, WardCode("131121"), hanako)
    assert [leaf.told["what"] for leaf in newest] == ["not numbered", "hanako 4", "hanako 3"]
    assert [leaf.told["what"] for leaf in older] == ["hanako 2", "hanako 1", "hanako 0"]
    assert nobody == elsewhere == []
    first = older[-1]
    assert (first.number, first.event, first.at, first.clear) == (1, EventName.GRANT_ENDED, NOW, {"n": 1})


def test_a_damaged_leaf_hides_no_other_and_shows_nobody_elses(
    database: Database, ward: Ward, vault: Vault
) -> None:
    hanako, yuki = new_people(database, ward, vault, "hanako", "yuki")
    for number in range(4):
        tell(database, ward, {hanako: f"hanako {number}", yuki: f"yuki {number}"})
    number_all(database, ward)
    part, mac = table_of(PartRow), vault.mac(ward.code, "audit-person", hanako)
    rewrite(
        database,
        sa.update(LEAF).where(LEAF.c.number == 1).values(content=b"{"),
        sa.update(part).where(part.c.counter == 2, part.c.position == 1).values(person=mac),
        sa.update(part).where(part.c.counter == 3, part.c.position == 0).values(position=7),
    )
    with database.reading(ward.code) as session:
        told = [leaf.told["what"] for leaf in leaves_about(session, vault, ward.code, hanako)]
    assert told == ["hanako 3", "hanako 1"]


def test_a_sealed_part_that_its_person_no_longer_finds_is_seen(
    database: Database, ward: Ward, vault: Vault
) -> None:
    hanako, yuki = new_people(database, ward, vault, "hanako", "yuki")
    tell(database, ward, {hanako: "a", yuki: "b"})
    number_all(database, ward)
    rewrite(database, sa.delete(table_of(PartRow)).where(col(PartRow.position) == 1))
    assert judge(database, ward).problems == ["leaf 1 holds 2 sealed parts, and 1 are found"]


@pytest.fixture
def exported(town: Town) -> dict[str, Any]:
    grant = town.active()
    assert town.hanako.get(f"/grants/{grant}/mandate").status_code == 503
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    assert town.yuki.get(f"/grants/{grant}/mandate").status_code == 400
    document: dict[str, Any] = town.hanako.get(f"/grants/{grant}/mandate").json()
    return document


def test_a_mandate_verifies_from_its_file_alone(
    town: Town, exported: dict[str, Any], authority: TestAuthority, tmp_path: Path
) -> None:
    archive = {"keys": town.services.keys.public(KeyPurpose.ARCHIVE)}
    key = log_key(origin_of(town.services.ward.issuer), town.services.keys.log)
    for root in authority.trust_folder.glob("*.der"):
        (tmp_path / root.name).write_bytes(root.read_bytes())
    (tmp_path / "archive.json").write_text(json.dumps(archive), "utf-8")
    (tmp_path / "log.keys").write_text(key.text, "utf-8")
    file = tmp_path / "mandate.json"
    file.write_text(json.dumps(exported), "utf-8")
    run = CliRunner().invoke(mandate_command, ["verify", str(file), "--trust", str(tmp_path), "--test-cards"])
    assert (run.exit_code, "by 田中\u3000花子" in run.output) == (0, True), run.output
    real = CliRunner().invoke(mandate_command, ["verify", str(file), "--trust", str(tmp_path)])
    assert (real.exit_code, "card.policy" in real.output) == (1, True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "x"}, "another format"),
        ({"container": {}}, "malformed"),
        ({"record": "a.b.c"}, "record does not count"),
        ({"inclusion": []}, "does not hold its leaf"),
        ({"number": 0}, "does not hold its leaf"),
        ({"leaf": "e30="}, "does not hold its leaf"),
        ({"checkpoint": "x"}, "no checkpoint"),
        ({"leaf": 7}, "no mandate file"),
    ],
)
def test_a_mandate_file_without_its_proof_does_not_verify(
    town: Town, exported: dict[str, Any], authority: TestAuthority, change: dict[str, Any], says: str
) -> None:
    keys = town.services.keys
    archive = KeySet.from_jwks({"keys": keys.public(KeyPurpose.ARCHIVE)}, ["ES256"])
    log = log_key(origin_of(town.services.ward.issuer), keys.log)
    mandate_file.verify(exported, authority.trust(), archive, [log])
    with pytest.raises(MandateRefused, match=says):
        mandate_file.verify(exported | change, authority.trust(), archive, [log])


def test_the_log_serves_its_checkpoint_and_proofs(town: Town) -> None:
    town.active()
    assert town.yuki.get("/audit/checkpoint").status_code == 404
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    origin = origin_of(town.services.ward.issuer)
    head = read_checkpoint(town.yuki.get("/audit/checkpoint").text, [log_key(origin, town.services.keys.log)])
    with town.services.database.reading() as session:
        leaf = session.exec(select(LeafRow).where(LeafRow.number == 2)).one()
    answer = town.yuki.get(f"/audit/inclusion?leaf=2&size={head.size}").json()
    proof = [b64decode(hash_) for hash_ in answer["proof"]]
    assert tree.includes(leaf.hash, 2, head.size, proof, head.root)
    town.hanako.log_in()
    number_all(town.services.database, town.services.ward, town.services.keys.log)
    newer = read_checkpoint(
        town.yuki.get("/audit/checkpoint").text, [log_key(origin, town.services.keys.log)]
    )
    assert newer.size > head.size
    answer = town.yuki.get(f"/audit/consistency?old={head.size}&size={newer.size}").json()
    proof = [b64decode(hash_) for hash_ in answer["proof"]]
    assert tree.continues(head.size, head.root, newer.size, newer.root, proof)
    assert not tree.continues(head.size, newer.root, newer.size, newer.root, proof)
    for query in (
        "leaf=2",
        f"leaf=2&size={newer.size + 1}",
        f"leaf={head.size}&size={head.size}",
        "leaf=-1&size=2",
    ):
        assert town.yuki.get(f"/audit/inclusion?{query}").status_code == 404
