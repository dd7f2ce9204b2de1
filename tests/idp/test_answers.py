"""What the bridge brought back: taken once, in its own browser, and lost by nobody's fault but the card's."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from assurance import card_login
from assurance.database import StorageUnavailable
from assurance.events import EventName
from card.faults import Fault
from card.test_authority import Holder, TestAuthority
from card.virtual.card import VirtualCard
from delegation import signing
from delegation.audit.tables import LeafRow
from delegation.tables import GrantRow, MandateRow
from idp import answers
from idp.services import Services
from tests.conftest import NOW, FixedClock
from tests.delegation.conftest import Resident, Town, authority, cards, linked, staff, thresholds, town
from tests.idp.conftest import WardSystem, authorize, returned
from tests.idp.steps import answer_to, asked_of_card, begun, bring, follow

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]


@contextmanager
def without_lists(authority: TestAuthority) -> Iterator[None]:
    """The ward's revocation lists are gone for a while."""
    kept = {path: path.read_bytes() for path in authority.crl_folder.glob("*.crl")}
    for path in kept:
        path.unlink()
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def leaves(services: Services, name: EventName) -> Sequence[dict[str, Any]]:
    """The clear fields of a kind of event."""
    with services.database.reading() as session:
        found = [json.loads(row.content) for row in session.exec(select(LeafRow)).all()]
    return [leaf for leaf in found if leaf["event"] == name]


def at_login(resident: Resident) -> str:
    resident.http.cookies.clear()
    return begun(resident.get("/account"))


def cookies_named(http: TestClient, part: str) -> list[str]:
    return [cookie.name for cookie in http.cookies.jar if part in cookie.name]


def test_without_a_revocation_list_a_login_waits_and_is_finished_without_a_new_signature(
    town: Town, authority: TestAuthority, clock: FixedClock
) -> None:
    i = at_login(town.hanako)
    with without_lists(authority):
        waiting = town.hanako.answer(asked_of_card(town.hanako, i))
        assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "5")
        assert re.search(rf'href="\?i={i}">もう一度試す', waiting.text)
        clock.advance(timedelta(minutes=4))
        assert town.hanako.get(f"/card/done?i={i}").status_code == 503
    assert town.hanako.get(f"/card/done?i={i}").headers["location"] == "/account"
    assert not leaves(town.services, EventName.CARD_REFUSED)


def test_a_login_waits_for_a_revocation_list_no_longer_than_its_request_lasts(
    town: Town, authority: TestAuthority, clock: FixedClock
) -> None:
    i = at_login(town.hanako)
    with without_lists(authority):
        assert town.hanako.answer(asked_of_card(town.hanako, i)).status_code == 503
    clock.advance(timedelta(minutes=5))
    late = town.hanako.get(f"/card/done?i={i}")
    assert (late.status_code, "有効時間が過ぎました" in late.text) == (400, True)
    assert f'href="/login?i={i}"' in late.text


def test_without_a_revocation_list_a_mandate_waits_and_is_signed_once(
    town: Town, authority: TestAuthority, clock: FixedClock
) -> None:
    grant = town.compared()
    with without_lists(authority):
        waiting = town.hanako.sign(grant)
        assert waiting.status_code == 503
        clock.advance(timedelta(minutes=20))
    again = re.search(r'href="(\?i=\w+)"', waiting.text)
    assert again is not None
    assert town.hanako.get(f"/card/done{again[1]}").status_code == 303
    assert town.row(grant).state == "active"


def test_a_login_that_ended_while_she_signed_costs_no_second_signature(town: Town) -> None:
    grant = town.compared()
    page = town.hanako.post(f"/grants/{grant}/sign")
    found = re.search(r'name="request" value="([^"]+)"', page.text)
    assert found is not None
    town.hanako.http.cookies.delete(f"__Host-dairi-{town.services.ward.code}-login")
    i = begun(town.hanako.answer(found[1]))
    done = follow(town.hanako.http, town.hanako.answer(asked_of_card(town.hanako, i)))
    assert done.status_code == 200
    assert town.row(grant).state == "active"


def test_a_database_that_is_down_leaves_the_answer_waiting(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    i = at_login(town.hanako)
    with monkeypatch.context() as broken:
        broken.setattr(card_login, "log_in", fails(StorageUnavailable()))
        assert town.hanako.answer(asked_of_card(town.hanako, i)).status_code == 503
    assert town.hanako.get(f"/card/done?i={i}").headers["location"] == "/account"


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_an_answer_that_was_taken_is_gone_and_leads_on(town: Town, portal: WardSystem) -> None:
    town.hanako.http.cookies.clear()
    i = begun(authorize(town.hanako.http, portal))
    assert town.hanako.answer(asked_of_card(town.hanako, i)).headers["location"] == f"/authorize/resume?i={i}"
    assert not cookies_named(town.hanako.http, f"-a-{i}")
    again = town.hanako.get(f"/card/done?i={i}")
    assert (again.status_code, "有効時間が過ぎました" in again.text) == (400, True)
    assert f'href="/login?i={i}"' in again.text
    assert "code" in returned(follow(town.hanako.http, town.hanako.get(f"/login?i={i}")))
    assert not leaves(town.services, EventName.CARD_ANSWER_FOREIGN)


def test_of_two_that_take_an_answer_at_once_one_wins(
    town: Town, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    i, ward, both = at_login(town.hanako), town.services.ward, threading.Barrier(2)
    brought = bring(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i))).headers["location"]
    tabs = [TestClient(app, base_url=ward.origin, follow_redirects=False) for _ in range(2)]
    for tab in tabs:
        for cookie in town.hanako.http.cookies.jar:
            tab.cookies.set(cookie.name, cookie.value or "", domain=ward.rp_id)
    real = answers.brought

    def at_once(*arguments: Any) -> answers.Brought:
        found = real(*arguments)
        both.wait(10)
        return found

    monkeypatch.setattr(answers, "brought", at_once)
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda tab: tab.get(brought), tabs))
    assert sorted(answer.status_code for answer in told) == [303, 400]
    assert any("有効時間が過ぎました" in answer.text for answer in told)
    assert not leaves(town.services, EventName.CARD_ANSWER_FOREIGN)
    assert len(leaves(town.services, EventName.LOGIN_SUCCEEDED)) == 3  # both residents at the start, and this


@pytest.mark.parametrize("lacks", ["-a-", "-i-"])
def test_an_answer_in_another_browser_burns_the_interaction_and_is_audited(town: Town, lacks: str) -> None:
    i = at_login(town.hanako)
    brought = bring(town.hanako, answer_to(town.hanako, asked_of_card(town.hanako, i))).headers["location"]
    (lost,) = cookies_named(town.hanako.http, f"{lacks}{i}")
    kept = town.hanako.http.cookies[lost]
    town.hanako.http.cookies.delete(lost)
    foreign = town.hanako.get(brought)
    assert (foreign.status_code, "違うため、続けられません" in foreign.text) == (400, True)
    assert 'href="/account"' in foreign.text
    assert not cookies_named(town.hanako.http, i)
    town.hanako.http.cookies.set(lost, kept, domain=town.services.ward.rp_id)
    assert town.hanako.get(brought).status_code == 400
    assert len(leaves(town.services, EventName.CARD_ANSWER_FOREIGN)) == 1


def test_a_card_that_is_refused_at_login_leaves_a_trace_and_a_way_on(
    town: Town, authority: TestAuthority
) -> None:
    unlinked = authority.issue_card(Holder("佐藤\u3000一", date(1960, 1, 1), "1", "東京都渋谷区"), NOW)
    i = at_login(town.hanako)
    refused = town.hanako.answer(asked_of_card(town.hanako, i), unlinked)
    assert refused.status_code == 400
    assert f'href="/login?i={i}"' in refused.text
    assert [leaf["clear"] for leaf in leaves(town.services, EventName.CARD_REFUSED)] == [
        {"code": "card.unknown"}
    ]
    assert town.hanako.get(f"/card/done?i={i}").status_code == 400
    assert town.hanako.answer(asked_of_card(town.hanako, i)).status_code == 303


def test_a_mandate_that_is_refused_leaves_a_trace_and_nothing_else(
    town: Town, monkeypatch: pytest.MonkeyPatch, cards: dict[str, VirtualCard]
) -> None:
    grant = town.compared()
    assert town.hanako.sign(grant, cards["田中由紀"]).status_code == 403
    real = signing.take_in

    def half_way(unit: Any, *arguments: Any) -> Any:
        real(unit, *arguments)
        raise Fault("grant.not_now")

    monkeypatch.setattr(signing, "take_in", half_way)
    assert town.hanako.sign(grant).status_code == 400
    codes = [leaf["clear"]["code"] for leaf in leaves(town.services, EventName.MANDATE_REFUSED)]
    assert codes == ["mandate.signer", "grant.not_now"]
    assert not leaves(town.services, EventName.MANDATE_SIGNED)
    with town.services.database.reading() as session:
        assert session.exec(select(MandateRow)).all() == []
        assert session.exec(select(GrantRow)).one().state == "accepted"
    assert not cookies_named(town.hanako.http, "-i-")
