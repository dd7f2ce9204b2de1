"""Acting for another: the picker, delegated tokens, decisions, and that an ending counts at once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from assurance.evidence import CardAuthentication, Passkey
from assurance.levels import AAL, IAL, Level
from assurance.person import new_id
from assurance.tables import ProofRow, ProtectionRow
from card.jose import unverified_claims
from delegation.tables import DecisionRow, HoldRow
from idp.registration import register_client
from tests.conftest import FixedClock
from tests.delegation.conftest import Town
from tests.idp.conftest import WardSystem, authorize, redeem, returned

SCOPE = "openid profile kaigo"


@pytest.fixture
def decider(portal: WardSystem) -> Callable[..., Any]:
    """Asks for decisions as the portal does."""
    form = {"grant_type": "client_credentials", "scope": "decide"}
    bearer = portal.post("/token", form).json()["access_token"]

    def ask(body: Any, **changes: Any) -> Any:
        headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"} | changes
        content = body if isinstance(body, bytes) else json.dumps(body)
        return portal.http.post("/access/v1/evaluation", content=content, headers=headers)

    return ask


def question(token: str, procedure: str = "kaigo.nintei.renew", action: str = "file", **changes: Any) -> Any:
    claims: Any = unverified_claims(token)
    asked = {
        "subject": {"type": "person", "id": claims.get("act", claims)["sub"]},
        "action": {"name": action},
        "resource": {"type": "procedure", "id": procedure, "properties": {"principal": claims["sub"]}},
        "context": {"token": token},
    }
    return asked | changes


def pick(town: Town, portal: WardSystem, choice: str, **changes: str | None) -> Any:
    page = authorize(town.yuki.http, portal, scope=SCOPE, **changes)
    assert page.status_code == 200, page.headers
    i = page.text.partition('name="i" value="')[2][:32]
    return town.yuki.post("/authorize/act", i=i, acting=choice)


def act(town: Town, portal: WardSystem, grant: str) -> Any:
    return redeem(portal, returned(pick(town, portal, grant))["code"]).json()


def by_passkey(town: Town) -> None:
    town.yuki.log_in(Passkey(town.services.clock.now(), user_verified=True, synced=True))


def test_rfc8693_4_1_a_delegated_token_says_for_whom_and_who_acts(town: Town, portal: WardSystem) -> None:
    grant = town.active()
    by_passkey(town)
    tokens = act(town, portal, grant)
    claims: Any = unverified_claims(tokens["access_token"])
    identity = unverified_claims(tokens["id_token"])
    assert (tokens["scope"], claims["scope"]) == ("delegated:kaigo", "delegated:kaigo")
    assert (claims["act"]["sub"], identity["name"]) == (identity["sub"], "田中\u3000由紀")
    assert claims["sub"] != identity["sub"]
    (detail,) = tokens["authorization_details"]
    assert detail["principal"] == {"sub": claims["sub"], "name": "田中\u3000花子"}
    assert claims["authorization_details"][0]["procedures"] == ["kaigo.nintei.renew", "kaigo.card.reissue"]
    assert "花子" not in json.dumps(claims, ensure_ascii=False)
    assert claims["acr"] == "urn:dairi:acr:ial3:aal2"
    told = portal.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert (told.status_code, told.json()) == (403, {"error": "insufficient_scope"})


def test_the_picker_offers_oneself_and_opens_only_where_it_can_matter(town: Town, portal: WardSystem) -> None:
    assert "code" in returned(authorize(town.yuki.http, portal, scope=SCOPE))
    grant = town.active()
    by_passkey(town)
    assert "code" in returned(authorize(town.yuki.http, portal, scope="openid profile"))
    own = redeem(portal, returned(pick(town, portal, "self"))["code"]).json()
    assert "act" not in unverified_claims(own["access_token"])
    assert "code" in returned(authorize(town.yuki.http, portal, scope=SCOPE, prompt="none"))
    details = json.dumps([{"type": "jp_ward_delegation", "principal": "self"}])
    assert "code" in returned(authorize(town.yuki.http, portal, scope=SCOPE, authorization_details=details))
    assert pick(town, portal, "0" * 32).status_code == 404
    assert "田中\u3000花子さんの代理" in authorize(town.yuki.http, portal, scope=SCOPE).text
    assert grant


def test_rfc9396_7_a_handle_names_the_grant_again_and_only_after_it_was_chosen(
    town: Town, portal: WardSystem, new_system: Callable[..., WardSystem]
) -> None:
    grant = town.active()
    by_passkey(town)
    handle = act(town, portal, grant)["authorization_details"][0]["grant"]

    def named(at: WardSystem, **changes: str) -> Any:
        details = json.dumps([{"type": "jp_ward_delegation", "grant": handle}])
        return authorize(town.yuki.http, at, scope=SCOPE, authorization_details=details, **changes)

    tokens = redeem(portal, returned(named(portal))["code"]).json()
    assert tokens["scope"] == "delegated:kaigo"
    assert returned(named(portal, prompt="none"))["error"] == "interaction_required"
    assert returned(named(new_system("other")))["error"] == "access_denied"
    town.hanako.post(f"/grants/{grant}/end")
    assert returned(named(portal))["error"] == "access_denied"


def test_a_client_that_is_not_delegation_aware_cannot_ask_to_act(
    town: Town, new_system: Callable[..., WardSystem]
) -> None:
    town.active()
    plain = new_system("plain", delegation_aware=False)
    details = json.dumps([{"type": "jp_ward_delegation", "grant": "x" * 43}])
    answer = authorize(town.yuki.http, plain, scope=SCOPE, authorization_details=details)
    assert returned(answer)["error"] == "invalid_authorization_details"
    assert "code" in returned(authorize(town.yuki.http, plain, scope=SCOPE))


def test_authzen_6_the_decision_needs_grant_rules_and_assurance(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    yes = decider(question(token), **{"x-request-id": "r-1"})
    assert yes.json()["decision"] is True
    assert yes.json()["context"]["until"] == "2026-12-24T15:00:00+00:00"
    assert yes.headers["x-request-id"] == "r-1"
    outside = decider(question(token, "kaigo.plan.notify")).json()
    assert (outside["decision"], outside["context"]["reason"]) == (False, "outside_grant")
    assert outside["context"]["reason_user"]["ja"] == "この手続きは、委任に含まれていません。"
    assert decider(question(token, action="receive")).json()["context"]["reason"] == "outside_grant"
    assert decider(question(token, "tax.cert")).json()["context"]["reason"] == "not_offered"
    with town.services.database.reading() as session:
        kept = session.exec(select(DecisionRow).where(DecisionRow.allowed)).all()
    assert [row.grant for row in kept] == [grant]
    page = town.hanako.get(f"/grants/{grant}").text
    assert "介護保険 申請ポータル" in page


def test_authzen_step_up_says_the_acr_that_is_needed(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    known = town.services.procedures.by_id
    assert isinstance(known, dict)
    known["kaigo.card.reissue"] = replace(
        known["kaigo.card.reissue"], level=Level(IAL.SUBSTANTIAL, AAL.HARDWARE)
    )
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    refused = decider(question(token, "kaigo.card.reissue")).json()
    assert refused["context"]["reason"] == "step_up"
    assert refused["context"]["acr_values"] == "urn:dairi:acr:ial2:aal3"
    town.yuki.log_in(CardAuthentication(town.services.clock.now(), revocation_checked=True))
    raised = act(town, portal, grant)["access_token"]
    assert decider(question(raised, "kaigo.card.reissue")).json()["decision"] is True


def without(question: Any, *path: str) -> Any:
    copy = json.loads(json.dumps(question))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copy


@pytest.mark.parametrize(
    "path",
    [
        ("subject",), ("subject", "id"), ("subject", "type"), ("action",), ("action", "name"),
        ("resource",), ("resource", "id"), ("resource", "properties"),
        ("resource", "properties", "principal"),
    ],
)  # fmt: skip
def test_authzen_12_1_what_is_missing_is_400_with_a_sentence(
    decider: Callable[..., Any], path: tuple[str, ...]
) -> None:
    whole = {
        "subject": {"type": "person", "id": "a"},
        "action": {"name": "file"},
        "resource": {"type": "procedure", "id": "kaigo.nintei.renew", "properties": {"principal": "b"}},
    }
    assert decider(whole).json()["context"]["reason"] == "token_required"
    refused = decider(without(whole, *path))
    assert refused.status_code == 400
    assert path[-1] in refused.json()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nonsense", b'{"subject":{},"subject":{}}', b"[" * 5000, b"\xff", b'{"a":NaN}']
)
def test_authzen_12_1_what_is_no_object_is_400(decider: Callable[..., Any], body: bytes) -> None:
    assert decider(body).status_code == 400
    assert decider({"subject": {}}, **{"content-type": "text/plain"}).status_code == 400


def test_authzen_12_1_a_caller_without_authentication_is_401(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    token = act(town, portal, town.active())["access_token"]
    for bearer in ("", f"Bearer {token}", "Bearer x.y.z"):
        answer = decider(question(token), authorization=bearer)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)


def test_a_token_counts_for_its_own_caller_and_its_own_people(
    town: Town, portal: WardSystem, decider: Callable[..., Any], new_system: Callable[..., WardSystem]
) -> None:
    grant = town.active()
    token = act(town, portal, grant)["access_token"]
    other = new_system("other")
    others = act(town, other, grant)["access_token"]
    told: Any = unverified_claims(others)
    for asked in (
        question(token, context={}),
        question(token, context={"token": others}),
        question(others),
        question(token, subject={"type": "person", "id": told["act"]["sub"]}),
        question(token, subject={"type": "person", "id": unverified_claims(token)["sub"]}),
    ):
        answer = decider(asked).json()
        assert (answer["decision"], answer["context"]["reason"]) == (False, "token_required")
    stranger = question(token)
    stranger["resource"]["properties"]["principal"] = told["sub"]
    assert decider(stranger).json()["decision"] is False


def test_an_own_token_decides_about_oneself_alone(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = town.active()
    own = redeem(portal, returned(pick(town, portal, "self"))["code"]).json()["access_token"]
    assert decider(question(own)).json()["decision"] is True
    for_hanako = question(own)
    delegated = act(town, portal, grant)["access_token"]
    for_hanako["resource"]["properties"]["principal"] = unverified_claims(delegated)["sub"]
    assert decider(for_hanako).json()["context"]["reason"] == "act_as_required"


def test_an_ending_counts_at_once_for_decision_introspection_and_refresh(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = town.active()
    tokens = act(town, portal, grant)
    token = tokens["access_token"]
    assert portal.post("/introspect", {"token": token}).json()["active"] is True
    assert decider(question(token)).json()["decision"] is True
    town.hanako.post(f"/grants/{grant}/end")
    assert decider(question(token)).json()["context"]["reason"] == "token_required"
    assert portal.post("/introspect", {"token": token}).json() == {"active": False}
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form).json()["error"] == "invalid_grant"


def test_a_hold_refuses_without_ending_the_family(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = town.active()
    tokens = act(town, portal, grant)
    town.hanako.post(f"/grants/{grant}/pause")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form).json()["error"] == "invalid_grant"
    assert decider(question(tokens["access_token"])).json()["decision"] is False
    town.hanako.post(f"/grants/{grant}/resume")
    again = portal.post("/token", form).json()
    assert again["scope"] == "delegated:kaigo"
    assert decider(question(again["access_token"])).json()["decision"] is True


def test_rfc7009_2_1_a_delegated_token_is_revoked_also_while_it_is_on_hold(
    town: Town, portal: WardSystem
) -> None:
    grant = town.active()
    tokens = act(town, portal, grant)
    town.hanako.post(f"/grants/{grant}/pause")
    assert portal.post("/revoke", {"token": tokens["access_token"]}).status_code == 200
    town.hanako.post(f"/grants/{grant}/resume")
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}


def test_a_delegated_token_counts_only_while_its_login_is_strong_enough_to_act(
    town: Town, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = town.active()
    tokens = act(town, portal, grant)
    with town.services.database.writing(town.services.ward.code) as unit:
        lapsed = update(ProofRow).where(col(ProofRow.person) == town.yuki.person)
        unit.session.exec(lapsed.values(ends_at=town.services.clock.now()))
    assert portal.post("/introspect", {"token": tokens["access_token"]}).json() == {"active": False}
    assert decider(question(tokens["access_token"])).json()["context"]["reason"] == "token_required"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("change", [{"delegation_aware": False}, {"procedures": frozenset()}])
def test_a_client_that_may_no_longer_act_gets_no_more_delegated_tokens(
    town: Town, portal: WardSystem, change: dict[str, Any]
) -> None:
    tokens = act(town, portal, town.active())
    with town.services.database.writing(town.services.ward.code) as unit:
        register_client(
            unit, replace(portal.client, **change), town.services.procedures, town.services.clock.now()
        )
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert portal.post("/token", form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("member", ["subject", "action", "resource"])
def test_rfc8259_8_1_what_is_no_unicode_is_400(
    town: Town, portal: WardSystem, decider: Callable[..., Any], member: str
) -> None:
    asked = question(act(town, portal, town.active())["access_token"])
    asked[member]["name" if member == "action" else "id"] = "\ud800"
    assert decider(asked).status_code == 400


@pytest.mark.parametrize("who", ["hanako", "yuki"])
@pytest.mark.parametrize("how", ["hold", "protection"])
def test_a_hold_or_a_protection_of_either_answers_like_no_grant(
    town: Town, portal: WardSystem, decider: Callable[..., Any], who: str, how: str
) -> None:
    grant = town.active()
    token = act(town, portal, grant)["access_token"]
    person, ward, now = getattr(town, who).person, town.services.ward.code, town.services.clock.now()
    row: Any = ProtectionRow(ward=ward, person=person, since=now)
    if how == "hold":
        row = HoldRow(
            ward=ward, id=new_id(), kind="person", target=person, cause="admin", placed_by="x", placed_at=now
        )
    with town.services.database.writing(ward) as unit:
        unit.session.add(row)
    assert decider(question(token)).json()["context"]["reason"] == "token_required"
    assert "code" in returned(authorize(town.yuki.http, portal, scope=SCOPE))


def test_a_delegated_token_never_outlives_the_grant(
    town: Town, portal: WardSystem, clock: FixedClock
) -> None:
    grant = town.active(last="2026-11-24")
    clock.advance(timedelta(hours=13, minutes=55))
    by_passkey(town)
    claims: Any = unverified_claims(act(town, portal, grant)["access_token"])
    assert claims["exp"] - claims["iat"] == 5 * 60
    clock.advance(timedelta(minutes=5))
    assert "code" in returned(authorize(town.yuki.http, portal, scope=SCOPE))


def test_authzen_9_the_metadata_names_the_endpoint(town: Town) -> None:
    found = town.yuki.get("/.well-known/authzen-configuration").json()
    assert found["access_evaluation_endpoint"] == "https://shibuya.id.example/access/v1/evaluation"
