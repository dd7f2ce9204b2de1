"""Whatever the provider answers instead of an answer: nothing is allowed, and nobody is logged out."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from card.jose import SoftwareSigner
from delegation.client import DecisionUnavailable, TokenRefused, WardSystem, read_access
from tests.client.local import (
    AUDIENCE,
    EVALUATION,
    METADATA,
    YES,
    LocalProvider,
    Misbehaviour,
    answers,
    breaks_off,
    drips,
    hangs,
    hangs_up,
    pours,
)

ACCESS = read_access("t", {"sub": "hanako", "scope": "kaigo", "exp": 4_000_000_000})
Act = Callable[[WardSystem, LocalProvider], object]
Fault = Callable[[LocalProvider], Misbehaviour]

ACTS: dict[str, tuple[str, Act]] = {
    "verify, by the metadata": (METADATA, lambda system, local: system.verify(local.token())),
    "verify, by the keys": ("/jwks", lambda system, local: system.verify(local.token())),
    "refresh, by the token endpoint": ("/token", lambda system, _: system.refresh("r")),
    "decide, by the system's own token": ("/token", lambda system, _: system.decide(ACCESS, "p", "file")),
    "decide, by the evaluation": (EVALUATION, lambda system, _: system.decide(ACCESS, "p", "file")),
}
STATUSES = (
    201, 202, 206, 301, 302, 303, 307, 308, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504
)  # fmt: skip


def status(code: int) -> Fault:
    """A yes in the body, and a way to where a yes is said."""
    return lambda local: answers(code, Location=f"{local.issuer}/elsewhere")


FAULTS: dict[str, Fault] = {
    **{str(code): status(code) for code in STATUSES},
    "nothing": lambda _: answers(204, b""),
    "an empty body": lambda _: answers(200, b""),
    "HTML": lambda _: answers(200, b"<!doctype html><h1>Maintenance</h1>", Content_Type="text/html"),
    "a list": lambda _: answers(200, b"[true]"),
    "a text": lambda _: answers(200, b'"yes"'),
    "an empty object": lambda _: answers(200, b"{}"),
    "half an object": lambda _: answers(200, json.dumps(YES).encode()[:-3]),
    "repeated members": lambda _: answers(200, b'{"decision": false, "decision": true}'),
    "no UTF-8": lambda _: answers(200, b'{"decision": true, "x": "\xff"}'),
    "NaN": lambda _: answers(200, b'{"decision": true, "x": NaN}'),
    "deep nesting": lambda _: answers(200, b'{"a":' * 100_000),
    "compressed": lambda _: answers(200, b"\x1f\x8b\x08\x00", Content_Encoding="gzip"),
    "too much": lambda _: pours,
    "a lost connection": lambda _: hangs_up,
    "half a body": lambda _: breaks_off,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("act", ACTS)
def test_what_is_no_answer_is_unavailable(
    system: WardSystem, local: LocalProvider, act: str, fault: str
) -> None:
    path, run = ACTS[act]
    local.misbehaving[path] = FAULTS[fault](local)
    with pytest.raises(DecisionUnavailable):
        run(system, local)
    assert local.asked["/elsewhere"] == 0


@pytest.mark.parametrize("fault", [hangs, drips])
@pytest.mark.parametrize("act", ACTS)
def test_nobody_waits_for_ever(impatient: WardSystem, local: LocalProvider, act: str, fault: Fault) -> None:
    path, run = ACTS[act]
    local.misbehaving[path] = fault(local)
    began = time.monotonic()
    with pytest.raises(DecisionUnavailable):
        run(impatient, local)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("act", ACTS)
def test_a_provider_that_answers_again_is_believed_again(
    system: WardSystem, local: LocalProvider, act: str
) -> None:
    path, run = ACTS[act]
    local.misbehaving[path] = answers(503)
    with pytest.raises(DecisionUnavailable):
        run(system, local)
    local.misbehaving.clear()
    run(system, local)


def test_a_refused_connection_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with closing(
        WardSystem(f"http://127.0.0.1:{port}", "kaigo", AUDIENCE, SoftwareSigner.generate())
    ) as system:
        for run in (
            lambda: system.verify("x.y.z"),
            lambda: system.refresh("r"),
            lambda: system.decide(ACCESS, "p", "file"),
        ):
            with pytest.raises(DecisionUnavailable):
                run()


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"}, {"jwks_uri": None}, {"jwks_uri": "no address"}, {"jwks_uri": 7},
        {"jwks_uri": "http://[::1"},
    ],
)  # fmt: skip
def test_oidc_discovery_4_3_metadata_of_another_issuer_or_without_addresses_is_unavailable(
    system: WardSystem, local: LocalProvider, changes: dict[str, object]
) -> None:
    local.misbehaving[METADATA] = answers(200, json.dumps({**local.documents[METADATA], **changes}).encode())
    with pytest.raises(DecisionUnavailable):
        system.verify(local.token())


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "true"}, {"decision": 1}, {"decision": None}, {"context": {"reason": "allowed"}},
        {"decision": True, "context": []}, {"decision": True, "context": "allowed"},
    ],
)  # fmt: skip
def test_authzen_6_2_a_decision_is_true_or_false_and_nothing_like_it(
    system: WardSystem, local: LocalProvider, answer: dict[str, object]
) -> None:
    local.misbehaving[EVALUATION] = answers(200, json.dumps(answer).encode())
    with pytest.raises(DecisionUnavailable):
        system.decide(ACCESS, "p", "file")


@pytest.mark.parametrize("context", [{}, {"reason_user": "text", "acr_values": ["x"]}, {"reason_user": None}])
def test_authzen_6_2_a_bare_no_is_a_no(
    system: WardSystem, local: LocalProvider, context: dict[str, object]
) -> None:
    local.misbehaving[EVALUATION] = answers(200, json.dumps({"decision": False, "context": context}).encode())
    decision = system.decide(ACCESS, "p", "file")
    assert (decision.allowed, decision.texts, decision.step_up) == (False, {}, None)


# The system's own token.


def test_the_own_token_is_asked_for_once(system: WardSystem, local: LocalProvider) -> None:
    for _ in range(3):
        assert system.decide(ACCESS, "p", "file").allowed
    assert (local.asked["/token"], local.asked[EVALUATION]) == (1, 3)


def test_an_own_token_that_was_ended_is_dropped_and_the_question_asked_once_more(
    system: WardSystem, local: LocalProvider
) -> None:
    assert system.decide(ACCESS, "p", "file").allowed

    def ended(handler: object) -> None:
        del local.misbehaving[EVALUATION]
        answers(401, b'"the caller is not authenticated"')(handler)  # type: ignore[arg-type] # the server's

    local.misbehaving[EVALUATION] = ended
    assert system.decide(ACCESS, "p", "file").allowed
    assert (local.asked["/token"], local.asked[EVALUATION]) == (2, 3)


def test_a_caller_that_is_not_known_asks_twice_and_no_more(system: WardSystem, local: LocalProvider) -> None:
    local.misbehaving[EVALUATION] = answers(401)
    with pytest.raises(DecisionUnavailable):
        system.decide(ACCESS, "p", "file")
    assert (local.asked["/token"], local.asked[EVALUATION]) == (2, 2)


@pytest.mark.parametrize("lasts", [None, "600", 0, -1])
def test_an_own_token_of_unknown_life_is_not_kept(
    system: WardSystem, local: LocalProvider, lasts: object
) -> None:
    local.misbehaving["/token"] = answers(200, json.dumps(YES | {"expires_in": lasts}).encode())
    for _ in range(2):
        assert system.decide(ACCESS, "p", "file").allowed
    assert local.asked["/token"] == 2


# Refresh.


def test_rfc6749_5_2_invalid_grant_alone_ends_the_login(system: WardSystem, local: LocalProvider) -> None:
    local.misbehaving["/token"] = answers(400, b'{"error": "invalid_grant"}')
    with pytest.raises(TokenRefused):
        system.refresh("r")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "invalid_request"), (400, "invalid_scope"), (400, "unauthorized_client"),
        (400, ["invalid_grant"]), (401, "invalid_client"), (401, "invalid_grant"),
        (429, "slow_down"), (500, "invalid_grant"),
        (503, "temporarily_unavailable"),
    ],
)  # fmt: skip
def test_a_wrong_clock_or_too_many_questions_log_nobody_out(
    system: WardSystem, local: LocalProvider, status: int, error: object
) -> None:
    local.misbehaving["/token"] = answers(status, json.dumps({"error": error}).encode())
    with pytest.raises(DecisionUnavailable):
        system.refresh("r")


@pytest.mark.parametrize("missing", ["access_token", "refresh_token"])
def test_half_a_refresh_is_none(system: WardSystem, local: LocalProvider, missing: str) -> None:
    rest = {name: value for name, value in YES.items() if name != missing}
    local.misbehaving["/token"] = answers(200, json.dumps(rest).encode())
    with pytest.raises(DecisionUnavailable):
        system.refresh("r")


def test_rfc7523_3_each_request_is_signed_anew(system: WardSystem, local: LocalProvider) -> None:
    system.refresh("r")
    system.refresh("r")
    sent = [form for form in local.forms if "client_assertion=" in form]
    assert len(set(sent)) == 2
    assert all("grant_type=refresh_token" in form and "&refresh_token=r&" in f"{form}&" for form in sent)
