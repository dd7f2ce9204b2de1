"""A counter: three staff at their browsers, and the residents who come to it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, update
from starlette.testclient import TestClient

from assurance.person import PersonId
from card.request import EnrolledIssuer, read_request
from card.virtual.card import VirtualCard
from delegation.tables import GrantRow
from idp.card_requests import answer_uri
from idp.keys import KeyPurpose
from tests.assurance.conftest import authority, cards, linked, staff, thresholds
from tests.delegation.conftest import Resident, Town, town
from tests.idp.conftest import app, mail, new_system, portal, services

__all__ = [
    "app", "authority", "cards", "linked", "mail", "new_system", "portal", "services", "staff", "thresholds",
    "town",
]  # fmt: skip


class Clerk(Resident):
    """A staff member, logged in at the counter's browser."""

    def request_of(self, page: Any) -> str:
        assert page.status_code == 200, page.text
        found = re.search(r'name="request" value="([^"]+)"', page.text)
        assert found is not None
        return found[1]

    def read(self, card: VirtualCard, language: str = "ja") -> Any:
        """Ask a resident's card to say that she is here."""
        return self.answer(self.request_of(self.post("/counter/read", language=language)), card)

    def visit(self, card: VirtualCard) -> str:
        """The page of an open visit."""
        answer = self.read(card)
        assert answer.status_code == 303, answer.text
        page: str = answer.headers["location"]
        assert self.get(page).status_code == 200
        return page

    def sign_for(self, page: str, grant: str, card: VirtualCard) -> Any:
        return self.answer(self.request_of(self.post(f"{page}/grants/{grant}/sign")), card)

    def shown_to(self, page: Any) -> Any:
        """What the bridge shows to the holder of the card."""
        issuer = self.services.ward.issuer
        keys = self.services.keys.key_set(KeyPurpose.REQUEST)
        pinned = EnrolledIssuer(issuer, answer_uri(self.services), keys)
        return read_request(self.request_of(page), {issuer: pinned}, self.services.clock.now())


@pytest.fixture
def clerks(town: Town, app: Any, staff: tuple[PersonId, ...], cards: dict[str, VirtualCard]) -> list[Clerk]:
    def clerk(person: PersonId, name: str) -> Clerk:
        http = TestClient(app, base_url=town.services.ward.origin, follow_redirects=False)
        made = Clerk(person, f"{name}@example.jp", cards[name], http, town.services)
        made.log_in()
        return made

    return [clerk(*each) for each in zip(staff, ("職員一郎", "職員二郎", "職員三郎"), strict=True)]


@pytest.fixture
def swapped(town: Town) -> Callable[[str, str], None]:
    """Make someone else the delegate of a grant."""

    def swap(grant: str, person: str) -> None:
        with town.services.database.writing(town.services.ward.code) as unit:
            mine = update(GrantRow).where(col(GrantRow.id) == grant)
            unit.session.exec(mine.values(delegate=person))

    return swap
