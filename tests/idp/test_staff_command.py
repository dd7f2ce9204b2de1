"""`dairi staff`: the first three by their own cards, once; and the list."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import CliRunner, Result

from assurance.database import Database
from assurance.sealed import MasterKeys, Vault
from assurance.tables import Person, RoleRow
from assurance.wards import Ward
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.store import load_deck, save_card
from delegation.audit.recorder import AuditRecorder
from idp import schema
from idp.cli.staff import app

PASSWORD = "ABC123"


@pytest.fixture(scope="module")
def authority_now(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    """Of today: a command has no clock to set."""
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), datetime.now(UTC))


@pytest.fixture
def deck(authority_now: TestAuthority, tmp_path: Path) -> Path:
    folder, now = tmp_path / "deck", datetime.now(UTC)
    for number, name in enumerate(("職員\u3000一郎", "職員\u3000二郎", "職員\u3000三郎"), 1):
        holder = Holder(name, date(1980, 4, number), "1", "東京都渋谷区神南１番１号")
        save_card(
            authority_now.issue_card(holder, now, pin="1234", password=PASSWORD), folder / f"{number}.json"
        )
    return folder


@pytest.fixture
def deployed(
    empty_database_url: str,
    ward: Ward,
    tmp_path: Path,
    authority_now: TestAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    """A migrated sandbox, and the environment that names it."""
    master = MasterKeys.generate()
    master.save(tmp_path / "master.json")
    made = Database(empty_database_url, AuditRecorder(Vault(master)))
    schema.migrate(made)
    monkeypatch.setenv("DAIRI_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("DAIRI_MASTER_KEY_FILE", str(tmp_path / "master.json"))
    monkeypatch.setenv("DAIRI_WARDS", f'{{"{ward.code}": "{ward.issuer}"}}')
    monkeypatch.setenv("DAIRI_TRUST_FOLDER", str(authority_now.trust_folder))
    monkeypatch.setenv("DAIRI_CRL_FOLDER", str(authority_now.crl_folder))
    yield made
    made.close()


def run(*arguments: object, typed: str = f"1234\n{PASSWORD}\n" * 3) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), input=typed)


def roles_in(database: Database) -> set[tuple[str, str]]:
    with database.reading() as session:
        return {(row.person, row.role) for row in session.exec(select(RoleRow)).all()}


def test_three_are_named_by_their_own_cards_and_listed(deployed: Database, deck: Path) -> None:
    deployed.mark("sandbox")
    assert "no staff yet" in run("list").output
    begun = run("begin", "--deck", deck)
    assert begun.exit_code == 0, begun.output
    assert "1234" not in begun.output
    assert PASSWORD not in begun.output
    assert {role for _, role in roles_in(deployed)} == {"staff", "admin"}
    assert len(roles_in(deployed)) == 6
    listed = run("list").output
    for name in ("一郎", "二郎", "三郎"):
        assert f"admin    職員\u3000{name}" in listed
    assert "no end" in listed


def test_it_works_once(deployed: Database, deck: Path) -> None:
    deployed.mark("sandbox")
    assert run("begin", "--deck", deck).exit_code == 0
    before = roles_in(deployed)
    again = run("begin", "--deck", deck, typed="")
    assert (again.exit_code, "has, or had, staff" in again.output) == (1, True)
    assert roles_in(deployed) == before


def test_also_after_every_role_ended(deployed: Database, deck: Path, ward: Ward) -> None:
    deployed.mark("sandbox")
    assert run("begin", "--deck", deck).exit_code == 0
    with deployed.writing(ward.code) as unit:
        for row in unit.session.exec(select(RoleRow)).all():
            row.until = row.since
            unit.session.add(row)
    assert run("begin", "--deck", deck, typed="").exit_code == 1
    assert "(over)" in run("list").output


def test_a_wrong_pin_names_nobody(deployed: Database, deck: Path) -> None:
    deployed.mark("sandbox")
    refused = run("begin", "--deck", deck, typed=f"1234\n{PASSWORD}\n0000\n{PASSWORD}\n")
    assert refused.exit_code == 1
    assert "PIN" in refused.output
    assert roles_in(deployed) == set()
    with deployed.reading() as session:
        assert session.exec(select(Person)).all() == []


def test_the_same_card_laid_thrice_is_one_person(deployed: Database, deck: Path, tmp_path: Path) -> None:
    deployed.mark("sandbox")
    (card,) = list(load_deck(deck).values())[:1]
    for number in range(3):
        same = VirtualCard(replace(card.contents, label=f"card {number}"))
        save_card(same, tmp_path / "same" / f"{number}.json")
    refused = run("begin", "--deck", tmp_path / "same")
    assert (refused.exit_code, "two different members of staff" in refused.output) == (1, True)
    assert roles_in(deployed) == set()


@pytest.mark.parametrize("kind", ["production", None])
def test_test_cards_count_in_a_sandbox_alone(deployed: Database, deck: Path, kind: str | None) -> None:
    if kind is not None:
        deployed.mark(kind)
    refused = run("begin", "--deck", deck)
    assert refused.exit_code == 1, refused.output
    assert roles_in(deployed) == set()


def test_without_revocation_lists_nobody_is_named(
    deployed: Database, deck: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.mark("sandbox")
    monkeypatch.delenv("DAIRI_CRL_FOLDER")
    assert run("begin", "--deck", deck).exit_code == 1
    assert roles_in(deployed) == set()


def test_of_several_wards_one_is_named(
    deployed: Database, deck: Path, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.mark("sandbox")
    wards = f'{{"131121": "https://setagaya.id.example", "{ward.code}": "{ward.issuer}"}}'
    monkeypatch.setenv("DAIRI_WARDS", wards)
    assert "--ward" in run("begin", "--deck", deck, typed="").output
    assert run("begin", "--deck", deck, "--ward", ward.code).exit_code == 0
    with deployed.reading() as session:
        assert {row.ward for row in session.exec(select(RoleRow)).all()} == {ward.code}


def test_a_database_of_another_version_is_left_alone(deployed: Database, deck: Path) -> None:
    with deployed.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    for command in (("begin", "--deck", deck), ("list",)):
        assert "dairi migrate" in run(*command, typed="").output
