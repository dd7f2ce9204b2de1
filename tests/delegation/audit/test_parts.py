"""What a leaf says of a person is sealed, found by that person, and erased with their key."""

import json
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from assurance.database import Database, table_of
from assurance.events import Event, EventName
from assurance.person import PersonId
from assurance.sealed import PersonKey, Vault
from assurance.wards import Ward, WardCode
from delegation.audit.leaf import Leaf
from delegation.audit.leaves_about import leaves_about
from delegation.audit.tables import LeafRow, PartRow
from tests.conftest import NOW
from tests.delegation.audit.log import LEAF, judge, number_all, rewrite
from tests.delegation.conftest import Town


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
