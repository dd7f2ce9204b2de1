"""A deployment that serves in this process while `dairi client` works beside it, over a door of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from assurance.database import Database
from assurance.sealed import MasterKeys, Vault
from assurance.wards import Ward
from card.jose import SoftwareSigner
from delegation.audit.leaf import Leaf
from delegation.audit.recorder import AuditRecorder
from delegation.audit.tables import LeafRow
from idp import schema
from idp.cli.client import app as command

Dairi = Callable[..., Result]
REQUIRED = {
    "--name-ja": "国保ポータル",
    "--name-en": "Health insurance portal",
    "--audience": "https://kokuho.example",
    "--sector": "kokuho",
    "--scope": "openid",
    "--redirect-uri": "https://kokuho.example/callback",
}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    keys = MasterKeys.generate()
    keys.save(tmp_path / "master.json")
    return Vault(keys)


@pytest.fixture
def database(empty_database_url: str, vault: Vault) -> Iterator[Database]:
    made = Database(empty_database_url, AuditRecorder(vault))
    schema.migrate(made)
    yield made
    made.close()


@pytest.fixture
def dairi(database: Database, ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dairi:
    """The command, which reads its deployment from the environment."""
    monkeypatch.setenv("DAIRI_DATABASE_URL", database.url)
    monkeypatch.setenv("DAIRI_MASTER_KEY_FILE", str(tmp_path / "master.json"))
    monkeypatch.setenv("DAIRI_WARDS", json.dumps({ward.code: ward.issuer}))
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(tmp_path))

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def add(dairi: Dairi) -> Dairi:
    """Register a health insurance portal, with changes."""

    def run(*more: object, id_: str = "kokuho", **changes: str | None) -> Result:
        named = REQUIRED | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        options = [part for name, value in named.items() if value is not None for part in (name, value)]
        return dairi("add", id_, *options, *more)

    return run


def secret_in(run: Result) -> str:
    """What was shown, once."""
    assert run.exit_code == 0, run.output
    (line,) = (line for line in run.output.splitlines() if line.startswith("client_secret"))
    return line.split()[1]


def refused(run: Result) -> str:
    """Why a command changed nothing, in one line."""
    assert (run.exit_code, type(run.exception)) == (1, SystemExit), run.output
    assert run.output.count("\n") == 1, run.output
    return run.output


def keys_file(folder: Path, *signers: SoftwareSigner, **changes: Any) -> Path:
    """A JWK Set as a client's developer writes it."""
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": [signer.public_jwk() | changes for signer in signers]}), "utf-8")
    return path


def leaves(database: Database, ward: Ward) -> list[tuple[str, dict[str, Any]]]:
    """What the audit log says of ward systems."""
    with database.reading(ward.code) as session:
        read = [Leaf.parse(row.content) for row in session.exec(select(LeafRow)).all()]
    return [(leaf.event, dict(leaf.clear)) for leaf in read if leaf.event.startswith("client:")]
