"""`dairi audit verify`, beside a stopped and a running server: what it says, its exit code; it only reads."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import select
from typer.testing import CliRunner, Result

from assurance.database import Database, table_of
from assurance.sealed import MasterKeys, Vault
from assurance.wards import Ward
from delegation.audit.checkpoint import log_key, origin_of
from delegation.audit.proofs import latest_checkpoint
from delegation.audit.recorder import AuditRecorder
from delegation.audit.sequencer import Sequencer
from delegation.audit.tables import CheckpointRow, HeadRow, LeafRow, NodeRow
from idp import schema
from idp.cli.audit import app
from idp.keys import KeyRing, load_keys
from idp.tables import SigningKeyRow
from tests.conftest import NOW, FixedClock
from tests.delegation.audit.log import record, rewrite


@pytest.fixture
def master(tmp_path: Path) -> Vault:
    keys = MasterKeys.generate()
    keys.save(tmp_path / "master.json")
    return Vault(keys)


@pytest.fixture
def deployed(
    empty_database_url: str, master: Vault, ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A migrated database, and the environment that names it."""
    made = Database(empty_database_url, AuditRecorder(master))
    schema.migrate(made)
    monkeypatch.setenv("DAIRI_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("DAIRI_MASTER_KEY_FILE", str(tmp_path / "master.json"))
    monkeypatch.setenv("DAIRI_WARDS", f'{{"{ward.code}": "{ward.issuer}"}}')
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def ring(deployed: Database, master: Vault, ward: Ward) -> KeyRing:
    return load_keys(deployed, master, ward.code, NOW)


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def serve_once(database: Database, ward: Ward, ring: KeyRing, count: int) -> None:
    """Be a server that records something and is stopped."""
    sequencer = Sequencer(database, [(ward, ring.log)], FixedClock())
    sequencer.start()
    record(database, ward, count)
    sequencer.stop()


def test_a_log_beside_a_stopped_server_passes(deployed: Database, ward: Ward, ring: KeyRing) -> None:
    serve_once(deployed, ward, ring, 3)
    run = verify()
    assert run.exit_code == 0, run.output
    assert "131130: 5 leaves," in run.output
    assert " 0 waiting to be numbered, 0 writers open" in run.output


def test_a_log_beside_a_running_server_passes(deployed: Database, ward: Ward, ring: KeyRing) -> None:
    sequencer = Sequencer(deployed, [(ward, ring.log)], FixedClock())
    sequencer.start()
    for _ in range(5):
        record(deployed, ward, 5)
        run = verify()
        assert run.exit_code == 0, run.output
    sequencer.stop()


def test_an_altered_log_does_not_pass(deployed: Database, ward: Ward, ring: KeyRing) -> None:
    serve_once(deployed, ward, ring, 3)
    leaf = table_of(LeafRow)
    rewrite(deployed, sa.update(leaf).where(leaf.c.number == 2).values(content=b"no JSON"))
    run = verify()
    assert (run.exit_code, "131130: leaf 2 was altered" in run.output) == (1, True), run.output


def test_it_only_reads(deployed: Database, ward: Ward) -> None:
    record(deployed, ward, 3)
    run = verify()
    assert (run.exit_code, "0 leaves, 0 checkpoints, 4 waiting" in run.output) == (0, True), run.output
    with deployed.reading(ward.code) as session:
        assert session.exec(select(SigningKeyRow)).all() == []
        assert len(session.exec(select(LeafRow)).all()) == 4


def test_pinned_keys_are_believed_and_no_others(
    deployed: Database, ward: Ward, ring: KeyRing, tmp_path: Path
) -> None:
    serve_once(deployed, ward, ring, 3)
    pinned, origin = tmp_path / "log.keys", origin_of(ward.issuer)
    pinned.write_text(log_key(origin, ring.log).text + "\n", "utf-8")
    assert verify("--keys", pinned).exit_code == 0
    pinned.write_text(log_key(origin, Ed25519PrivateKey.generate()).text + "\n", "utf-8")
    run = verify("--keys", pinned)
    assert (run.exit_code, "no known key signed it" in run.output) == (1, True), run.output
    pinned.write_bytes(b"\xff")
    assert (verify("--keys", pinned).exit_code, verify("--keys", tmp_path / "none").exit_code) == (1, 1)


def test_a_kept_checkpoint_is_demanded(deployed: Database, ward: Ward, ring: KeyRing, tmp_path: Path) -> None:
    serve_once(deployed, ward, ring, 3)
    with deployed.reading(ward.code) as session:
        kept = latest_checkpoint(session, ward.code)
    assert kept is not None
    file = tmp_path / "checkpoint"
    file.write_text(kept.text, "utf-8")
    serve_once(deployed, ward, ring, 3)
    assert verify("--checkpoint", file).exit_code == 0
    emptied = (LeafRow, HeadRow, CheckpointRow, NodeRow)
    rewrite(deployed, *(sa.delete(table_of(model)) for model in emptied))
    assert verify().exit_code == 0
    run = verify("--checkpoint", file)
    assert (run.exit_code, "the log was set back" in run.output) == (1, True), run.output
    file.write_text("nonsense", "utf-8")
    assert "holds no checkpoint" in verify("--checkpoint", file).output


@pytest.mark.parametrize("settings", [{"DAIRI_MASTER_KEY_FILE": "/nowhere"}, {"DAIRI_WARDS": "{}x"}, {}])
def test_what_cannot_be_judged_is_said_in_a_sentence(
    deployed: Database, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if not settings:
        rewrite(deployed, sa.text("DROP TABLE alembic_version"))
    run = verify()
    assert (run.exit_code, type(run.exception)) == (1, SystemExit), run.output


def test_a_process_that_was_killed_is_told_and_is_no_alteration(
    deployed: Database, master: Vault, ward: Ward, ring: KeyRing
) -> None:
    killed = Database(deployed.url, AuditRecorder(master))
    record(killed, ward, 2, NOW - timedelta(hours=1))
    killed.close()
    sequencer = Sequencer(deployed, [(ward, ring.log)], FixedClock())
    sequencer.start()
    until = time.monotonic() + 10
    while "1 writers were closed for a process that ended without a word" not in (run := verify()).output:
        assert time.monotonic() < until, run.output
    sequencer.stop()
    assert run.exit_code == 0
