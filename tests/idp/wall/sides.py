"""Two wards of one process in which the same people, with the same cards, did the same things."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.testclient import TestClient

from assurance import counter
from assurance.linking import LinkedCard
from assurance.person import PersonId
from card.jose import SoftwareSigner
from card.virtual.card import VirtualCard
from delegation.audit.sequencer import sequence
from idp.cookies import name_of
from idp.registration import register_client
from idp.services import Services
from tests.assurance.authenticator import Authenticator
from tests.delegation.conftest import Resident, Town
from tests.delegation.counter.conftest import Clerk
from tests.delegation.offices.conftest import NUMBER, Office
from tests.idp.conftest import WardSystem, authorize, redeem, returned

Linked = Callable[[str], LinkedCard]
Cards = Mapping[str, VirtualCard]
STAFF = ("ichiro", "jiro", "saburo")
OF_OFFICE = (
    ("admin", "佐藤桜", "sakura@example.jp"),
    ("sato", "佐藤健", "sato@example.jp"),
    ("mori", "森緑", "mori@example.jp"),
)
SCOPE = "openid profile kaigo"
SECRET = "a secret of more than thirty letters, as they are made"


@dataclass(frozen=True)
class Value:
    """What someone shows.

    :param cookies: that go with it, by use.
    """

    text: str
    cookies: Mapping[str, str] = field(default_factory=dict)


def hidden(page: str, name: str) -> str:
    """What a form holds that nobody types."""
    found = re.search(f'name="{name}" value="([^"]*)"', page)
    assert found is not None, (name, page)
    return found[1]


@dataclass
class Side:
    """One of the wards.

    :param desk: a ward system that shows a secret, where the portal shows an assertion.
    :param shown_at: the issuer of the ward at which everything is shown, also what is the other's.
    :param people: whoever does something, by name: residents, staff, and those of the office.
    :param loop: a client that runs; to start an event loop for each request takes twice as long as most do.
    """

    town: Town
    portal: WardSystem
    desk: WardSystem
    shown_at: str
    loop: TestClient
    device: Authenticator = field(init=False)
    people: dict[str, Resident] = field(default_factory=dict)
    office: Office = field(init=False)
    _kept: dict[str, Any] = field(default_factory=dict)
    _addresses: int = 0
    _papers: int = 0

    def __post_init__(self) -> None:
        self.device = Authenticator(self.services.ward.origin)

    @property
    def services(self) -> Services:
        return self.town.services

    def new_address(self) -> str:
        """A mail address of nobody yet: of a known one, too many codes are withheld."""
        self._addresses += 1
        return f"somebody-{self._addresses}@example.jp"

    def new_number(self) -> str:
        """The number of a paper that nobody entered yet."""
        self._papers += 1
        return f"{self.services.ward.code}{self._papers:04}"

    def browser(self) -> TestClient:
        made = TestClient(self.loop.app, base_url=self.services.ward.origin, follow_redirects=False)
        made.portal = self.loop.portal
        return made

    def anonymous(self) -> Resident:
        """Hanako at a browser in which nobody is logged in."""
        return replace(self.town.hanako, http=self.browser())

    def logged_in(self, name: str) -> Resident:
        """A resident, a staff member or someone of the office, at a browser of their own."""
        resident = replace(self.people[name], http=self.browser())
        resident.log_in(read_back=name == "yuki")
        return resident

    def cookies(self, browser: TestClient) -> dict[str, str]:
        """The cookies of a browser, by use."""
        prefix = name_of(self.services.ward.code, "")
        return {cookie.name.removeprefix(prefix): cookie.value or "" for cookie in browser.cookies.jar}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What takes long to make, made once and used until it is spent."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def spend(self, name: str) -> None:
        self._kept.pop(name, None)

    def proposed(self) -> tuple[str, str, str]:
        """A grant that waits for its answer: its id, its invitation, and the hash of what was read."""

        def make() -> tuple[str, str, str]:
            grant, path = self.town.proposed()
            page = self.logged_in("yuki").get(path).text
            return grant, path.rpartition("/")[2], hidden(page, "proposal")

        made: tuple[str, str, str] = self.once("proposed", make)
        return made

    def grant(self, state: str) -> str:
        """The id of a grant: `accepted`, `compared` or `active`."""
        made: str = self.once(state, getattr(self.town, state))
        return made

    def number(self) -> None:
        """Let the log number what happened so far."""
        services = self.services
        with services.database.writing(services.ward.code) as unit:
            sequence(unit, services.ward, services.keys.log, services.clock)

    def tokens(self) -> Mapping[str, str]:
        """Hanako's own."""
        code = returned(authorize(self.logged_in("hanako").http, self.portal))["code"]
        tokens: Mapping[str, str] = redeem(self.portal, code).json()
        return tokens

    def delegated(self) -> Mapping[str, Any]:
        """Yuki's, who acts for Hanako."""
        grant, yuki = self.grant("active"), self.logged_in("yuki")
        page = authorize(yuki.http, self.portal, scope=SCOPE).text
        answer = yuki.post("/authorize/act", i=hidden(page, "i"), acting=grant)
        tokens: Mapping[str, Any] = redeem(self.portal, returned(answer)["code"]).json()
        return tokens


def system_at(
    services: Services, loop: TestClient, like: WardSystem, client_id: str, **changes: Any
) -> WardSystem:
    """A ward system of some ward, with a key of its own."""
    signer = SoftwareSigner.generate()
    own = {"client_id": client_id, "sector": client_id, "audience": f"https://{client_id}.example"}
    client = replace(like.client, **own, jwks={"keys": [signer.public_jwk()]}, **changes)
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, client, services.procedures, services.clock.now())
    http = TestClient(loop.app, base_url=services.ward.origin, follow_redirects=False)
    http.portal = loop.portal
    return WardSystem(client, signer, services, http)


def _open_office(side: Side, staff: tuple[PersonId, ...], linked: Linked, cards: Cards) -> Office:
    """The office, registered by the ward, with its administrator and two care managers."""
    services, people = side.services, side.people
    for name, called, address in OF_OFFICE:
        with services.database.writing(services.ward.code) as unit:
            person = counter.register(
                unit,
                services.vault,
                services.thresholds,
                linked(called),
                staff=(staff[0], staff[1]),
                address_read_back=address,
                now=services.clock.now(),
            )
        people[name] = Resident(person, address, cards[called], side.browser(), services)
        people[name].log_in()
    named = {"administrator": people["admin"].card.label, "address": people["admin"].address}
    form = {"number": NUMBER, "name": "居宅介護支援事業所さくら", "until": "", **named}
    answer = people["ichiro"].post("/staff/offices", **form)
    assert answer.status_code == 303, answer.text
    of_office = [people[name] for name in ("ichiro", "admin", "sato", "mori")]
    office = Office(answer.headers["location"].rpartition("/")[2], side.town, *of_office)
    assert office.admin.post(office.link()).status_code == 303
    office.joined(office.sato, "13000001")
    office.joined(office.mori, "13000002")
    return office


def side_of(
    town: Town,
    loop: TestClient,
    like: WardSystem,
    shown_at: str,
    staff: tuple[PersonId, ...],
    linked: Linked,
    cards: Cards,
) -> Side:
    """A ward with its people, its office, and its two ward systems."""
    hashed, name = hashlib.sha256(SECRET.encode()).hexdigest(), f"ward-{town.services.ward.code}"
    by_secret = {"auth_method": "client_secret_basic", "secret_hash": hashed}
    side = Side(
        town,
        system_at(town.services, loop, like, f"{name}-portal"),
        system_at(town.services, loop, like, f"{name}-desk", **by_secret),
        shown_at,
        loop,
    )
    side.people |= {"hanako": town.hanako, "yuki": town.yuki}
    for member, person, called in zip(STAFF, staff, ("職員一郎", "職員二郎", "職員三郎"), strict=True):
        side.people[member] = Clerk(person, "", cards[called], side.browser(), side.services)
        side.people[member].log_in()
    side.office = _open_office(side, staff, linked, cards)
    return side
