"""`dairi bridges`: who is enrolled, by which key, and until when; each change is a leaf."""

import json
import re
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from assurance.database import Database
from assurance.wards import Ward
from card.bridge.enrolment import Enrolment
from card.bridge.key import check_number, make_key, read_key
from card.jose import SoftwareSigner, p256_members
from idp.bridges import bridges_of
from tests.idp.bridges.conftest import Dairi, key_file, leaves
from tests.idp.clients.conftest import refused

KEY = SoftwareSigner.generate()
PC = typer.Typer()
PC.command()(make_key)


def test_what_a_pc_prints_is_enrolled_and_both_show_one_number(
    dairi: Dairi, database: Database, ward: Ward, tmp_path: Path
) -> None:
    private, public = tmp_path / "pc" / "key.pem", tmp_path / "bridge.jwk"
    made = CliRunner().invoke(PC, [str(private)])
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    public.write_text(made.stdout, "utf-8")
    assert set(json.loads(made.stdout)) == {"kty", "crv", "x", "y"}
    (shown,) = re.findall(r"check number is (.{19})\.", made.stderr)
    enrolled = dairi("bridges", "enrol", "--name", "介護窓口 1", "--key", public)
    assert (enrolled.exit_code, f"check number is {shown}." in enrolled.output) == (0, True), enrolled.output
    kid = read_key(private).kid
    assert check_number(kid) == shown
    with database.reading(ward.code) as session:
        (row,) = bridges_of(session, ward.code)
    assert (row.id, row.name, json.loads(row.jwk)) == (kid, "介護窓口 1", json.loads(made.stdout))
    assert leaves(database, ward) == [("bridge:enrolment:enrolled", {"bridge": kid, "name": "介護窓口 1"})]


def test_a_bridge_is_revoked_and_stays_listed(
    dairi: Dairi, database: Database, ward: Ward, tmp_path: Path
) -> None:
    dairi("bridges", "enrol", "--name", "窓口 1", "--key", key_file(tmp_path, KEY))
    assert re.search(
        r"131130  .{19}  \d{4}-\d\d-\d\d \d\d:\d\d  live +窓口 1\n", dairi("bridges", "list").output
    )
    assert dairi("bridges", "revoke", "--name", "窓口 1").exit_code == 0
    assert re.search(r"revoked \d{4}-\d\d-\d\d \d\d:\d\d +窓口 1\n", dairi("bridges", "list").output)
    assert [event for event, _ in leaves(database, ward)] == [
        "bridge:enrolment:enrolled",
        "bridge:enrolment:revoked",
    ]
    assert "no bridge 窓口 1" in refused(dairi("bridges", "revoke", "--name", "窓口 1"))
    again = dairi("bridges", "enrol", "--name", "窓口 1", "--key", key_file(tmp_path, KEY))
    assert "revoked; make a new one on that PC" in refused(again)
    other = key_file(tmp_path, SoftwareSigner.generate())
    assert dairi("bridges", "enrol", "--name", "窓口 1", "--key", other).exit_code == 0


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"d": "AA"}, "窓口 2", "no public key"),
        ({"crv": "P-384"}, "窓口 2", "no public key"),
        ({"x": "AA"}, "窓口 2", "no public key"),
        ({"kty": "oct", "k": "AA"}, "窓口 2", "no public key"),
        ({}, "", "one line"),
        ({}, "窓\n口", "one line"),
        ({}, "x" * 61, "one line"),
        ({}, "窓口 1", "窓口 1 is enrolled already"),
    ],
)
def test_what_cannot_be_enrolled_is_one_sentence_and_changes_nothing(
    dairi: Dairi,
    database: Database,
    ward: Ward,
    tmp_path: Path,
    changes: dict[str, str],
    name: str,
    says: str,
) -> None:
    dairi("bridges", "enrol", "--name", "窓口 1", "--key", key_file(tmp_path, SoftwareSigner.generate()))
    told = refused(dairi("bridges", "enrol", "--name", name, "--key", key_file(tmp_path, KEY, **changes)))
    assert says in told
    assert len(leaves(database, ward)) == 1


def test_one_key_is_one_bridge(dairi: Dairi, tmp_path: Path) -> None:
    dairi("bridges", "enrol", "--name", "窓口 1", "--key", key_file(tmp_path, KEY))
    again = dairi("bridges", "enrol", "--name", "窓口 2", "--key", key_file(tmp_path, KEY))
    assert "this key is enrolled already" in refused(again)


@pytest.mark.parametrize("text", ["", "[]", "x" * 5000, None])
def test_a_file_without_a_key_is_told(dairi: Dairi, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text, "utf-8")
    assert str(path) in refused(dairi("bridges", "enrol", "--name", "窓口 1", "--key", path))


def test_the_file_for_bridges_pins_the_key_that_signs_now(dairi: Dairi, ward: Ward, tmp_path: Path) -> None:
    file = tmp_path / "usb" / "enrolment.json"
    for _ in range(2):
        assert dairi("bridges", "pin", file).exit_code == 0
    assert Enrolment.read(file).issuers == [ward.issuer]
    before = json.loads(file.read_text("utf-8"))["issuers"][0]
    assert before["response_uri"] == f"{ward.issuer}/card/answer"
    dairi("keys", "rotate", "request")
    assert dairi("bridges", "pin", file).exit_code == 0
    after = json.loads(file.read_text("utf-8"))["issuers"][0]
    assert before["request_key"] != after["request_key"]
    assert "cannot be written" in refused(dairi("bridges", "pin", tmp_path))


# The key on the PC.


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert CliRunner().invoke(PC, [str(path)]).exit_code == 0
    kept = path.read_bytes()
    told = CliRunner().invoke(PC, [str(path)])
    assert (told.exit_code, "never written over" in told.stderr, path.read_bytes()) == (1, True, kept)
    path.write_bytes(b"x")
    told = CliRunner().invoke(PC, [str(path / "below")])
    assert (told.exit_code, "cannot be written" in told.stderr) == (1, True)


def test_a_key_that_others_can_read_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    CliRunner().invoke(PC, [str(path)])
    path.chmod(0o640)
    with pytest.raises(typer.BadParameter, match="other users can read"):
        read_key(path)


@pytest.mark.parametrize("content", [b"", b"x", SoftwareSigner.generate("RS256").private_pem(), None])
def test_a_file_that_is_no_bridges_key_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(typer.BadParameter, match="holds no key of a bridge"):
        read_key(path)


def test_the_check_number_is_the_beginning_of_the_thumbprint() -> None:
    assert check_number(KEY.kid).replace(" ", "") == KEY.kid[:16]
    assert len(p256_members(KEY.public_jwk())) == 4
