"""Card logins through a bridge that staff enrolled: they resist phishing, and only while it is enrolled."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlmodel import select
from starlette.requests import Request
from starlette.testclient import TestClient

from assurance.database import connection_of
from assurance.events import EventName
from assurance.levels import AAL, IAL, Level, Requirement
from card.bridge.app import Bridge, create_bridge
from card.bridge.enrolment import Enrolment, Pin
from card.countersignature import TYP
from card.jose import SoftwareSigner, b64url_encode, sign_compact, unverified_claims
from card.virtual.deck import InProcessReader, LocalDeck
from idp import bridges, interactions, sessions
from idp.card_requests import answer_uri
from idp.keys import KeyPurpose
from idp.services import Services
from idp.tables import AuthorizationRow, LoginSessionRow
from idp.token.standing import load_standings
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town, authority, cards, linked, staff, thresholds, town
from tests.idp.conftest import WardSystem, authorize, keep, returned
from tests.idp.steps import answer_to, asked_of_card, bring
from tests.idp.test_answers import leaves, without_lists

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]

KEY = SoftwareSigner.generate()
RESISTS = Requirement(Level(IAL.HIGH, AAL.HARDWARE), phishing_resistant=True)
PC = "http://127.0.0.1:8403"
OURS = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "document"}


def enrol(services: Services, key: SoftwareSigner = KEY, name: str = "介護窓口 1") -> str:
    with services.database.writing(services.ward.code) as unit:
        return bridges.enrol(unit, name, key.public_jwk(), services.clock.now())


def revoke(services: Services, name: str = "介護窓口 1") -> None:
    with services.database.writing(services.ward.code) as unit:
        bridges.revoke(unit, name, services.clock.now())


def needed(resident: Resident) -> str:
    """Someone who is sent to log in for what needs a login that resists phishing."""
    resident.http.cookies.clear()
    services = resident.services
    with services.database.writing(services.ward.code) as unit:
        i, cookie = interactions.open_interaction(
            unit, services, interactions.ACCOUNT, return_to="/account", requirement=RESISTS
        )
    keep(resident.http, cookie, services)
    return i


def done(resident: Resident, form: dict[str, str]) -> Any:
    """The bridge's answer, and where it led."""
    return resident.get(bring(resident, form).headers["location"])


def resists(resident: Resident) -> bool | None:
    """Whether the login of someone's browser resists phishing now; None without one."""
    services = resident.services
    sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in resident.http.cookies.jar)
    request = Request({"type": "http", "headers": [(b"cookie", sent.encode())]})
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    return None if login is None else login.assurance.meets(RESISTS, services.clock.now())


@dataclass
class WardPc:
    """A bridge as it runs on a PC, with Hanako's card on its reader."""

    http: TestClient

    def answer(self, jws: str) -> dict[str, str]:
        """Type the PIN at its page, and take what its form would post."""
        page = self.http.get("/request", params={"request": jws}).text
        hidden = dict(re.findall(r'name="(session|attempt)" value="([^"]+)"', page))
        sent = self.http.post("/sign", data=hidden | {"pin": "1234"}, headers=OURS).text
        return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]+)"', sent)}


@pytest.fixture
def pc(town: Town, clock: FixedClock) -> Iterator[Callable[[SoftwareSigner | None], WardPc]]:
    """Start the bridge of a PC, with a key or without."""
    services, started = town.services, list[TestClient]()
    deck = LocalDeck({"hanako": town.hanako.card})
    deck.insert("hanako")

    def start(key: SoftwareSigner | None) -> WardPc:
        jwk = services.keys.signer(KeyPurpose.REQUEST).public_jwk()
        enrolment = Enrolment([Pin(services.ward.issuer, answer_uri(services), jwk)])
        bridge = Bridge(enrolment, InProcessReader(deck), clock, PC, own_user_only=False, key=key)
        started.append(TestClient(create_bridge(bridge), base_url=PC))
        return WardPc(started[-1])

    yield start
    for client in started:
        client.close()


Start = Callable[[SoftwareSigner | None], WardPc]


def test_at_an_enrolled_pc_a_card_login_meets_what_must_resist_phishing(town: Town, pc: Start) -> None:
    enrol(town.services)
    i = needed(town.hanako)
    form = pc(KEY).answer(asked_of_card(town.hanako, i))
    assert set(form) == {"state", "container", "countersignature"}
    assert done(town.hanako, form).headers["location"] == "/account"
    assert resists(town.hanako) is True


def test_at_home_the_same_login_goes_on_and_does_not_meet_it(town: Town, pc: Start) -> None:
    enrol(town.services)
    i = needed(town.hanako)
    form = pc(None).answer(asked_of_card(town.hanako, i))
    assert set(form) == {"state", "container"}
    assert done(town.hanako, form).headers["location"] == f"/login?i={i}"
    assert resists(town.hanako) is False


def test_with_its_revocation_no_login_resists_phishing_any_more_and_none_ends(
    town: Town, portal: WardSystem
) -> None:
    services, hanako = town.services, town.hanako
    enrol(services)
    done(hanako, answer_to(hanako, asked_of_card(hanako, needed(hanako)), key=KEY))
    returned(authorize(hanako.http, portal))

    def standing() -> list[tuple[str, bool]]:
        """What the tokens of the portal rest on."""
        now = services.clock.now()
        with services.database.reading(services.ward.code) as session:
            ids = session.exec(select(AuthorizationRow.id)).all()
            found = load_standings(connection_of(session), services.ward.code, ids, now).values()
        logins = [one.live_login(now, services.thresholds) for one in found]
        return [(login.assurance.acr, login.assurance.meets(RESISTS, now)) for login in logins if login]

    (before,) = standing()
    assert (before[1], resists(hanako)) == (True, True)
    revoke(services)
    assert (standing(), resists(hanako)) == ([(before[0], False)], False)
    assert hanako.get("/account").status_code == 200


def test_a_bridge_that_was_revoked_is_as_good_as_one_at_home(town: Town) -> None:
    bridge = enrol(town.services)
    revoke(town.services)
    i = needed(town.hanako)
    answer = done(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i), key=KEY))
    assert answer.headers["location"] == f"/login?i={i}"
    assert resists(town.hanako) is False
    with town.services.database.reading(town.services.ward.code) as session:
        kept = session.exec(select(LoginSessionRow.evidence)).all()
    assert not any(bridge in text for text in kept)


def test_a_bridge_counts_in_the_wards_that_enrolled_it_alone(town: Town, pc: Start) -> None:
    with town.services.database.writing("131121") as unit:  # type: ignore[arg-type] # another ward
        bridges.enrol(unit, "介護窓口 1", KEY.public_jwk(), town.services.clock.now())
    form = pc(KEY).answer(asked_of_card(town.hanako, needed(town.hanako)))
    assert done(town.hanako, form).status_code == 400
    assert resists(town.hanako) is None


def bent(form: dict[str, str], signer: SoftwareSigner = KEY, typ: str = TYP, **claims: Any) -> dict[str, str]:
    """A countersignature with other claims."""
    said = dict(unverified_claims(form["countersignature"])) | claims
    said = {name: value for name, value in said.items() if value is not None}
    return form | {"countersignature": sign_compact(said, signer, typ=typ)}


STRANGER = SoftwareSigner.generate()
COLLEAGUE = SoftwareSigner.generate()
OTHER = b64url_encode(b"\x00" * 32)
WRONG: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "by a key that nobody enrolled": lambda form: bent(form, STRANGER, iss=STRANGER.kid),
    "by such a key in another's name": lambda form: bent(form, STRANGER),
    "by a colleague's bridge in another's name": lambda form: bent(form, COLLEAGUE),
    "over another container": lambda form: bent(form, container=OTHER),
    "over no container": lambda form: bent(form, container=None),
    "for another request": lambda form: bent(form, state="x"),
    "for another address": lambda form: bent(form, aud="https://evil.example/card/answer"),
    "for several addresses": lambda form: bent(form, aud=[form["state"]]),
    "too late": lambda form: bent(form, exp=1),
    "of the future": lambda form: bent(form, iat=32503680000),
    "of no time": lambda form: bent(form, iat=None),
    "without an end": lambda form: bent(form, exp=None),
    "of another type": lambda form: bent(form, typ="JWT"),
    "of nobody": lambda form: bent(form, iss=None),
    "of a name that no key has": lambda form: bent(form, iss="x\x00"),
    "no token": lambda form: form | {"countersignature": "x"},
    "too long": lambda form: bent(form, more="x" * 4096),
    "unsigned": lambda form: form | {"countersignature": form["countersignature"].rpartition(".")[0] + "."},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_countersignature_that_is_not_this_answers_is_refused_and_leaves_a_trace(
    town: Town, wrong: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    enrol(town.services)
    enrol(town.services, COLLEAGUE, "介護窓口 2")
    i = needed(town.hanako)
    form = answer_to(town.hanako, asked_of_card(town.hanako, i), key=KEY)
    answer = done(town.hanako, wrong(form))
    assert (answer.status_code, f'href="/login?i={i}' in answer.text) == (400, True)
    assert "登録されたものかどうか、確認できませんでした" in answer.text
    assert [leaf["clear"] for leaf in leaves(town.services, EventName.CARD_REFUSED)] == [
        {"code": "card.countersignature"}
    ]
    assert resists(town.hanako) is None
    assert town.hanako.get(f"/card/done?i={i}").status_code == 400


def test_a_countersignature_made_by_hand_counts_as_the_bridges_own(town: Town) -> None:
    enrol(town.services)
    form = answer_to(town.hanako, asked_of_card(town.hanako, needed(town.hanako)), key=KEY)
    assert done(town.hanako, bent(form)).headers["location"] == "/account"


def test_the_countersignature_of_one_login_is_none_of_another(town: Town) -> None:
    """Also of the same card at the same PC."""
    enrol(town.services)
    first = answer_to(town.hanako, asked_of_card(town.hanako, needed(town.hanako)), key=KEY)
    second = answer_to(town.hanako, asked_of_card(town.hanako, needed(town.hanako)))
    replayed = second | {"countersignature": first["countersignature"]}
    assert done(town.hanako, replayed).status_code == 400


def test_two_countersignatures_are_none(town: Town) -> None:
    enrol(town.services)
    form = answer_to(town.hanako, asked_of_card(town.hanako, needed(town.hanako)), key=KEY)
    twice: dict[str, Any] = form | {"countersignature": [form["countersignature"], ""]}
    assert bring(town.hanako, twice).status_code == 400


def test_a_login_that_waits_for_a_list_stays_countersigned(
    town: Town, authority: Any, clock: FixedClock
) -> None:
    enrol(town.services)
    i = needed(town.hanako)
    with without_lists(authority):
        waiting = done(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i), key=KEY))
        assert waiting.status_code == 503
        clock.advance(timedelta(minutes=4))
    assert town.hanako.get(f"/card/done?i={i}").headers["location"] == "/account"
    assert resists(town.hanako) is True


def test_an_answer_that_the_version_before_kept_is_taken_without_a_countersignature(town: Town) -> None:
    """Both serve side by side while a new version is brought in."""
    services, i = town.services, needed(town.hanako)
    brought = bring(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i)))
    with services.database.writing(services.ward.code) as unit:
        row = interactions.row_of(unit.session, services, i)
        place = interactions.place_of(row)
        kept = json.loads(services.vault.open_for("answer", row.answer or b"", place))
        old = {name: kept[name] for name in ("purpose", "until", "protected", "payload", "container")}
        row.answer = services.vault.seal_for("answer", json.dumps(old), place)
    assert town.hanako.get(brought.headers["location"]).status_code == 303
    assert resists(town.hanako) is False
