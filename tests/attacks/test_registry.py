"""Attacks on the registry: other people's grants, captured signatures, races, and words that mean more."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select
from starlette.testclient import TestClient

from assurance.events import EventName
from assurance.evidence import EmailCode
from assurance.person import PersonId
from assurance.procedures import Action
from card.virtual.card import VirtualCard
from delegation import registry, usability
from delegation.audit.recorder import AuditRecorder
from delegation.audit.tables import LeafRow
from delegation.tables import GrantRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town
from tests.delegation.test_acting import act, by_passkey, question
from tests.delegation.test_signing import request_of
from tests.idp.conftest import WardSystem
from tests.idp.steps import answer_to, bring
from tests.shipped import RULES


@pytest.fixture
def stranger(town: Town, staff: tuple[PersonId, ...], cards: dict[str, VirtualCard]) -> Resident:
    """A third person, proven and logged in by card, who has no part in any grant."""
    services = town.services
    http = TestClient(town.hanako.http.app, base_url=services.ward.origin, follow_redirects=False)
    made = Resident(staff[2], "saburo@example.jp", cards["職員三郎"], http, services)
    made.log_in()
    return made


def leaves(town: Town, name: EventName) -> int:
    with town.services.database.reading() as session:
        contents = session.exec(select(LeafRow.content)).all()
    return sum(json.loads(content)["event"] == name for content in contents)


# Other people's grants.


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("GET", "/sign"), ("GET", "/end"), ("GET", "/receipt"), ("GET", "/mandate"),
        ("POST", "/digits"), ("POST", "/sign"), ("POST", "/end"), ("POST", "/resume"), ("POST", "/pause"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stage", ["accepted", "active"])
def test_every_path_of_a_grant_of_others_answers_like_that_of_none(
    town: Town, stranger: Resident, stage: str, method: str, path: str
) -> None:
    grant = town.accepted() if stage == "accepted" else town.active()
    before = town.row(grant).version
    answers = []
    for id_ in (grant, "0" * 32):
        headers = {"origin": town.services.ward.origin}
        answer = stranger.http.request(method, f"/grants/{id_}{path}", headers=headers)
        answers.append((answer.status_code, dict(answer.headers), answer.text.replace(id_, "…")))
    for _, headers_, _ in answers:
        del headers_["x-request-id"]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert town.row(grant).version == before


def test_the_list_of_a_stranger_shows_nothing_of_others(town: Town, stranger: Resident) -> None:
    grant = town.active()
    for path in ("/grants", "/records"):
        page = stranger.get(path).text
        assert not any(word in page for word in (grant, "花子", "由紀"))


def test_whether_an_address_is_somebodys_shows_in_no_answer_to_a_proposal(town: Town) -> None:
    seen = []
    for address in ("yuki@example.jp", "nobody@example.jp"):
        answer = town.hanako.propose(town.yuki, address=address)
        grant = answer.headers["location"].rpartition("/")[2]
        page = town.hanako.get(f"/grants/{grant}").text
        seen.append((answer.status_code, page.replace(grant, "…").replace(address, "…")))
    assert seen[0] == seen[1]


def test_an_invitations_secret_is_in_its_mail_and_nowhere_else(town: Town) -> None:
    grant, invitation = town.proposed()
    secret = invitation.rpartition("/")[2]
    for who in (town.hanako, town.yuki):
        for path in ("/grants", f"/grants/{grant}", "/records"):
            assert secret not in who.get(path).text
    row = town.row(grant)
    assert secret not in repr(row)
    assert [secret in sent.body for sent in town.mail.sent] == [True]


# What a form cannot say.


def test_a_proposal_takes_from_its_form_only_what_the_page_asks_for(town: Town) -> None:
    grant, _ = town.proposed(
        state="active", version="9", principal=town.yuki.person, delegate=town.yuki.person, basis="guardian",
        mode="messenger", first="2020-01-01", assurance="urn:dairi:acr:ial3:aal3", compared_at="2026-11-24",
        created_by=town.yuki.person, ward="131121", procedures='["inkan.register"]',
    )  # fmt: skip
    row = town.row(grant)
    assert (row.state, row.version, row.principal, row.delegate) == ("proposed", 1, town.hanako.person, None)
    assert (row.basis, row.mode, row.first, row.compared_at) == ("voluntary", "agent", "2026-11-24", None)
    assert json.loads(row.procedures) == ["kaigo.nintei.renew", "kaigo.card.reissue"]


@pytest.mark.parametrize(
    "procedure", ["*", "kaigo.*", "kaigo", "kaigo.nintei", "KAIGO.nintei.renew", "kaigo.nintei.renew ", ".*"]
)
def test_no_wildcard_or_prefix_names_a_procedure(town: Town, procedure: str) -> None:
    answer = town.hanako.propose(town.yuki, procedure=["kaigo.nintei.renew", procedure])
    assert (answer.status_code, "お願いできないもの" in answer.text) == (400, True)


@pytest.mark.parametrize("changes", [{"name": "長" * 70_000}, {f"field{n}": "x" for n in range(70)}])
def test_a_proposal_that_is_too_large_leaves_nothing(town: Town, changes: dict[str, str]) -> None:
    assert town.hanako.propose(town.yuki, **changes).status_code in {400, 413}
    with town.services.database.reading() as session:
        assert session.exec(select(GrantRow)).all() == []
    assert not town.mail.sent


@pytest.mark.parametrize("last", ["", "9999-12-31", "2126-11-24", "10000-01-01", "2026-02-30", "+inf"])
def test_a_grant_without_an_end_or_with_a_far_one_is_refused(town: Town, last: str) -> None:
    assert town.hanako.propose(town.yuki, last=last).status_code == 400
    assert not town.mail.sent


def test_a_grant_is_usable_in_its_last_second_in_tokyo_and_not_one_later(
    town: Town, clock: FixedClock
) -> None:
    grant = town.active(last="2026-11-24")

    def usable() -> list[str]:
        services = town.services
        with services.database.reading() as session:
            held = usability.usable(session, services.ward.code, town.yuki.person, services.clock.now())
        return [row.id for row in held]

    clock.advance(timedelta(hours=13, minutes=59, seconds=59, microseconds=999_999))
    assert usable() == [grant]
    clock.advance(timedelta(microseconds=1))
    assert usable() == []


# Signatures.


def test_a_mandate_that_was_signed_counts_for_no_weaker_login(town: Town) -> None:
    grant = town.compared()
    jws = request_of(town.hanako.post(f"/grants/{grant}/sign"))
    asking = {cookie.name: str(cookie.value) for cookie in town.hanako.http.cookies.jar}
    mac = town.services.vault.mac(town.services.ward.code, "email", town.hanako.address)
    town.hanako.log_in(EmailCode(town.services.clock.now(), mac))
    for name, value in asking.items():
        if "-i-" in name:
            town.hanako.http.cookies.set(name, value, domain=town.services.ward.rp_id)
    assert town.hanako.answer(jws).status_code == 403
    assert town.row(grant).state == "accepted"


def test_what_was_signed_for_one_grant_is_brought_to_no_other(town: Town) -> None:
    first, second = town.compared(), town.compared()
    forms = [
        answer_to(town.hanako, request_of(town.hanako.post(f"/grants/{grant}/sign")))
        for grant in (first, second)
    ]
    brought = bring(town.hanako, forms[1] | {"container": forms[0]["container"]})
    assert town.hanako.get(brought.headers["location"]).status_code == 400
    assert (town.row(first).state, town.row(second).state) == ("accepted", "accepted")


# Races.


def at_once(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], Any]) -> list[Any]:
    """Take steps that each read a grant before any of them moves it."""
    both, move = threading.Barrier(len(steps)), registry.move

    def together(*arguments: Any, **values: Any) -> None:
        with suppress(threading.BrokenBarrierError):  # on SQLite the second waits for the first's commit
            both.wait(timeout=1)
        move(*arguments, **values)

    with monkeypatch.context() as patch, ThreadPoolExecutor(len(steps)) as pool:
        patch.setattr(registry, "move", together)
        return list(pool.map(lambda step: step(), steps))


def test_of_a_withdrawal_and_a_refusal_at_once_one_ends_the_grant_and_is_recorded(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant, invitation = town.proposed()
    town.yuki.log_in(read_back=True)
    answers = at_once(
        monkeypatch,
        lambda: town.hanako.post(f"/grants/{grant}/end"),
        lambda: town.yuki.post(f"{invitation}/decline"),
    )
    assert sorted(answer.status_code < 400 for answer in answers) == [False, True]
    assert all(answer.status_code < 500 for answer in answers)
    row = town.row(grant)
    assert (row.state, row.version, leaves(town, EventName.GRANT_ENDED)) == ("ended", 2, 1)


def test_of_an_acceptance_and_a_withdrawal_at_once_every_outcome_is_one_that_was_recorded(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant, invitation = town.proposed()
    town.yuki.log_in(read_back=True)
    proposal = town.yuki.get(invitation).text.partition('name="proposal" value="')[2].partition('"')[0]
    answers = at_once(
        monkeypatch,
        lambda: town.yuki.post(f"{invitation}/accept", proposal=proposal),
        lambda: town.hanako.post(f"/grants/{grant}/end"),
    )
    done = [answer.status_code == 303 for answer in answers]
    told = [leaves(town, name) for name in (EventName.GRANT_ACCEPTED, EventName.GRANT_ENDED)]
    assert any(done)
    assert told == [int(one) for one in done]
    assert town.row(grant).state == ("ended" if done[1] else "accepted")
    assert town.row(grant).version == 1 + sum(told)


def test_a_grant_that_cannot_be_recorded_does_not_end(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = town.active()

    def fail(*_: object) -> None:
        raise OSError("the log is full")

    with monkeypatch.context() as patch:
        patch.setattr(AuditRecorder, "write", fail)
        assert town.hanako.post(f"/grants/{grant}/end").status_code >= 500
    assert (town.row(grant).state, leaves(town, EventName.GRANT_ENDED)) == ("active", 0)
    assert town.hanako.post(f"/grants/{grant}/end").status_code == 303


# Several grants.


def test_two_grants_never_add_up(town: Town, portal: WardSystem, decider: Callable[..., Any]) -> None:
    sees = town.active(procedure=["kaigo.nintei.renew"], action=["view"])
    files = town.active(procedure=["kaigo.card.reissue"], action=["file"])
    by_passkey(town)
    for grant, procedure, action in (
        (sees, "kaigo.nintei.renew", "view"), (files, "kaigo.card.reissue", "file")
    ):  # fmt: skip
        token = act(town, portal, grant)["access_token"]
        for asked in ("kaigo.nintei.renew", "kaigo.card.reissue"):
            for act_ in ("view", "file"):
                said = decider(question(token, asked, act_)).json()
                assert said["decision"] is ((asked, act_) == (procedure, action)), said


def test_two_who_act_for_each_other_act_for_nobody_else(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    forth = town.active()
    back = replace(town, hanako=town.yuki, yuki=town.hanako).active()
    by_passkey(town)
    tokens = act(town, portal, forth)
    yuki = tokens["access_token"]
    asked = question(yuki)
    assert decider(asked).json()["decision"] is True
    own = asked["subject"]["id"]
    asked["resource"]["properties"]["principal"] = own
    assert decider(asked).json()["decision"] is False
    assert town.yuki.post("/authorize/act", i="0" * 32, acting=back).status_code == 400


# Rules.


ROWS = [tuple(cell.strip() for cell in row.split(","))[1:5] for row in RULES.rows]
SIGNS = st.sampled_from(
    ["\n", "*", ".", ".*", "/", ":", "(a+)+$", ",", '"', "'", " ", "\x00", "\u200b", "\uff0e"]
)


@given(row=st.sampled_from(ROWS), cell=st.sampled_from([0, 1, 3]), sign=SIGNS, after=st.booleans())
def test_no_sign_in_an_identifier_makes_it_match_another(
    row: tuple[str, ...], cell: int, sign: str, after: bool
) -> None:
    asked = list(row)
    asked[cell] = f"{row[cell]}{sign}" if after else f"{sign}{row[cell]}"
    basis, procedure, action, mode = asked
    assert not RULES.ruling(basis, procedure, Action(action), mode).allowed
    asked[cell] = sign
    basis, procedure, action, mode = asked
    assert not RULES.ruling(basis, procedure, Action(action), mode).allowed


@pytest.mark.parametrize("name", ["admin", "agent", "allow", "p", "g", "role", "voluntary"])
def test_no_person_or_system_is_mistaken_for_a_word_of_the_rules(
    town: Town, portal: WardSystem, decider: Callable[..., Any], name: str
) -> None:
    token = act(town, portal, town.active())["access_token"]
    for asked in (
        question(token, subject={"type": "person", "id": name}),
        question(token, name),
        question(token, action=name),
    ):
        assert decider(asked).json()["decision"] is False
