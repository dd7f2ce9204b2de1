"""The town with its three admins at browsers of their own, and the steps that they take."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance.person import PersonId
from card.dates import add_months, ward_day
from card.virtual.card import VirtualCard
from delegation.staffing.tables import ChangeRow
from delegation.tables import HoldRow
from tests.delegation.conftest import Resident, Town


@dataclass
class Ward:
    """The town, and the staff that were named first."""

    town: Town
    ichiro: Resident
    jiro: Resident
    saburo: Resident

    def holds(self) -> list[HoldRow]:
        with self.town.services.database.reading() as session:
            return list(session.exec(select(HoldRow)).all())

    def changes(self) -> list[ChangeRow]:
        with self.town.services.database.reading() as session:
            return list(session.exec(select(ChangeRow)).all())

    def hold(self, who: Resident, by: Resident | None = None) -> str:
        """Place a hold; returns its id."""
        known = {row.id for row in self.holds()}
        answer = (by or self.ichiro).post(f"/staff/people/{who.person}/hold", reason="死亡の届出")
        assert answer.status_code == 303, answer.text
        (placed,) = [row.id for row in self.holds() if row.id not in known]
        return placed

    def last(self, months: int = 6) -> str:
        return add_months(ward_day(self.town.services.clock.now()), months).isoformat()

    def lifting(self, hold: str, by: Resident | None = None) -> str:
        """Propose to lift a hold, unsigned; returns the change's id."""
        return changed((by or self.ichiro).post(f"/staff/holds/{hold}/lift"))

    def giving(self, to: Resident, role: str = "staff", by: Resident | None = None) -> str:
        form = {"role": role, "last": self.last()}
        return changed((by or self.ichiro).post(f"/staff/people/{to.person}/role", **form))

    def give(self, to: Resident, role: str, by: tuple[Resident, Resident] | None = None) -> None:
        """Give a role, by two."""
        one, two = by or (self.ichiro, self.jiro)
        change = self.giving(to, role, one)
        assert sign(one, change).status_code == 303
        assert sign(two, change).status_code == 303


def changed(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    path, _, id_ = answer.headers["location"].rpartition("/")
    assert path == "/staff/changes"
    return str(id_)


def request_of(page: Any) -> str:
    found = re.search(r'name="request" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def sign(who: Resident, change: str, card: VirtualCard | None = None) -> Any:
    """Sign a change; a refusal before the card is the answer."""
    page = who.post(f"/staff/changes/{change}/sign")
    return page if page.status_code != 200 else who.answer(request_of(page), card)


@pytest.fixture
def ward_office(town: Town, app: Any, staff: tuple[PersonId, ...], cards: dict[str, VirtualCard]) -> Ward:
    def member(name: str, person: PersonId) -> Resident:
        http = TestClient(app, base_url=town.services.ward.origin, follow_redirects=False)
        made = Resident(person, "", cards[name], http, town.services)
        made.log_in()
        return made

    names = ("職員一郎", "職員二郎", "職員三郎")
    return Ward(town, *(member(name, person) for name, person in zip(names, staff, strict=True)))
