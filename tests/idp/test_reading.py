"""What is printed on a card at the counter, handed to a ward system (RFC 9396 §2, §7)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance import roles
from assurance.person import PersonId
from assurance.roles import Role
from card.attributes import PrintedAttributes
from card.jose import unverified_claims
from card.printed import write_printed
from card.request import EnrolledIssuer, ReadingRequest, read_request
from delegation.audit.tables import LeafRow
from delegation.client import PRINTED_TYPE, asking_for_printed
from idp.card_requests import answer_uri
from idp.keys import KeyPurpose
from idp.services import Services
from idp.tables import CodeRow, InteractionRow, OAuthClientRow
from tests.conftest import FixedClock
from tests.idp.conftest import LogIn, WardSystem, authorize, redeem, returned
from tests.idp.steps import follow

HANAKO = PrintedAttributes("田中\u3000花子", "東京都渋谷区１－１", date(1948, 5, 3), "2")


@pytest.fixture
def system(new_system: Callable[..., WardSystem]) -> WardSystem:
    return new_system("counter", reads_cards=True)


@pytest.fixture
def clerk(services: Services, log_in: LogIn) -> PersonId:
    person = log_in(name="職員\u3000一郎")
    with services.database.writing(services.ward.code) as unit:
        roles.give(unit, person, Role.STAFF, services.clock.now(), None)
    return person


def ask(browser: TestClient, system: WardSystem, **changes: str | None) -> Any:
    return authorize(browser, system, authorization_details=asking_for_printed(), **changes)


def asked(services: Services, answer: Any) -> ReadingRequest:
    """The request that the bridge gets."""
    jws = answer.headers["location"].removeprefix(f"{services.bridge_url}/request?request=")
    keys = services.keys.key_set(KeyPurpose.REQUEST)
    pinned = EnrolledIssuer(services.ward.issuer, answer_uri(services), keys)
    request = read_request(jws, {pinned.issuer: pinned}, services.clock.now())
    assert isinstance(request, ReadingRequest)
    return request


def bring(browser: TestClient, request: ReadingRequest, container: str) -> Any:
    form = {"state": request.state, "container": container}
    return browser.post("/card/answer", data=form, headers={"origin": "null"})


def shown(
    browser: TestClient, services: Services, system: WardSystem, container: str = ""
) -> tuple[str, Any]:
    """Read a card; the interaction, and the page that shows what was read."""
    request = asked(services, ask(browser, system))
    brought = bring(browser, request, container or write_printed(HANAKO))
    (i,) = parse_qs(urlsplit(request.cancel_uri).query)["i"]
    return i, follow(browser, brought)


def say_yes(browser: TestClient, services: Services, i: str) -> Any:
    return browser.post("/authorize/read", data={"i": i}, headers={"origin": services.ward.origin})


def details_of(answer: Any) -> Any:
    return answer.json().get("authorization_details")


def test_what_is_printed_comes_with_the_token_response_once_and_stays_nowhere(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, page = shown(browser, services, system)
    assert (page.status_code, HANAKO.name in page.text, "1948年（昭和23年）5月3日" in page.text) == (
        200,
        True,
        True,
    )
    code = returned(say_yes(browser, services, i))["code"]
    tokens = redeem(system, code)
    assert details_of(tokens) == [
        {
            "type": PRINTED_TYPE,
            "name": HANAKO.name,
            "address": HANAKO.address,
            "birthdate": "1948-05-03",
            "sex": "2",
        }
    ]
    access = unverified_claims(tokens.json()["access_token"])
    assert "authorization_details" not in access
    assert "act" not in access
    refreshed = system.post(
        "/token", {"grant_type": "refresh_token", "refresh_token": tokens.json()["refresh_token"]}
    )
    assert (refreshed.status_code, details_of(refreshed)) == (200, None)
    with services.database.reading() as session:
        assert [row.printed for row in session.exec(select(CodeRow)).all()] == [None]
        assert session.exec(select(InteractionRow)).all() == []
        leaves = [json.loads(row.content) for row in session.exec(select(LeafRow)).all()]
    assert [leaf for leaf in leaves if leaf["event"] == "counter:attributes:handed"]
    assert HANAKO.name not in json.dumps(leaves, ensure_ascii=False)


def test_before_it_is_redeemed_it_is_kept_sealed(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, _ = shown(browser, services, system)
    say_yes(browser, services, i)
    with services.database.reading() as session:
        (row,) = session.exec(select(CodeRow)).all()
    assert row.printed is not None
    assert HANAKO.name.encode() not in row.printed


def test_an_unknown_birth_date_is_told_as_empty(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, page = shown(browser, services, system, write_printed(replace(HANAKO, birth_date=None, sex="9")))
    assert "わかりません" in page.text
    tokens = redeem(system, returned(say_yes(browser, services, i))["code"])
    assert (details_of(tokens)[0]["birthdate"], details_of(tokens)[0]["sex"]) == ("", "9")


# Who may.


def test_a_resident_reads_no_card_whatever_they_log_in_with(
    browser: TestClient, services: Services, system: WardSystem, log_in: LogIn
) -> None:
    log_in()
    assert returned(ask(browser, system))["error"] == "access_denied"


def test_staff_whose_role_ends_meanwhile_hand_nothing_over(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, _ = shown(browser, services, system)
    with services.database.writing(services.ward.code) as unit:
        roles.end(unit, clerk, Role.STAFF, services.clock.now())
    assert returned(say_yes(browser, services, i))["error"] == "access_denied"


def test_oidc_core_3_1_2_1_someone_else_than_the_hint_names_hands_nothing_over(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId, log_in: LogIn
) -> None:
    hint = redeem(system, returned(authorize(browser, system))["code"]).json()["id_token"]
    request = asked(services, ask(browser, system, id_token_hint=hint))
    bring(browser, request, write_printed(HANAKO))
    (i,) = parse_qs(urlsplit(request.cancel_uri).query)["i"]
    follow(browser, browser.get(f"/card/done?i={i}"))
    other = log_in(name="職員\u3000二郎")
    with services.database.writing(services.ward.code) as unit:
        roles.give(unit, other, Role.STAFF, services.clock.now(), None)
    answer = say_yes(browser, services, i)
    assert answer.headers["location"] == f"/authorize/resume?i={i}"
    assert returned(browser.get(answer.headers["location"]))["error"] == "login_required"


def test_a_system_that_is_not_registered_for_it_is_refused_by_rfc_9396_5(
    browser: TestClient, portal: WardSystem, clerk: PersonId
) -> None:
    assert returned(ask(browser, portal))["error"] == "invalid_authorization_details"


def test_a_system_that_lost_the_right_gets_nothing(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, _ = shown(browser, services, system)
    with services.database.writing(services.ward.code) as unit:
        row = unit.session.get(OAuthClientRow, (unit.ward, "counter"))
        assert row is not None
        row.reads_cards = False
    assert say_yes(browser, services, i).status_code == 400


@pytest.mark.parametrize("member", ["grant", "name", "attributes"])
def test_other_members_are_refused_by_rfc_9396_5(
    browser: TestClient, system: WardSystem, clerk: PersonId, member: str
) -> None:
    details = json.dumps([{"type": PRINTED_TYPE, member: "x"}])
    answer = returned(authorize(browser, system, authorization_details=details))
    assert answer["error"] == "invalid_authorization_details"


def test_without_a_page_nothing_is_read(browser: TestClient, system: WardSystem, clerk: PersonId) -> None:
    assert returned(ask(browser, system, prompt="none"))["error"] == "interaction_required"


# What comes back from the bridge.


@pytest.mark.parametrize(
    "container",
    [
        "",
        "{}",
        "[]",
        '{"name":"a","address":"b","birth_date":"19480503","sex":"2","number":"1"}',
        '{"name":"a","address":"b","birth_date":"19481399","sex":"2"}',
        '{"name":"","address":"b","birth_date":"19480503","sex":"2"}',
        '{"name":"a","address":"b","birth_date":"19480503","sex":"7"}',
        '{"name":"a","name":"b","address":"b","birth_date":"19480503","sex":"2"}',
        '{"name":"a\u202eb","address":"b","birth_date":"19480503","sex":"2"}',
        json.dumps({"name": "a" * 201, "address": "b", "birth_date": "19480503", "sex": "2"}),
        '{"protected":"e30","payload":"e30","signature":"","header":{"x5c":[]}}',
    ],
)
def test_what_is_not_exactly_the_four_is_refused_and_costs_the_request(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId, container: str
) -> None:
    request = asked(services, ask(browser, system))
    assert bring(browser, request, container).status_code == 400
    assert bring(browser, request, write_printed(HANAKO)).status_code == 400


def test_a_number_that_may_be_a_my_number_goes_no_further(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, page = shown(
        browser, services, system, write_printed(replace(HANAKO, address="１２３４５６７８９０１８"))
    )
    assert page.status_code == 400
    assert say_yes(browser, services, i).headers["location"] == f"/authorize/resume?i={i}"


def test_what_was_read_for_one_browser_is_not_shown_in_another(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId, app: Any
) -> None:
    request = asked(services, ask(browser, system))
    with TestClient(app, base_url=services.ward.origin, follow_redirects=False) as other:
        answer = follow(other, bring(other, request, write_printed(HANAKO)))
        assert (answer.status_code, HANAKO.name in answer.text) == (400, False)
    (i,) = parse_qs(urlsplit(request.cancel_uri).query)["i"]
    assert say_yes(browser, services, i).status_code == 400


def test_she_may_say_no_before_and_after_it_is_read(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    before = asked(services, ask(browser, system))
    stopped = browser.get(before.cancel_uri.removeprefix(services.ward.origin))
    assert returned(stopped)["error"] == "access_denied"
    i, _ = shown(browser, services, system)
    assert returned(browser.get(f"/authorize/unread?i={i}"))["error"] == "access_denied"
    assert say_yes(browser, services, i).status_code == 400


def test_the_picker_s_address_answers_no_reading(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId
) -> None:
    i, _ = shown(browser, services, system)
    own = {"origin": services.ward.origin}
    answer = browser.post("/authorize/act", data={"i": i, "acting": "self"}, headers=own)
    assert answer.headers["location"] == f"/login?i={i}"


def test_it_ends_with_its_request(
    browser: TestClient, services: Services, system: WardSystem, clerk: PersonId, clock: FixedClock
) -> None:
    request = asked(services, ask(browser, system))
    clock.advance(timedelta(minutes=5))
    assert bring(browser, request, write_printed(HANAKO)).status_code == 400
