"""Attacks on the decision API: what a caller claims, what it probes, and what it sends by the ton."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from delegation.audit.tables import LeafRow
from delegation.rules import Rules
from idp.registration import register_client
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.delegation.test_acting import act, question
from tests.idp.conftest import WardSystem

Decider = Callable[..., Any]


@pytest.fixture
def asked(town: Town, portal: WardSystem) -> dict[str, Any]:
    """A question that is allowed."""
    asked: dict[str, Any] = question(act(town, portal, town.active())["access_token"])
    return asked


# Who asks.


def test_authzen_12_2_a_callers_token_that_expired_is_401(
    decider: Decider, asked: dict[str, Any], clock: FixedClock
) -> None:
    assert decider(asked).json()["decision"] is True
    clock.advance(timedelta(minutes=10))
    refused = decider(asked)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer scope="decide"')


def test_a_caller_that_may_no_longer_ask_is_401(
    decider: Decider, asked: dict[str, Any], portal: WardSystem
) -> None:
    services = portal.services
    with services.database.writing(services.ward.code) as unit:
        less = replace(portal.client, scopes=portal.client.scopes - {"decide"})
        register_client(unit, less, services.procedures, services.clock.now())
    assert decider(asked).status_code == 401


def test_a_persons_token_asks_for_no_decision(decider: Decider, asked: dict[str, Any]) -> None:
    answer = decider(asked, authorization=f"Bearer {asked['context']['token']}")
    assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)


# What it claims.


def test_what_a_caller_claims_of_people_and_grants_changes_nothing(
    decider: Decider, asked: dict[str, Any]
) -> None:
    asked["action"]["name"] = "receive"  # outside the grant
    plain = decider(asked).json()
    assert plain["decision"] is False
    asked["subject"]["properties"] = {"role": "admin", "ial": 3, "grant": "x"}
    asked["action"]["properties"] = {"allowed": True}
    asked["resource"]["properties"] |= {"delegable": True, "level": "0/0", "grant": "x" * 43}
    asked["context"] |= {"grant": "x" * 43, "acr": "urn:dairi:acr:ial3:aal3", "time": "2020-01-01T00:00:00Z"}
    asked |= {"decision": True, "options": {"evaluations_semantic": "permit_on_first_permit"}}
    assert decider(asked).json() == plain


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("subject", "id"), 7), (("subject", "id"), True), (("subject", "id"), ["a"]), (("subject",), "a"),
        (("action",), None), (("action", "name"), {}), (("resource", "id"), 1.5), (("context",), None),
        (("context", "token"), 7), (("resource", "properties"), None), (("resource", "properties"), []),
        (("resource", "properties", "principal"), None), (("subject", "id"), "x" * 257),
        (("resource", "properties", "principal"), "\ud800"), (("subject", "id"), "\x00"),
    ],
)  # fmt: skip
def test_authzen_12_1_a_member_of_another_kind_is_400(
    decider: Decider, asked: dict[str, Any], path: tuple[str, ...], value: object
) -> None:
    inner = asked
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    assert decider(asked).status_code == 400


@pytest.mark.parametrize("entity", ["subject", "resource"])
def test_an_entity_of_an_unknown_kind_is_denied(decider: Decider, asked: dict[str, Any], entity: str) -> None:
    asked[entity]["type"] = "role" if entity == "subject" else "account"
    assert decider(asked).json()["decision"] is False


@pytest.mark.parametrize(
    "doubled",
    [
        '"decision":true,"decision":false,', '"context":{"token":"a","token":"b"},"x":1,',
        '"x":{"y":[{"z":1,"z":2}]},',
    ],
)  # fmt: skip
def test_rfc7493_2_3_repeated_names_at_any_depth_are_400(
    decider: Decider, asked: dict[str, Any], doubled: str
) -> None:
    body = json.dumps(asked).replace("{", "{" + doubled, 1)
    assert decider(body.encode()).status_code == 400


@pytest.mark.parametrize(
    "spelt",
    [
        "kaigo.nintei.renew/", "/kaigo.nintei.renew", "kaigo//nintei.renew", "kaigo.nintei.renew;x",
        "kaigo.nintei.renew\n", "kaigo%2enintei.renew", "kaigo.x.../../nintei.renew", "Kaigo.nintei.renew",
        "kaigo.nintei.renew\u200b", "ｋaigo.nintei.renew", "kaigo.nintei.*", "*", " kaigo.nintei.renew",
    ],
)  # fmt: skip
def test_a_procedure_has_one_spelling(decider: Decider, asked: dict[str, Any], spelt: str) -> None:
    asked["resource"]["id"] = spelt
    answer = decider(asked)
    assert (answer.status_code, answer.json()["decision"]) == (200, False)


# When something breaks.


def test_rules_that_fail_allow_nothing(
    decider: Decider, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("田中花子")

    with monkeypatch.context() as patch:
        patch.setattr(Rules, "ruling", fail)
        answer = decider(asked)
    assert (answer.status_code, answer.json()) == (500, {"error": "server_error"})
    assert decider(asked).json()["decision"] is True


# What it probes, and how much.


def test_guessing_who_acts_for_whom_tells_nothing_and_is_on_record(
    decider: Decider, asked: dict[str, Any], town: Town
) -> None:
    del asked["context"]
    known = decider(asked).json()
    for guess in range(20):
        asked["subject"]["id"] = asked["resource"]["properties"]["principal"] = f"{guess:032x}"
        assert decider(asked).json() == known
    with town.services.database.reading() as session:
        contents = session.exec(select(LeafRow.content)).all()
    denied = [json.loads(content) for content in contents if b"decision:evaluation:denied" in content]
    assert [leaf["clear"] for leaf in denied] == [{"caller": "portal", "reason": "token_required"}] * 21


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"evaluations": [{}] * 100_000}).encode(), b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 60_000, b'{"a":' + b"9" * 60_000 + b"}", b'{"a":"' + b"\\u0041" * 10_000 + b'"}',
    ],
    ids=["evaluations", "depth", "brackets", "a number", "escapes"],
)  # fmt: skip
def test_authzen_11_4_a_load_of_json_is_400_at_once(decider: Decider, body: bytes) -> None:
    began = time.monotonic()
    assert decider(body).status_code == 400
    assert time.monotonic() - began < 10


def test_evaluations_beside_a_question_are_no_way_to_ask_more(
    decider: Decider, asked: dict[str, Any]
) -> None:
    asked["evaluations"] = [{"action": {"name": "receive"}}] * 50
    assert decider(asked).json()["decision"] is True


def test_rfc9111_5_2_2_5_no_cache_keeps_a_decision(decider: Decider, asked: dict[str, Any]) -> None:
    for action in ("file", "receive"):
        asked["action"]["name"] = action
        assert decider(asked).headers["cache-control"] == "no-store"
