"""Whatever staff enter in whatever order, a grant from paper is what two different people entered alike."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from assurance.linking import LinkedCard
from assurance.procedures import Action
from assurance.roles import Role
from assurance.sealed import Vault
from assurance.tables import RoleRow
from assurance.wards import Ward
from card.dates import ward_day
from delegation.counter import attesting
from delegation.counter.papers import Named, Paper, ProofSeen
from delegation.counter.tables import AttestationRow
from delegation.grant import Basis
from delegation.tables import GrantRow
from tests.delegation.model_town import PEOPLE, Town

STAFF = ("職員一郎", "職員二郎", "職員三郎")
HANAKO, YUKI = "田中花子", "田中由紀"
BORN = {"職員三郎": date(1968, 5, 3), HANAKO: date(1978, 5, 3), YUKI: date(1988, 5, 3)}
LAST = date(2027, 1, 31)


def paper(delegate: str, last: date) -> Paper:
    return Paper(
        Basis.VOLUNTARY, Named(HANAKO, BORN[HANAKO]), Named(delegate, BORN[delegate]),
        ("kaigo.card.reissue",), (Action.FILE,), last, ProofSeen.IDENTITY_DOCUMENT, custody=False,
    )  # fmt: skip


PAPERS = {
    "to Yuki": paper(YUKI, LAST),
    "to Yuki, a day less": paper(YUKI, LAST - timedelta(days=1)),
    "to one of the staff": paper("職員三郎", LAST),
    "to herself": paper(HANAKO, LAST),
}
STEPS = st.tuples(
    st.sampled_from(STAFF), st.sampled_from(("1", "2")), st.sampled_from(tuple(PAPERS)), st.integers(0, 5)
)


@dataclass
class Model:
    """The model's word: who entered what last, which numbers are used, and what was made."""

    waiting: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    made: list[tuple[str, str, str]] = field(default_factory=list)

    def enter(self, staff: str, number: str, what: str, now: datetime, today: date) -> None:
        if number in self.used:
            return
        before = self.waiting.get(number)
        if before is None or before[0] == staff or now >= before[2]:
            self.waiting[number] = (staff, what, now + timedelta(days=7))
            return
        self.used.add(number)
        given_to_staff = what == "to one of the staff" and "職員三郎" in {staff, before[0]}
        if before[1] == what and what != "to herself" and not given_to_staff and today <= PAPERS[what].last:
            self.made.append((before[0], staff, what))


def found(town: Town) -> list[tuple[str, str, str]]:
    names = {str(person): name for name, person in town.ids.items()}
    with town.database.reading() as session:
        grants = {grant.id: grant for grant in session.exec(select(GrantRow)).all()}
        attested = session.exec(select(AttestationRow)).all()
    assert {row.grant for row in attested} == grants.keys()
    made = []
    for row in attested:
        grant = grants[row.grant]
        parties = {grant.principal, grant.delegate}
        assert row.by_one != row.by_two
        assert not parties & {row.by_one, row.by_two}
        assert (grant.state, len(parties)) == ("active", 2)
        (what,) = (
            key
            for key, entry in PAPERS.items()
            if (entry.delegate.name, entry.last.isoformat()) == (names[str(grant.delegate)], grant.last)
        )
        made.append((names[row.by_one], names[row.by_two], what))
    return sorted(made)


@pytest.mark.timeout(400)  # what fails is made small first
def test_no_grant_is_made_from_paper_without_two_different_staff(
    tmp_path: Path, vault: Vault, ward: Ward, linked: Callable[[str], LinkedCard]
) -> None:
    town = Town(tmp_path, vault, ward, {name: linked(name) for name in (*PEOPLE, *STAFF) if name})
    with town.writing() as unit:
        for name in STAFF:
            role = RoleRow(ward=ward.code, person=town.ids[name], role=Role.STAFF, since=town.clock.now())
            unit.session.merge(role)
    again = town.keep()

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(STEPS, max_size=14))
    def run(steps: list[tuple[str, str, str, int]]) -> None:
        again()
        model = Model()
        for staff, paper_number, what, days in steps:
            town.clock.advance(timedelta(days=days))
            with town.writing() as unit:
                login = town.login(staff, strong=True)
                attesting.register(unit, town.parts, login, paper_number, PAPERS[what])
            now = town.clock.now()
            model.enter(staff, paper_number, what, now, ward_day(now))
            assert found(town) == sorted(model.made)

    try:
        run()
    finally:
        town.close()
