"""Children under fifteen: registered by two staff, and represented by a parent on paper."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select

from assurance import people
from assurance.levels import IAL
from assurance.person import PersonId
from assurance.procedures import Action
from card.dates import add_months, end_of
from card.faults import Fault
from delegation.counter.ages import last_day_below
from delegation.counter.attesting import terms_of
from delegation.counter.papers import Named, Paper, ProofSeen
from delegation.counter.tables import AttestationRow
from delegation.grant import Basis
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.counter.conftest import Clerk
from tests.delegation.counter.test_papers import enter, made, refusals, usable
from tests.shipped import PROCEDURES

NAME, BORN = "田中\u3000さくら", date(2018, 4, 1)
TODAY = date(2026, 11, 24)


def enter_child(clerk: Clerk, **changes: Any) -> Any:
    form = {
        "number": "K-1",
        "child_name": NAME,
        "child_birth": BORN.isoformat(),
        "sex": "2",
        "address": "東京都渋谷区１－１",
        "proof": "family_register",
    }
    return clerk.post("/counter/children/new", **(form | changes))


def children(town: Town, name: str = NAME, born: date = BORN) -> list[PersonId]:
    services = town.services
    with services.database.reading() as session:
        return list(people.named(session, services.vault, services.ward.code, name, born))


def registered(town: Town, clerks: list[Clerk]) -> PersonId:
    for clerk in clerks[:2]:
        assert enter_child(clerk).headers["location"] == "/counter/received"
    (child,) = children(town)
    return child


def for_child(clerks: list[Clerk], **changes: Any) -> None:
    form = {
        "basis": "parent",
        "proof": "family_register",
        "custody": "yes",
        "principal_name": NAME,
        "principal_birth": BORN.isoformat(),
        "procedure": ["juki.cert"],
    }
    for clerk in clerks[:2]:
        assert enter(clerk, **(form | changes)).headers["location"] == "/counter/received"


def test_two_staff_register_a_child_by_what_they_saw(town: Town, clerks: list[Clerk]) -> None:
    enter_child(clerks[0])
    enter_child(clerks[0])
    assert children(town) == []
    assert enter_child(clerks[1], child_name="田中さくら", number="k1").status_code == 303
    (child,) = children(town)
    with town.services.database.reading() as session:
        (proof,) = people.proofs_of(session, town.services.ward.code, child)
        profile = people.profile(session, town.services.vault, town.services.ward.code, child)
    assert (proof.method, proof.ial) == ("counter_documents", IAL.SUBSTANTIAL)
    assert profile is not None
    assert (profile.birth_date, profile.sex) == (BORN, "2")


HINDERED = {
    "unequal": ({}, {"sex": "1"}, "paper.differs"),
    "fifteen already": ({"child_birth": "2011-11-24"}, {}, "paper.child"),
    "not born": ({"child_birth": "2026-11-25"}, {}, "paper.child"),
    "no child": ({"child_birth": "1978-05-03"}, {}, "paper.child"),
}  # fmt: skip


@pytest.mark.parametrize("what", HINDERED)
def test_the_desk_says_received_whatever_keeps_a_child_from_being_registered(
    town: Town, clerks: list[Clerk], what: str
) -> None:
    both, second, code = HINDERED[what]
    answers = [enter_child(clerks[0], **both), enter_child(clerks[1], **(both | second))]
    assert [answer.headers["location"] for answer in answers] == ["/counter/received"] * 2
    assert (children(town), refusals(town)) == ([], [code])


def test_the_last_day_below_fifteen_is_young_enough(town: Town, clerks: list[Clerk]) -> None:
    for clerk in clerks[:2]:
        enter_child(clerk, child_birth="2011-11-25")
    assert len(children(town, born=date(2011, 11, 25))) == 1


def test_a_child_is_registered_once(town: Town, clerks: list[Clerk]) -> None:
    registered(town, clerks)
    for clerk in clerks[:2]:
        enter_child(clerk, number="K-2")
    assert (len(children(town)), refusals(town)) == (1, ["counter.taken"])


@pytest.mark.parametrize(
    "lacks", [{"sex": "0"}, {"address": " "}, {"proof": "identity_document"}, {"child_name": ""}]
)
def test_what_the_form_of_a_child_lacks_is_said(town: Town, clerks: list[Clerk], lacks: Any) -> None:
    refused = enter_child(clerks[0], **lacks)
    assert (refused.status_code, 'value="K-1"' in refused.text) == (400, True)
    assert town.hanako.get("/counter/children/new").status_code == 404
    assert clerks[0].get("/counter/children/new").status_code == 200


def test_a_number_is_of_one_paper_whatever_its_kind(town: Town, clerks: list[Clerk]) -> None:
    enter_child(clerks[0], number="A-0001")
    enter(clerks[1])
    assert (children(town), made(town), refusals(town)) == ([], [], ["paper.differs"])


def test_a_parent_with_custody_acts_for_her_child(town: Town, clerks: list[Clerk]) -> None:
    child = registered(town, clerks)
    for_child(clerks)
    (grant,) = made(town)
    assert (grant.principal, grant.delegate, grant.basis) == (child, town.yuki.person, "parent")
    found = usable(town, grant.id)
    assert found is not None
    assert found.waits
    with town.services.database.reading() as session:
        attested = session.exec(select(AttestationRow)).one()
    assert attested.custody
    assert attested.attested_until == end_of(add_months(TODAY, 12) - timedelta(days=1))
    assert town.yuki.get(f"/grants/{grant.id}").status_code == 200


def test_without_confirmed_custody_there_is_no_address(town: Town, clerks: list[Clerk]) -> None:
    registered(town, clerks)
    for_child(clerks, proof="residence_record", custody=[])
    assert (made(town), refusals(town)) == ([], ["grant.never"])
    for_child(clerks, number="A2", custody=[])
    assert (made(town), refusals(town)) == ([], ["grant.never"] * 2)
    for_child(clerks, number="A3")
    assert len(made(town)) == 1


def test_custody_is_checked_again_after_twelve_months(
    town: Town, clerks: list[Clerk], clock: FixedClock
) -> None:
    registered(town, clerks)
    for_child(clerks)
    (grant,) = made(town)
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.get_one(type(grant), (grant.ward, grant.id))
        row.last = "2028-01-01"
        unit.session.add(row)
    with town.services.database.reading() as session:
        until = session.exec(select(AttestationRow)).one().attested_until
    assert until is not None
    clock.advance(until - clock.now() - timedelta(seconds=1))
    assert usable(town, grant.id) is not None
    clock.advance(timedelta(seconds=1))
    assert usable(town, grant.id) is None


def test_a_child_gives_nothing_by_a_paper_of_their_own(town: Town, clerks: list[Clerk]) -> None:
    registered(town, clerks)
    for_child(
        clerks, basis="voluntary", proof="identity_document", custody=[], procedure=["kaigo.nintei.renew"]
    )
    assert (made(town), refusals(town)) == ([], ["grant.never"])


def test_no_parent_sees_pauses_or_ends_the_others_grant(town: Town, clerks: list[Clerk]) -> None:
    registered(town, clerks)
    for_child(clerks)
    for_child(clerks, number="A2", delegate_name="田中花子", delegate_birth="1978-05-03")
    hers = {grant.delegate: grant.id for grant in made(town)}
    mothers, fathers = hers[town.yuki.person], hers[town.hanako.person]
    for path in ("", "/end", "/receipt", "/mandate"):
        assert town.yuki.get(f"/grants/{fathers}{path}").status_code == 404
    for step in ("pause", "resume", "end"):
        assert town.yuki.post(f"/grants/{fathers}/{step}").status_code == 404
    assert fathers not in town.yuki.get("/grants").text
    page = clerks[0].visit(town.yuki.card)
    assert fathers not in clerks[0].get(page).text
    assert clerks[0].post(f"{page}/grants/{fathers}/end").status_code == 404
    assert town.yuki.post(f"/grants/{mothers}/end").status_code == 303
    assert (town.row(mothers).state, town.row(fathers).state) == ("ended", "active")


def paper_for(born: date, last: date, *actions: Action) -> Paper:
    named = Named("田中さくら", born)
    return Paper(
        Basis.PARENT, named, Named("田中由紀", date(1988, 5, 3)), ("juki.cert",), actions or (Action.FILE,),
        last, ProofSeen.FAMILY_REGISTER, custody=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("born", "actions", "last"),
    [
        (date(2009, 1, 15), (), date(2027, 1, 14)),
        (date(2009, 1, 1), (), date(2026, 12, 31)),
        (date(2008, 11, 25), (), TODAY),
        (BORN, (), date(2027, 1, 31)),
        (date(2012, 1, 15), (Action.VIEW, Action.FILE), date(2027, 1, 14)),
        (date(2012, 1, 15), (Action.FILE,), date(2027, 1, 31)),
    ],
)
def test_a_parents_grant_ends_with_childhood_whatever_the_paper_says(
    born: date, actions: tuple[Action, ...], last: date
) -> None:
    made = terms_of(paper_for(born, date(2027, 1, 31), *actions), born, PROCEDURES, TODAY)
    assert made.last == last
    assert made.last <= last_day_below(born, 18)


@pytest.mark.parametrize(
    ("born", "last", "actions", "code"),
    [
        (date(2008, 11, 24), date(2026, 12, 1), (), "grant.never"),
        (BORN, date(2027, 2, 24), (), "grant.too_long"),
        (date(2011, 11, 24), date(2026, 12, 1), (Action.VIEW,), "grant.never"),
    ],
)
def test_what_childhood_or_the_maximum_forbids_is_refused(
    born: date, last: date, actions: tuple[Action, ...], code: str
) -> None:
    with pytest.raises(Fault, match=code):
        terms_of(paper_for(born, last, *actions), born, PROCEDURES, TODAY)
