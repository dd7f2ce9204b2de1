"""The office さくら: its administrator, two care managers, and whom they ask."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from assurance.linking import LinkedCard
from assurance.person import PersonId
from card.dates import ward_day
from card.virtual.card import VirtualCard
from delegation.offices.tables import AskRow, MembershipRow
from idp.services import Services
from tests.assurance.conftest import NAMES
from tests.delegation.conftest import Resident, Town, at_a_browser, register_at_counter

NUMBER = "1370100016"


@dataclass
class Office:
    """A registered office with its people at their browsers."""

    id: str
    town: Town
    ward: Resident
    admin: Resident
    sato: Resident
    mori: Resident

    def member(self, who: Resident) -> MembershipRow:
        with self.town.services.database.reading() as session:
            rows = session.exec(select(MembershipRow).where(MembershipRow.person == who.person)).all()
        return rows[-1]

    def invite(self, who: Resident, number: str, **changes: Any) -> Any:
        until = (ward_day(self.town.services.clock.now()) + timedelta(days=365)).isoformat()
        form = {
            "name": who.card.label,
            "address": who.address,
            "number": number,
            "number_until": until,
        }
        return self.admin.post(f"/offices/{self.id}/members", **(form | changes))

    def joined(self, who: Resident, number: str) -> None:
        """Someone who was invited, said yes, and whose number staff checked."""
        assert self.invite(who, number).status_code == 303
        assert who.post(self.link()).status_code == 303
        path = f"/staff/offices/{self.id}/members/{self.member(who).id}/check"
        assert self.ward.post(path).status_code == 303

    def link(self) -> str:
        found = re.search(r"(/memberships/[\w-]+)", self.town.mail.sent[-1].body)
        assert found is not None
        return found[1]

    def ask(self, whom: Resident, by: Resident | None = None, **changes: Any) -> Any:
        """Sato, or someone else, asks for what a care plan needs."""
        last = ward_day(self.town.services.clock.now()) + timedelta(days=300)
        index = [name.replace("\u3000", "") for name in NAMES].index(whom.card.label) % 5
        form = {
            "name": whom.card.label,
            "birth": f"{1948 + 10 * index}-05-03",
            "procedure": ["kaigo.plan.notify", "kaigo.nintei.renew"],
            "action": ["view", "draft", "file"],
            "last": last.isoformat(),
        }
        return (by or self.sato).post(f"/offices/{self.id}/ask", **(form | changes))

    def request(self) -> str:
        """The id of the newest request."""
        with self.town.services.database.reading() as session:
            return max(session.exec(select(AskRow)).all(), key=lambda row: row.asked_at).id

    def agreed(self, whom: Resident) -> str:
        """A grant that waits for its signature."""
        assert self.ask(whom).status_code == 303
        with self.town.services.database.reading() as session:
            known = {row.id for row in session.exec(select(AskRow)) if row.answered_at is not None}
            (open_,) = {row.id for row in session.exec(select(AskRow))} - known
        answer = whom.post(f"/requests/{open_}/agree")
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"]).split("/")[-2]

    def active(self, whom: Resident) -> str:
        grant = self.agreed(whom)
        answer = whom.sign(grant)
        assert answer.status_code == 303, answer.text
        return grant

    def hand_over(self, grant: str, to: Resident) -> Any:
        return self.admin.post(f"/offices/{self.id}/grants/{grant}/hand-over", member=self.member(to).id)


@pytest.fixture
def office(
    town: Town,
    services: Services,
    app: Any,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
) -> Office:
    """Registered by the ward; 職員二郎 and 職員三郎 of the ward play nobody else here."""

    ward = at_a_browser(services, app, staff[0], cards["職員一郎"], "")
    admin, sato, mori = (
        at_a_browser(
            services, app, register_at_counter(services, staff, linked(name), address), cards[name], address
        )
        for name, address in (
            ("佐藤桜", "sakura@example.jp"),
            ("佐藤健", "sato@example.jp"),
            ("森緑", "mori@example.jp"),
        )
    )
    form = {
        "number": NUMBER,
        "name": "居宅介護支援事業所さくら",
        "until": "",
        "administrator": admin.card.label,
        "address": admin.address,
    }
    answer = ward.post("/staff/offices", **form)
    assert answer.status_code == 303, answer.text
    made = Office(answer.headers["location"].rpartition("/")[2], town, ward, admin, sato, mori)
    assert admin.post(made.link()).status_code == 303
    made.joined(sato, "13000001")
    made.joined(mori, "13000002")
    return made
