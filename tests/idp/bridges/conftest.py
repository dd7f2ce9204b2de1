"""A deployment whose bridges `dairi bridges` enrols, and the request keys that `dairi keys` rotates."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer import Typer
from typer.testing import CliRunner, Result

from assurance.database import Database
from assurance.wards import Ward
from card.jose import SoftwareSigner
from delegation.audit.leaf import Leaf
from delegation.audit.tables import LeafRow
from idp.cli import bridges, keys
from tests.idp.clients.conftest import database, vault

__all__ = ["database", "vault"]

Dairi = Callable[..., Result]


@pytest.fixture
def dairi(database: Database, ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dairi:
    """The commands, which read their deployment from the environment."""
    monkeypatch.setenv("DAIRI_DATABASE_URL", database.url)
    monkeypatch.setenv("DAIRI_MASTER_KEY_FILE", str(tmp_path / "master.json"))
    monkeypatch.setenv("DAIRI_WARDS", json.dumps({ward.code: ward.issuer}))
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(tmp_path))
    commands: dict[str, Typer] = {"bridges": bridges.app, "keys": keys.app}

    def run(command: str, *arguments: object) -> Result:
        return CliRunner().invoke(commands[command], [str(argument) for argument in arguments])

    return run


def key_file(folder: Path, signer: SoftwareSigner, **changes: Any) -> Path:
    """The public key of a PC, as it was carried to the server."""
    path = folder / "bridge.jwk"
    path.write_text(json.dumps(signer.public_jwk() | changes), "utf-8")
    return path


def leaves(database: Database, ward: Ward) -> list[tuple[str, dict[str, Any]]]:
    """What the audit log says of bridges."""
    with database.reading(ward.code) as session:
        read = [Leaf.parse(row.content) for row in session.exec(select(LeafRow)).all()]
    return [(leaf.event, dict(leaf.clear)) for leaf in read if leaf.event.startswith("bridge:")]
