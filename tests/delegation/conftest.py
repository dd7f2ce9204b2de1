"""Two residents with real cards, registered at the counter, each with a browser; and the ward's registry."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.requests import Request
from starlette.testclient import TestClient

from assurance import counter
from assurance.evidence import CardAuthentication, EmailCode, Evidence
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.person import PersonId
from card.dates import ward_day
from card.request import EnrolledIssuer, read_request
from card.virtual.card import VirtualCard
from card.virtual.holder import sign_as_holder
from delegation.tables import GrantRow
from idp import sessions
from idp.card_requests import answer_uri
from idp.keys import KeyPurpose
from idp.services import Services
from tests.assurance.conftest import authority, cards, linked, staff, thresholds
from tests.idp.conftest import KeptMail, app, mail, new_system, portal, services
from tests.registered import registered

__all__ = [
    "app", "authority", "cards", "linked", "mail", "new_system", "portal", "services", "staff", "thresholds"
]  # fmt: skip


@dataclass
class Resident:
    """A person at a browser, with a card."""

    person: PersonId
    address: str
    card: VirtualCard
    http: TestClient
    services: Services

    def log_in(self, *evidence: Evidence, read_back: bool = False) -> None:
        now = self.services.clock.now()
        shown: list[Any] = list(evidence) or [CardAuthentication(now, revocation_checked=True)]
        if read_back:
            mac = self.services.vault.mac(self.services.ward.code, IdentifierKind.EMAIL, self.address)
            shown.append(EmailCode(now, mac))
        self.http.cookies.clear()
        for piece in shown:
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
            request = Request({"type": "http", "headers": [(b"cookie", cookies.encode())]})
            with self.services.database.writing(self.services.ward.code) as unit:
                held = registered(unit, self.services.vault, self.person, piece)
                _, cookie = sessions.begin(unit, self.services, request, self.person, held)
            self.http.cookies.clear()
            self.http.cookies.set(cookie.name, cookie.value, domain=self.services.ward.rp_id)

    def get(self, path: str) -> Any:
        return self.http.get(path)

    def post(self, path: str, **form: Any) -> Any:
        return self.http.post(path, data=form, headers={"origin": self.services.ward.origin})

    def propose(self, to: "Resident", **changes: Any) -> Any:
        last = ward_day(self.services.clock.now()) + timedelta(days=30)
        form = {
            "name": to.card.label,
            "address": to.address,
            "procedure": ["kaigo.nintei.renew", "kaigo.card.reissue"],
            "action": ["view", "draft", "file"],
            "last": last.isoformat(),
        }
        return self.post("/grants/new", **(form | changes))

    def answer(self, jws: str, card: VirtualCard | None = None) -> Any:
        """Be the bridge: sign what was asked, and post it back in this browser."""
        pinned = EnrolledIssuer(
            self.services.ward.issuer,
            answer_uri(self.services),
            self.services.keys.key_set(KeyPurpose.REQUEST),
        )
        asked = read_request(jws, {pinned.issuer: pinned}, self.services.clock.now())
        made = sign_as_holder(card or self.card, asked.to_be_signed, asked.certificate)
        form = {"state": asked.state, "container": made.to_json()}
        brought = self.http.post("/card/answer", data=form, headers={"origin": "null"})
        return self.http.get(brought.headers["location"])

    def sign(self, grant: str, card: VirtualCard | None = None) -> Any:
        page = self.post(f"/grants/{grant}/sign")
        if page.status_code != 200:
            return page
        found = re.search(r'name="request" value="([^"]+)"', page.text)
        assert found is not None
        return self.answer(found[1], card)


@dataclass
class Town:
    """The people and what they did."""

    hanako: Resident
    yuki: Resident
    services: Services
    mail: KeptMail

    def row(self, grant: str) -> GrantRow:
        with self.services.database.reading() as session:
            return session.exec(select(GrantRow).where(GrantRow.id == grant)).one()

    def invitation(self) -> str:
        found = re.search(r"(/invitations/[\w-]+)", self.mail.sent[-1].body)
        assert found is not None
        return found[1]

    def proposed(self, **changes: Any) -> tuple[str, str]:
        """A grant and the path of its invitation."""
        answer = self.hanako.propose(self.yuki, **changes)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("/")[2], self.invitation()

    def accepted(self, **changes: Any) -> str:
        grant, invitation = self.proposed(**changes)
        self.yuki.log_in(read_back=True)
        found = re.search(r'name="proposal" value="(\w+)"', self.yuki.get(invitation).text)
        assert found is not None
        assert self.yuki.post(f"{invitation}/accept", proposal=found[1]).status_code == 303
        return grant

    def digits(self, grant: str) -> str:
        found = re.search(r'class="digits">(\d{6})<', self.yuki.get(f"/grants/{grant}").text)
        assert found is not None
        return found[1]

    def compared(self, **changes: Any) -> str:
        grant = self.accepted(**changes)
        assert self.hanako.post(f"/grants/{grant}/digits", digits=self.digits(grant)).status_code == 303
        return grant

    def active(self, **changes: Any) -> str:
        grant = self.compared(**changes)
        answer = self.hanako.sign(grant)
        assert answer.status_code == 303, answer.text
        assert self.row(grant).state == "active"
        return grant


def at_a_browser(services: Services, app: Any, person: PersonId, card: VirtualCard, address: str) -> Resident:
    """Someone who is logged in by card."""
    http = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
    made = Resident(person, address, card, http, services)
    made.log_in()
    return made


def register_at_counter(
    services: Services, staff: tuple[PersonId, ...], card: LinkedCard, address: str
) -> PersonId:
    with services.database.writing(services.ward.code) as unit:
        return counter.register(
            unit,
            services.vault,
            services.thresholds,
            card,
            staff=(staff[0], staff[1]),
            address_read_back=address,
            now=services.clock.now(),
        )


def settle(
    services: Services,
    app: Any,
    mail: KeptMail,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
) -> Town:
    """Register the people of a ward at its counter."""

    hanako, yuki = (
        at_a_browser(
            services, app, register_at_counter(services, staff, linked(name), address), cards[name], address
        )
        for name, address in (("田中花子", "hanako@example.jp"), ("田中由紀", "yuki@example.jp"))
    )
    return Town(hanako, yuki, services, mail)


@pytest.fixture
def town(
    services: Services,
    app: Any,
    mail: KeptMail,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
) -> Town:
    return settle(services, app, mail, staff, linked, cards)
