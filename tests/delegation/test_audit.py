"""The audit log: RFC 9162's trees, C2SP checkpoints, leaves with what they record; altering it shows."""

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select
from typer.testing import CliRunner

from assurance.database import Database, table_of
from assurance.events import Event, EventName
from assurance.person import PersonId
from assurance.wards import Ward
from card.faults import Fault
from card.jose import KeySet
from card.test_authority import TestAuthority
from delegation import mandate_file
from delegation.audit import tree
from delegation.audit.checkpoint import (
    CheckpointRefused,
    Head,
    LogKey,
    log_key,
    origin_of,
    read_checkpoint,
    sign_checkpoint,
)
from delegation.audit.recorder import AuditRecorder
from delegation.audit.sequencer import Sequencer, sequence
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, PartRow
from delegation.audit.verify import verify_log
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
    assert head == naive(grown.hashes)
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


def record(database: Database, ward: Ward, count: int) -> None:
    for number in range(count):
        with database.writing(ward.code) as unit:
            unit.record(Event(EventName.LOGIN_ENDED, ward.code, NOW, {}, {"n": number}))


def number_all(database: Database, ward: Ward, key: Ed25519PrivateKey = KEY) -> int:
    with database.writing(ward.code) as unit:
        return sequence(unit, ward, key, FixedClock())


def judge(database: Database, ward: Ward) -> Any:
    with database.reading() as session:
        return verify_log(session, ward, [log_key(origin_of(ward.issuer), KEY)])


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


def test_erasing_a_person_leaves_the_tree(database: Database, ward: Ward) -> None:
    recorder = database.recorder
    assert isinstance(recorder, AuditRecorder)
    with database.writing(ward.code) as unit:
        unit.record(Event(EventName.LOGIN_ENDED, ward.code, NOW, {PersonId("gone"): {"a": "b"}}))
    number_all(database, ward)
    assert judge(database, ward).problems == []


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
    assert town.yuki.get(f"/audit/consistency?old=3&size={head.size}").status_code == 200
    for query in (
        "leaf=2",
        f"leaf=2&size={head.size + 1}",
        f"leaf={head.size}&size={head.size}",
        "leaf=-1&size=2",
    ):
        assert town.yuki.get(f"/audit/inclusion?{query}").status_code == 404
