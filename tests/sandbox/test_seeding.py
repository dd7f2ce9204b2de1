"""The people of the sandbox, in both of its wards."""

import json
from collections.abc import Iterator

import pytest
from sqlmodel import select

from assurance import identifiers, people
from assurance.database import Database
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import Person
from assurance.wards import Ward, WardCode
from card.bridge.enrolment import Enrolment
from delegation.audit.verify import Report, verify_log
from deploy.sandbox.layout import NEIGHBOUR, WARD, Layout
from deploy.sandbox.seed import prepare_folder, seed
from idp.cli.deployment import own_log_keys
from idp.services import open_database, wards_of

WARDS = (WARD, NEIGHBOUR)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("sandbox")
    made = Layout(folder, 8400, 8401, 8402, 8403, 8425, in_process_card=True)
    prepare_folder(made)
    seed(made)
    return made


@pytest.fixture
def opened(layout: Layout) -> Iterator[tuple[Database, Vault]]:
    database, vault = open_database(layout.settings())
    yield database, vault
    database.close()


def person_of(opened: tuple[Database, Vault], ward: WardCode, address: str) -> PersonId | None:
    database, vault = opened
    with database.reading(ward) as session:
        return identifiers.find_person(session, vault, ward, IdentifierKind.EMAIL, address)


def log_of(opened: tuple[Database, Vault], ward: Ward) -> Report:
    return verify_log(opened[0], ward, own_log_keys(*opened, ward))


def test_one_resident_is_a_person_of_her_own_in_each_ward(opened: tuple[Database, Vault]) -> None:
    here, there = (person_of(opened, ward, "hanako@example.jp") for ward in WARDS)
    assert here is not None
    assert there is not None
    assert here != there
    for ward, person in ((WARD, here), (NEIGHBOUR, there)):
        with opened[0].reading(ward) as session:
            profile = people.profile(session, opened[1], ward, person)
        assert profile is not None
        assert profile.name == "田中\u3000花子"
    assert person_of(opened, NEIGHBOUR, "yuki@example.jp") is None


def test_the_bridge_works_for_both_wards_with_a_key_of_each(layout: Layout) -> None:
    assert set(Enrolment.read(layout.enrolment).issuers) == set(layout.issuers.values())
    pinned = json.loads(layout.enrolment.read_text("utf-8"))["issuers"]
    assert len({entry["request_key"]["kid"] for entry in pinned}) == len(WARDS)


def test_the_next_start_registers_nobody_again(layout: Layout, opened: tuple[Database, Vault]) -> None:
    def known() -> list[str]:
        with opened[0].reading() as session:
            return sorted(session.exec(select(Person.id)).all())

    before = known()
    seed(layout)
    assert known() == before


def test_its_writers_are_closed_so_that_none_looks_like_a_crash(
    layout: Layout, opened: tuple[Database, Vault]
) -> None:
    for ward in wards_of(layout.settings()):
        report = log_of(opened, ward)
        assert (report.problems, report.writers) == ([], 0)
