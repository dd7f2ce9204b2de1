"""Logging in with the national app: once, in the browser that began, as whoever added it and nobody else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance.events import EventName
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.tables import Person
from assurance.wards import Ward, WardCode
from card.jose import SoftwareSigner
from idp.app import create_app
from idp.keys import load_keys
from idp.login.flow import ask_to_log_in
from idp.services import Services
from idp.upstream import errand
from idp.upstream.provider import UpstreamProvider
from tests.conftest import NOW, FixedClock
from tests.delegation.conftest import Resident, Town
from tests.idp.conftest import WardSystem, authorize
from tests.idp.steps import answer_to, asked_of_card, begun, bring, follow, identity
from tests.shipped import THRESHOLDS
from tests.upstream.conftest import (
    IN_FULL,
    WAITING,
    National,
    at_login,
    brought_back,
    client_of,
    leaves,
    level_of,
    link,
    linked_and_counting,
    log_in,
    on_the_phone,
    path_of,
    query_of,
    sent_out,
)


def test_a_login_by_the_app_is_of_who_added_it_and_says_what_it_reached(
    town: Town, portal: WardSystem, clock: FixedClock
) -> None:
    linked_and_counting(town, clock)
    town.hanako.http.cookies.clear()
    i = begun(authorize(town.hanako.http, portal))
    claims = identity(portal, follow(town.hanako.http, log_in(town.hanako, "hanako", i=i)))
    assert (claims["acr"], claims["amr"]) == ("urn:dairi:acr:ial2:aal3", ["mfa"])
    assert claims["auth_time"] == int(clock.now().timestamp())
    assert "田中\u3000花子" in town.hanako.get("/account").text


def test_it_asks_for_no_attribute_and_names_what_it_wants(town: Town, national: National) -> None:
    asked = query_of(sent_out(town.hanako, at_login(town.hanako)))
    assert asked["scope"] == "openid"
    assert asked["acr_values"] == "aal3 crl"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{town.services.ward.issuer}/app/back"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3


def test_until_three_days_have_passed_it_counts_for_less(town: Town, clock: FixedClock) -> None:
    assert link(town.hanako, "hanako").status_code == 303
    assert log_in(town.hanako, "hanako").headers["location"] == "/account"
    assert level_of(town.hanako) == WAITING
    clock.advance(THRESHOLDS.linked_at_home_waits - timedelta(seconds=1))
    log_in(town.hanako, "hanako")
    assert level_of(town.hanako) == WAITING
    clock.advance(timedelta(seconds=1))
    log_in(town.hanako, "hanako")
    assert level_of(town.hanako) == IN_FULL


def test_whom_nobody_knows_is_told_what_to_do_and_no_person_is_made(town: Town) -> None:
    def everybody() -> int:
        with town.services.database.reading() as session:
            return len(session.exec(select(Person)).all())

    before, i = everybody(), at_login(town.hanako)
    told = log_in(town.hanako, "hanako", i=i)  # the same name and birth date as a person's proof
    assert (told.status_code, "まだ登録されていません" in told.text) == (400, True)
    assert "「あなたのページ」でアプリを登録" in told.text
    assert f'href="/login?i={i}"' in told.text
    assert (everybody(), level_of(town.hanako)) == (before, None)
    assert leaves(town.services, EventName.UPSTREAM_REFUSED) == [{"code": "app.unknown"}]


def test_rfc6749_4_1_2_1_who_says_no_on_the_phone_reads_a_sentence_and_may_choose_again(
    town: Town, clock: FixedClock
) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    told = log_in(town.hanako, "hanako", "no", i=i)
    assert (told.status_code, "とりやめになりました" in told.text) == (400, True)
    assert f'href="/login?i={i}"' in told.text
    assert log_in(town.hanako, "hanako", i=i).headers["location"] == "/account"


def test_removing_the_app_ends_what_it_logged_in(town: Town, clock: FixedClock) -> None:
    linked_and_counting(town, clock)
    log_in(town.hanako, "hanako")
    assert level_of(town.hanako) == IN_FULL
    elsewhere = TestClient(town.hanako.http.app, base_url=town.services.ward.origin, follow_redirects=False)
    other = Resident(town.hanako.person, "", town.hanako.card, elsewhere, town.services)
    other.log_in()
    assert other.post("/account/app/remove").status_code == 303
    assert level_of(town.hanako) is None
    assert "まだ登録されていません" in log_in(town.hanako, "hanako").text


def test_the_time_is_the_apps_own_so_that_an_old_session_there_is_no_fresh_login(
    town: Town, portal: WardSystem, clock: FixedClock, national: National
) -> None:
    linked_and_counting(town, clock)
    old = int((clock.now() - timedelta(minutes=30)).timestamp())
    national.claims = lambda claims: claims | {"auth_time": old}
    town.hanako.http.cookies.clear()
    i = begun(authorize(town.hanako.http, portal, prompt="login"))
    assert log_in(town.hanako, "hanako", i=i).headers["location"] == f"/login?i={i}"
    national.claims = lambda claims: {name: value for name, value in claims.items() if name != "auth_time"}
    assert log_in(town.hanako, "hanako", i=i).headers["location"] == f"/authorize/resume?i={i}"


# Where it is offered.


@pytest.mark.parametrize(
    ("requirement", "enough"),
    [
        (Requirement(), True),
        (Requirement(IN_FULL, fresh_within=timedelta(minutes=5)), True),
        (Requirement(Level(IAL.HIGH, AAL.CONTACT)), False),
        (Requirement(WAITING, phishing_resistant=True), False),
    ],
)
def test_the_page_offers_it_only_where_it_can_be_enough(
    town: Town, requirement: Requirement, enough: bool
) -> None:
    town.hanako.http.cookies.clear()
    out = ask_to_log_in(town.services, "/account", requirement)
    town.hanako.http.cookies.set(
        *out.headers["set-cookie"].split(";")[0].split("=", 1), domain=town.services.ward.rp_id
    )
    page = town.hanako.get(out.headers["location"])
    assert (page.status_code, 'action="/login/app"' in page.text) == (200, enough)


def test_without_being_configured_it_is_nowhere(town: Town, without_upstreams: Services) -> None:
    bare: Any = create_app([without_upstreams])
    with TestClient(bare, base_url=town.services.ward.origin, follow_redirects=False) as http:
        i = begun(http.get("/account"))
        assert "/login/app" not in http.get(f"/login?i={i}").text
        for path in ("/app/back", "/app/done", "/account/app"):
            assert http.get(path).status_code == 404, path
        http.cookies.update(town.hanako.http.cookies)
        assert "デジタル認証アプリ" not in http.get("/account").text


# One answer, in one browser.


def test_rfc9700_4_7_an_answer_is_good_once_and_for_ten_minutes(town: Town, clock: FixedClock) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    callback = on_the_phone(sent_out(town.hanako, i), "hanako")
    done = brought_back(town.hanako, callback)
    assert town.hanako.get(done).headers["location"] == "/account"
    for again in (path_of(callback), done):
        assert town.hanako.get(again).status_code == 400
    late = on_the_phone(sent_out(town.hanako, at_login(town.hanako)), "hanako")
    clock.advance(timedelta(minutes=10))
    told = town.hanako.get(path_of(late))
    assert (told.status_code, "location" in told.headers) == (400, False)


def test_an_answer_waits_two_minutes_for_its_page(town: Town, clock: FixedClock) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    done = brought_back(town.hanako, on_the_phone(sent_out(town.hanako, i), "hanako"))
    clock.advance(timedelta(seconds=120))
    told = town.hanako.get(done)
    assert (told.status_code, f'href="/login?i={i}"' in told.text) == (400, True)
    assert level_of(town.hanako) is None


@pytest.mark.parametrize(
    "query", ["", "code=c", "state=&code=c", "state=x&code=c", f"state={'0' * 32}&code=c"]
)
def test_rfc9700_4_7_a_callback_without_a_state_of_ours_is_nothing(town: Town, query: str) -> None:
    told = town.hanako.get(f"/app/back?{query}")
    assert (told.status_code, "set-cookie" in told.headers) == (400, False)


def test_what_a_callback_says_twice_or_at_great_length_is_refused(town: Town, clock: FixedClock) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    callback = path_of(on_the_phone(sent_out(town.hanako, i), "hanako"))
    for more in ("&code=other", "&state=other", "&iss=a&iss=b"):
        assert town.hanako.get(callback + more).status_code == 400
    assert town.hanako.get(f"{callback}&error={'e' * 2049}").status_code == 400
    assert town.hanako.get(callback).status_code == 400, "the state was spent"


def test_a_callback_with_neither_code_nor_error_is_refused_and_leads_back(town: Town) -> None:
    i = at_login(town.hanako)
    state = query_of(sent_out(town.hanako, i))["state"]
    told = town.hanako.get(brought_back(town.hanako, f"https://x/app/back?state={state}"))
    assert (told.status_code, f'href="/login?i={i}"' in told.text) == (400, True)


def test_rfc9700_4_5_a_code_of_another_session_is_worth_nothing(town: Town, clock: FixedClock) -> None:
    """Yuki puts a code of Hanako's into an answer of her own."""
    linked_and_counting(town, clock)
    stolen = query_of(on_the_phone(sent_out(town.hanako, at_login(town.hanako)), "hanako"))["code"]
    state = query_of(sent_out(town.yuki, at_login(town.yuki)))["state"]
    done = brought_back(town.yuki, f"https://x/app/back?state={state}&code={stolen}")
    told = town.yuki.get(done)
    assert (told.status_code, "確かめられませんでした" in told.text, level_of(town.yuki)) == (400, True, None)
    assert leaves(town.services, EventName.UPSTREAM_REFUSED) == [{"code": "upstream.refused"}]


def test_an_answer_that_someone_was_lured_into_logs_nobody_in(town: Town, clock: FixedClock) -> None:
    """Yuki begins a login, and sends Hanako the genuine link to the app."""
    linked_and_counting(town, clock)
    town.hanako.http.cookies.clear()
    i = at_login(town.yuki)
    callback = on_the_phone(sent_out(town.yuki, i), "hanako")
    done = brought_back(town.hanako, callback)  # in the browser of who held the phone
    harvested = town.yuki.get(done)
    assert (harvested.status_code, level_of(town.yuki)) == (400, None)
    lured = town.hanako.get(done)
    assert (lured.status_code, level_of(town.hanako)) == (400, None)
    assert len(leaves(town.services, EventName.UPSTREAM_ANSWER_FOREIGN)) == 1
    assert not leaves(town.services, EventName.LOGIN_RAISED)
    assert town.yuki.get(f"/login?i={i}").status_code == 400, "the interaction was burnt"


def test_nobody_is_logged_in_as_someone_else_by_opening_that_persons_answer(
    town: Town, clock: FixedClock
) -> None:
    """Hanako opens a callback of Yuki's own login, unspent (RFC 6819 §4.4.1.8)."""
    linked_and_counting(town, clock)
    town.hanako.http.cookies.clear()
    callback = on_the_phone(sent_out(town.yuki, at_login(town.yuki)), "hanako")
    told = town.hanako.get(brought_back(town.hanako, callback))
    assert (told.status_code, level_of(town.hanako)) == (400, None)


def test_a_cards_answer_is_none_at_the_apps_page_nor_the_apps_at_the_cards(
    town: Town, clock: FixedClock
) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    assert bring(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i))).status_code == 303
    told = town.hanako.get(f"/app/done?i={i}")
    assert (told.status_code, f'href="/login?i={i}"' in told.text) == (400, True)
    done = brought_back(town.hanako, on_the_phone(sent_out(town.hanako, i), "hanako"))
    assert town.hanako.get(f"/card/done?i={i}").status_code == 400
    assert town.hanako.get(done).headers["location"] == "/account", "neither page used it up"


def test_rfc9700_4_4_an_answer_of_one_upstream_is_none_at_anothers_callback(
    town: Town, clock: FixedClock, upstream: UpstreamProvider, national: National, ward_key: SoftwareSigner
) -> None:
    linked_and_counting(town, clock)
    other = client_of(national.issuer, ward_key, clock)
    other.name = "other"
    i = at_login(town.hanako)
    with town.services.database.writing(town.services.ward.code) as unit:
        address = errand.ask(unit, town.services, other, upstream.authorization_endpoint(), i, "openid")
    state = query_of(address)["state"]
    assert query_of(address)["redirect_uri"].endswith("/other/back")
    assert town.hanako.get(f"/app/back?state={state}&code=c").status_code == 400
    assert town.hanako.get(f"/app/back?state={state}&code=c").status_code == 400
    other.close()


@pytest.fixture
def neighbour(
    services: Services, national: National, ward_key: SoftwareSigner, clock: FixedClock
) -> Iterator[Services]:
    """A second ward of the same service, which applied for itself."""
    ward = Ward(WardCode("131121"), "https://setagaya.id.example")
    keys = load_keys(services.database, services.vault, ward.code, NOW)
    upstream = client_of(national.issuer, ward_key, clock, client_id="RP2")
    yield replace(services, ward=ward, keys=keys, app=upstream)
    upstream.close()


def test_what_belongs_to_another_ward_is_unknown_here_and_so_is_its_sub(
    town: Town, neighbour: Services, clock: FixedClock
) -> None:
    linked_and_counting(town, clock)
    both: Any = create_app([town.services, neighbour])
    with TestClient(both, base_url=neighbour.ward.origin, follow_redirects=False) as http:
        there = Resident(town.hanako.person, "", town.hanako.card, http, neighbour)
        i = at_login(there)
        callback = path_of(on_the_phone(sent_out(there, i), "hanako"))
        here = town.hanako.get(callback)
        assert (here.status_code, "set-cookie" in here.headers) == (400, False)
        told = there.get(brought_back(there, callback))
        assert "まだ登録されていません" in told.text
