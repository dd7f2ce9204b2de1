"""The national app is down: its button alone is out of order, a sentence says so, and nothing is lost."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from starlette.types import Receive, Scope, Send

from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.idp.steps import asked_of_card
from tests.upstream.conftest import (
    SHORT_S,
    Line,
    at_login,
    brought_back,
    level_of,
    link,
    linked_and_counting,
    on_the_phone,
    query_of,
    says,
    sent_out,
)

SENTENCE = "いま返事がありません"


def test_where_it_cannot_be_begun_the_other_ways_stay_open(town: Town, line: Line) -> None:
    line.says["openid-configuration"] = says(503)
    i = at_login(town.hanako)
    told = town.hanako.post("/login/app", i=i)
    assert (told.status_code, told.headers["retry-after"], SENTENCE in told.text) == (503, "5", True)
    assert f'href="/login?i={i}"' in told.text
    assert town.hanako.answer(asked_of_card(town.hanako, i)).headers["location"] == "/account"
    told = town.hanako.post("/account/app")
    assert (told.status_code, 'href="/account/app"' in told.text) == (503, True)


@pytest.mark.parametrize("instead", [says(502, "<html>"), says(302, location="http://127.0.0.1:9/")])
def test_an_answer_waits_for_it_and_is_finished_without_the_phone(
    town: Town, line: Line, clock: FixedClock, instead: Any
) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    done = brought_back(town.hanako, on_the_phone(sent_out(town.hanako, i), "hanako"))
    line.says["token"] = instead
    told = town.hanako.get(done)
    assert (told.status_code, told.headers["retry-after"], SENTENCE in told.text) == (503, "5", True)
    assert f'href="?i={i}">もう一度試す' in told.text
    line.says.clear()
    assert town.hanako.get(done).headers["location"] == "/account"


@pytest.mark.parametrize("patience_s", [SHORT_S])
def test_a_slow_phone_costs_a_second_try_and_no_second_login(town: Town, clock: FixedClock) -> None:
    linked_and_counting(town, clock)
    i = at_login(town.hanako)
    done = brought_back(town.hanako, on_the_phone(sent_out(town.hanako, i), "hanako", "slow"))
    assert town.hanako.get(done).status_code == 503
    assert town.hanako.get(done).headers["location"] == "/account"


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        ("temporarily_unavailable", 503, SENTENCE),
        ("server_error", 503, SENTENCE),
        ("login_required", 400, "確かめられませんでした"),
        ("<script>", 400, "確かめられませんでした"),
        ("access_denied", 400, "とりやめになりました"),
    ],
)
def test_rfc6749_4_1_2_1_what_it_answers_instead_of_a_code_is_a_sentence(
    town: Town, error: str, status: int, sentence: str
) -> None:
    i = at_login(town.hanako)
    state = query_of(sent_out(town.hanako, i))["state"]
    told = town.hanako.get(
        brought_back(town.hanako, f"https://x/app/back?state={state}&error={quote(error)}")
    )
    assert (told.status_code, sentence in told.text, "script>" in told.text) == (status, True, False)
    assert level_of(town.hanako) is None


def test_someone_elses_network_is_waited_for_outside_of_the_one_write_lock(town: Town, line: Line) -> None:
    """While one person's answer is fetched, another logs in by card."""
    assert link(town.hanako, "hanako").status_code == 303
    i, other = at_login(town.hanako), at_login(town.yuki)
    done = brought_back(town.hanako, on_the_phone(sent_out(town.hanako, i), "hanako"))
    meanwhile: list[Any] = []

    async def after_the_other(scope: Scope, receive: Receive, send: Send) -> None:
        meanwhile.append(await asyncio.to_thread(lambda: town.yuki.answer(asked_of_card(town.yuki, other))))
        await line.service(scope, receive, send)

    line.says["token"] = after_the_other
    assert town.hanako.get(done).headers["location"] == "/account"
    assert meanwhile[0].headers["location"] == "/account"
