"""A resident's own page of the audit log: their leaves in their language, nobody else's, the newest first."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from assurance.events import Event, EventName
from assurance.evidence import Authentication, EmailCode
from card.pages import LOCALES
from delegation.pages.records import SAID
from tests.conftest import FixedClock
from tests.delegation.audit.log import number_all
from tests.delegation.conftest import Resident, Town
from tests.delegation.test_acting import act, decider, question
from tests.idp.conftest import WardSystem
from tests.shipped import PAGES

__all__ = ["decider"]


def number(town: Town) -> None:
    number_all(town.services.database, town.services.ward, town.services.keys.log)


def records(who: Resident, query: str = "", lang: str = "ja") -> list[str]:
    page = who.get(f"/records?lang={lang}{query}")
    assert page.status_code == 200
    entries = page.text.partition('<ul class="records">')[2]
    return [re.sub(r"<.*", "", entry).strip() for entry in re.findall(r"<li>(.*)\n", entries)]


def record(town: Town, who: Resident, event: EventName, **told: str) -> None:
    services = town.services
    with services.database.writing(services.ward.code) as unit:
        unit.record(Event(event, unit.ward, services.clock.now(), {who.person: told}))


def test_both_sides_read_what_happened_each_in_words_of_their_own(
    town: Town, portal: WardSystem, decider: Callable[..., Any], clock: FixedClock
) -> None:
    grant = town.active()
    clock.advance(timedelta(seconds=1))
    token = act(town, portal, grant)["access_token"]
    clock.advance(timedelta(seconds=1))
    for _ in range(3):
        assert decider(question(token)).json()["decision"]
    number(town)
    system = portal.client.name["ja"]
    principal = records(town.hanako)
    filed = f"{system}で「要介護・要支援認定の更新申請」（申請する）が行われました。"
    assert principal[:2] == [filed, f"代わりの人が、{system}を使い始めました。"]
    assert set(principal) > {
        "委任状に署名されました。",
        "委任が始まりました。",
        "窓口で本人であることを確認しました。",
        "ログインしました（マイナンバーカード）。",
    }
    delegate = records(town.yuki)
    assert delegate[:2] == [filed, f"{system}にログインしました。"]
    assert "確認の数字が合いました。" not in delegate
    assert (
        records(town.hanako, lang="en")[1]
        == f"Someone acting for you began to use {portal.client.name['en']}."
    )
    assert f'href="/grants/{grant}"' in town.hanako.get("/records").text


def test_the_record_is_for_two_factors(town: Town) -> None:
    services = town.services
    mac = services.vault.mac(services.ward.code, "email", town.hanako.address)
    town.hanako.log_in(EmailCode(services.clock.now(), mac))
    answer = town.hanako.get("/records")
    assert (answer.status_code, answer.headers["location"].startswith("/login?i=")) == (303, True)


def test_older_records_are_a_page_further(town: Town, clock: FixedClock) -> None:
    for day in range(60):
        record(town, town.hanako, EventName.PASSKEY_ADDED)
        record(town, town.hanako, EventName.PASSKEY_REMOVED)
        number(town)
        clock.advance(timedelta(minutes=1 + day % 2))
    page = town.hanako.get("/records").text
    older = re.search(r"/records\?before=(\d+)", page)
    assert older is not None
    assert len(records(town.hanako)) == 100
    rest = records(town.hanako, f"&before={older[1]}")
    assert (len(rest), rest[-1]) == (20 + 5, "あなたの登録が作られました。")
    for nonsense in ("x", "-1", "９", "9" * 30):
        assert records(town.hanako, f"&before={nonsense}") == records(town.hanako)


def test_what_a_system_made_up_is_shown_as_it_is_and_a_look_in_vain_is_not(town: Town) -> None:
    told = {"procedure": "<b>?", "action": "<i>", "caller": "nobody"}
    record(town, town.hanako, EventName.DECISION_DENIED, **told)
    record(town, town.hanako, EventName.DECISION_DENIED, **(told | {"action": "view"}))
    record(town, town.hanako, EventName.TOKEN_REFRESHED)
    page = town.hanako.get("/records").text
    assert "nobodyで「&lt;b&gt;?」（&lt;i&gt;）はできませんでした。" in page
    assert page.count("nobody") == 1


@pytest.mark.parametrize("locale", LOCALES)
def test_every_event_and_every_method_has_a_sentence(locale: str) -> None:
    known = PAGES.catalogue.texts[locale]
    for event in SAID:
        assert f"delegation.record.{event.replace(':', '.')}" in known
    for kind in get_args(Authentication):
        assert f"delegation.record.by.{kind.__name__}" in known
