"""A mandate's file proves itself without the service."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from card.jose import KeySet
from card.test_authority import TestAuthority
from delegation import mandate_file
from delegation.audit.checkpoint import (
    log_key,
    origin_of,
)
from delegation.mandate_file import MandateRefused
from idp.cli.mandate import app as mandate_command
from idp.keys import KeyPurpose
from tests.delegation.audit.log import number_all
from tests.delegation.conftest import Town


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


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"format": "x"}, "another format"),
    ({"container": {}}, "malformed"),
    ({"record": "a.b.c"}, "record does not count"),
    ({"inclusion": []}, "does not hold its leaf"),
    ({"number": 0}, "does not hold its leaf"),
    ({"leaf": "e30="}, "does not hold its leaf"),
    ({"checkpoint": "x"}, "no checkpoint"),
    ({"leaf": 7}, "no mandate file"),
]


def test_a_mandate_file_without_its_proof_does_not_verify(
    town: Town, exported: dict[str, Any], authority: TestAuthority
) -> None:
    keys, trust = town.services.keys, authority.trust()
    archive = KeySet.from_jwks({"keys": keys.public(KeyPurpose.ARCHIVE)}, ["ES256"])
    log = log_key(origin_of(town.services.ward.issuer), keys.log)
    mandate_file.verify(exported, trust, archive, [log])
    for change, says in FORGED:
        with pytest.raises(MandateRefused, match=says):
            mandate_file.verify(exported | change, trust, archive, [log])


def test_rfc9162_8_1_a_file_with_the_proof_of_another_mandate_does_not_verify(
    town: Town, exported: dict[str, Any], authority: TestAuthority
) -> None:
    keys, trust = town.services.keys, authority.trust()
    archive = KeySet.from_jwks({"keys": keys.public(KeyPurpose.ARCHIVE)}, ["ES256"])
    log = log_key(origin_of(town.services.ward.issuer), keys.log)
    grant = town.active(procedure=["kaigo.plan.notify"])
    number_all(town.services.database, town.services.ward, keys.log)
    other = town.hanako.get(f"/grants/{grant}/mandate").json()
    mandate_file.verify(other, trust, archive, [log])
    whole = {"leaf", "number", "inclusion", "checkpoint"}
    for taken in ({"number"}, {"leaf"}, {"inclusion"}, {"checkpoint"}, whole - {"leaf"}, whole, {"record"}):
        swapped = exported | {name: other[name] for name in taken}
        with pytest.raises(MandateRefused):
            mandate_file.verify(swapped, trust, archive, [log])
    with pytest.raises(MandateRefused, match="record is of another mandate"):
        mandate_file.verify(
            exported | {name: other[name] for name in (*whole, "record")}, trust, archive, [log]
        )
    with pytest.raises(MandateRefused):
        mandate_file.verify(exported | {"container": other["container"]}, trust, archive, [log])


NONSENSE: list[object] = [
    None,
    True,
    -1,
    2**70,
    float("inf"),
    "x",
    "\u3042",
    "=",
    [],
    [7],
    ["\u3042"],
    {},
    {"x5c": 1},
]


@pytest.mark.parametrize(
    "member", ["container", "record", "leaf", "number", "inclusion", "checkpoint", "format"]
)
def test_whatever_a_mandate_file_holds_is_judged(
    town: Town, exported: dict[str, Any], authority: TestAuthority, member: str
) -> None:
    keys, trust = town.services.keys, authority.trust()
    archive = KeySet.from_jwks({"keys": keys.public(KeyPurpose.ARCHIVE)}, ["ES256"])
    log = log_key(origin_of(town.services.ward.issuer), keys.log)
    for nonsense in NONSENSE:
        with pytest.raises(MandateRefused):
            mandate_file.verify(exported | {member: nonsense}, trust, archive, [log])
    with pytest.raises(MandateRefused):
        mandate_file.verify(
            {name: exported[name] for name in exported if name != member}, trust, archive, [log]
        )
