"""From the proposal to the mandate, through the pages, on both databases."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlmodel import col, select, update
from starlette.testclient import TestClient

from assurance.evidence import EmailCode
from assurance.person import Profile
from card.dates import add_months, ward_day
from card.faults import Fault
from card.revocation import NoRevocation
from delegation import accepting, mandate
from delegation.tables import GrantRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town


def advance(town: Town, days: int) -> None:
    assert isinstance(town.services.clock, FixedClock)
    town.services.clock.advance(timedelta(days=days))
    town.hanako.log_in()


def by_email(resident: Resident) -> None:
    now, ward = resident.services.clock.now(), resident.services.ward.code
    resident.log_in(EmailCode(now, resident.services.vault.mac(ward, "email", resident.address)))


def test_a_grant_is_proposed_accepted_compared_signed_and_ended(town: Town) -> None:
    grant = town.active()
    assert "代わりに次の手続きができます" in town.hanako.get(f"/grants/{grant}").text
    assert "田中\u3000花子さんの代わりに" in town.yuki.get(f"/grants/{grant}").text
    told = [mail.to for mail in town.mail.sent]
    assert told == ["yuki@example.jp", "hanako@example.jp", "hanako@example.jp", "yuki@example.jp"]
    assert not any("認定" in mail.body + mail.subject for mail in town.mail.sent)
    assert town.hanako.post(f"/grants/{grant}/end").status_code == 303
    assert town.yuki.post(f"/grants/{grant}/end").status_code == 400
    assert "もう何もできません" in town.hanako.get(f"/grants/{grant}").text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"address": "ｈａｎａｋｏ@example.jp"}, "自分自身"),
        ({"last": "2026-11-23"}, "過ぎています"),
        ({"last": "いつまでも"}, "読み取れません"),
        ({"last": "2027-02-24"}, "2027年（令和9年）2月23日までの日"),
        ({"procedure": ["inkan.register"]}, "お願いできないもの"),
        ({"procedure": []}, "一つ以上"),
        ({"action": []}, "一つ以上"),
        ({"name": "  "}, "名前を入力"),
        ({"name": "1234 5678 9018"}, "マイナンバー（12けたの番号）は"),
        ({"address": "yuki"}, "形が正しくない"),
    ],
)
def test_what_cannot_be_given_is_refused_and_nothing_typed_is_lost(
    town: Town, changes: dict[str, Any], says: str
) -> None:
    answer = town.hanako.propose(town.yuki, **changes)
    assert answer.status_code == 400
    assert says in answer.text
    assert str(changes.get("address", town.yuki.address)) in answer.text
    assert not town.mail.sent


def test_what_was_typed_outlives_the_login_and_comes_back_to_its_writer_alone(
    town: Town, clock: FixedClock
) -> None:
    writer = re.search(r'name="writer" value="([^"]+)"', town.hanako.get("/grants/new").text)
    assert writer is not None
    clock.advance(timedelta(hours=9))
    asked = town.hanako.propose(town.yuki, writer=writer[1])
    assert (asked.status_code, asked.headers["location"].startswith("/login?i=")) == (303, True)
    on_the_way = dict(town.hanako.http.cookies)
    back = f"/grants/new?kept={asked.headers['location'].rpartition('=')[2]}"
    town.yuki.log_in()
    for who, sees in ((town.yuki, False), (town.hanako, True)):
        who.log_in()
        assert town.yuki.address not in who.get(back).text  # another browser
        for name, cookie in on_the_way.items():
            if "-i-" in name:
                who.http.cookies.set(name, cookie, domain=town.services.ward.rp_id)
        page = who.get(back)
        assert (page.status_code, town.yuki.address in page.text) == (200, sees)
        assert (page.text.count(" checked") == 5) is sees  # two procedures, three actions
    assert not town.mail.sent


def test_rfc5321_2_4_nobody_asks_themselves_in_other_letters(town: Town) -> None:
    answer = town.hanako.propose(town.hanako, address="HANAKO@Example.jp")
    assert answer.status_code == 400
    assert not town.mail.sent


def test_a_grant_of_the_longest_time_is_allowed(town: Town) -> None:
    last = add_months(ward_day(town.services.clock.now()), 3) - timedelta(days=1)
    town.proposed(last=last.isoformat())


def test_a_procedure_of_another_basis_cannot_be_slipped_in(town: Town) -> None:
    answer = town.hanako.propose(town.yuki, procedure=["kaigo.nintei.renew", "no.such"])
    assert answer.status_code == 400


def test_a_grant_of_others_answers_like_none(town: Town) -> None:
    grant = town.active()
    unknown = town.hanako.get(f"/grants/{'0' * 32}")
    assert unknown.status_code == 404
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.exec(select(GrantRow).where(GrantRow.id == grant)).one()
        row.principal = row.delegate = "0" * 32
        unit.session.add(row)
    strange = town.hanako.get(f"/grants/{grant}")
    assert (strange.status_code, strange.text.replace(grant, "0" * 32)) == (404, unknown.text)


def signed_early(town: Town) -> Any:
    grant, _ = town.proposed()
    return town.hanako.sign(grant)


def shown_otherwise(town: Town) -> Any:
    grant, render = town.compared(), mandate.render
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mandate, "render", lambda *asked: render(*asked) + "\nほか一切")
        jws = town.hanako.post(f"/grants/{grant}/sign").text.partition('name="request" value="')[2]
    return town.hanako.answer(jws.partition('"')[0])


def changed_since(town: Town) -> Any:
    grant = town.compared()
    with town.services.database.writing(town.services.ward.code) as unit:
        unit.session.exec(update(GrantRow).where(col(GrantRow.id) == grant).values(actions='["receive"]'))
    return town.hanako.sign(grant)


def unchecked(town: Town) -> Any:
    grant, trust = town.compared(), replace(town.services.trust, revocation=NoRevocation())
    object.__setattr__(town.services, "trust", trust)
    return town.hanako.sign(grant)


def too_many(town: Town) -> Any:
    for _ in range(2):
        for _ in range(10):
            town.proposed()
        advance(town, days=1)
    return town.hanako.propose(town.yuki)


def too_many_today(town: Town) -> Any:
    for _ in range(10):
        town.proposed()
    return town.hanako.propose(town.yuki)


def raced(town: Town) -> Any:
    """Two who read the same invitation accept at once; the one who comes late is refused."""
    _, invitation = town.proposed()
    town.yuki.log_in(read_back=True)
    other = replace(
        town.yuki,
        http=TestClient(town.yuki.http.app, base_url=town.services.ward.origin, follow_redirects=False),
    )
    other.log_in(read_back=True)
    proposal = town.yuki.get(invitation).text.partition('name="proposal" value="')[2].partition('"')[0]
    both, commit_to = threading.Barrier(2), accepting.commit_to

    def together(profile: Profile) -> tuple[str, str]:
        with suppress(threading.BrokenBarrierError):  # on SQLite the second waits for the first's commit
            both.wait(timeout=1)
        return commit_to(profile)

    def accept(resident: Resident) -> Any:
        return resident.post(f"{invitation}/accept", proposal=proposal)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(accepting, "commit_to", together)
        won, lost = sorted(pool.map(accept, (town.yuki, other)), key=lambda answer: answer.status_code)
    assert won.status_code == 303
    return lost


def too_late(town: Town) -> Any:
    _, invitation = town.proposed()
    advance(town, days=30)
    town.yuki.log_in(read_back=True)
    return town.yuki.post(f"{invitation}/accept", proposal="x")


def on_ended(path: str, **form: str) -> Callable[[Town], Any]:
    def attempt(town: Town) -> Any:
        grant, invitation = town.proposed()
        town.hanako.post(f"/grants/{grant}/end")
        town.yuki.log_in(read_back=True)
        if path == "accept":
            return town.yuki.post(f"{invitation}/accept", proposal="x")
        return town.hanako.post(f"/grants/{grant}/{path}", **form)

    return attempt


def proposing(**changes: Any) -> Callable[[Town], Any]:
    return lambda town: town.hanako.propose(town.yuki, **changes)


Told = tuple[str, int, str, str, str, str]
NOT_NOW: Told = (
    "grant.not_now", 400,
    "この委任では、今はそれができません。", "委任のページで、次にすることを確かめてください。",
    "That cannot be done at this point.", "See on its page what comes next.",
)  # fmt: skip
ENDED: Told = (
    "grant.ended", 400,
    "この委任は終わっています。", "必要なときは、新しくお願いしてください。",
    "This has ended.", "If it is needed, ask anew.",
)  # fmt: skip
GONE: Told = (
    "invitation.gone", 404,
    "この招待は、もう使えません。", "お願いした人に、もう一度送るよう頼んでください。",
    "This invitation cannot be used any more.", "Ask the person to send another.",
)  # fmt: skip
REFUSED: dict[str, tuple[Callable[[Town], Any], Told]] = {
    "to oneself": (proposing(address="hanako@example.jp"), (
        "grant.self", 400,
        "自分自身にお願いすることはできません。", "相手の名前とメールアドレスを確かめてください。",
        "You cannot ask yourself.", "Check the name and the address.",
    )),
    "to a past date": (proposing(last="2026-11-23"), (
        "grant.past", 400,
        "終わりの日が過ぎています。", "今日より後の日を選んでください。",
        "The last day is over already.", "Choose a day to come.",
    )),
    "beyond the procedure's maximum": (proposing(last="2027-02-24"), (
        "grant.too_long", 400,
        "この手続きでは、そこまで長くお願いできません。",
        "2027年（令和9年）2月23日までの日を選んでください。",
        "These procedures cannot be given for that long.", "Choose a day up to 23 February 2027.",
    )),
    "a never-delegable procedure": (proposing(procedure=["inkan.register"]), (
        "grant.never", 400,
        "選んだ手続きの中に、代わりの人にお願いできないものがあります。",
        "その手続きは、ご本人がお申し込みください。",
        "One of these procedures cannot be given to anyone.", "Please file that one yourself.",
    )),
    "too many open": (too_many, (
        "grant.too_many", 400,
        "返事を待っているお願いが多すぎます。", "いらないお願いを終わらせてから、もう一度お試しください。",
        "Too many requests still wait for an answer.", "End some of them, then try again.",
    )),
    "too many in a day": (too_many_today, (
        "grant.too_many_today", 400,
        "今日は、これ以上お願いを送れません。", "24時間たってから、もう一度お試しください。",
        "You cannot send any more requests today.", "Please try again in 24 hours.",
    )),
    "signed before acceptance": (signed_early, NOT_NOW),
    "displayed text and structure apart": (shown_otherwise, (
        "mandate.text", 400,
        "署名された内容が、お願いの内容と違います。", "委任のページから、もう一度署名してください。",
        "What was signed is not what was asked.", "Sign again from its page.",
    )),
    "changed since it was accepted": (changed_since, (
        "grant.not_accepted", 400,
        "相手が引き受けた内容と、今の内容が違います。", "この委任を終わらせて、新しくお願いしてください。",
        "What they accepted is not what it says now.", "End this, and ask anew.",
    )),
    "signed where revocation has no source": (unchecked, (
        "mandate.unchecked", 503,
        "カードが有効かどうかを、今は確かめられません。", "少し待ってから、もう一度署名してください。",
        "Whether the card is valid cannot be checked now.", "Please wait a little, then sign again.",
    )),
    "two accept at once": (raced, GONE),
    "accepted after thirty days": (too_late, GONE),
    "an ended one is accepted": (on_ended("accept"), GONE),
    "an ended one is compared": (on_ended("digits", digits="000000"), ENDED),
    "an ended one is resumed": (on_ended("resume"), ENDED),
    "an ended one is paused": (on_ended("pause"), ENDED),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_both_languages_with_a_next_step(
    town: Town, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, (code, status, *texts) = REFUSED[case]
    pages, faults = town.services.pages, list[Fault]()
    texts_of = pages.fault_texts

    def noted(locale: str, fault: Fault) -> tuple[str, str]:
        faults.append(fault)
        return texts_of(locale, fault)

    monkeypatch.setattr(pages, "fault_texts", noted)
    answer = attempt(town)
    assert (faults[-1].code, answer.status_code) == (code, status)
    assert all(text in unescape(answer.text) for text in texts[:2])
    assert [*texts_of("ja", faults[-1]), *texts_of("en", faults[-1])] == texts
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    "path",
    ["/grants", "/grants/new", "/grants/x", "/grants/x/sign", "/grants/x/end", "/grants/x/receipt",
     "/grants/x/mandate", "an invitation"],
)  # fmt: skip
def test_grants_are_shown_to_two_factors_alone_and_nobody_waits_for_a_second_connection(
    town: Town, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that asks for a stronger login writes; while it held a snapshot, a full pool stood still."""
    database, held = town.services.database, list[str]()
    reading, writing = database.reading, database.writing

    @contextmanager
    def counted(*arguments: Any) -> Iterator[Any]:
        held.append("snapshot")
        try:
            with reading(*arguments) as session:
                yield session
        finally:
            held.pop()

    @contextmanager
    def alone(*arguments: Any) -> Iterator[Any]:
        assert not held
        with writing(*arguments) as unit:
            yield unit

    by_email(town.yuki)
    if path == "an invitation":
        _, path = town.proposed()
        town.yuki.http.cookies.clear()
    monkeypatch.setattr(database, "reading", counted)
    monkeypatch.setattr(database, "writing", alone)
    answer = town.yuki.get(path)
    assert (answer.status_code, answer.headers["location"][:9]) == (303, "/login?i=")
