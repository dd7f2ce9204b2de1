"""Picking a person: the login is the real method's, the log says what it was, and production has none."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import delete, select
from starlette.testclient import TestClient

from assurance.levels import LOWEST
from assurance.person import PersonId, new_id
from assurance.wards import Ward, WardCode
from card.jose import unverified_claims
from delegation.audit.leaf import Leaf
from delegation.audit.tables import LeafRow
from deploy.sandbox.pick import PickAPerson, choices
from deploy.sandbox.provider import on_loopback
from idp.app import create_app
from idp.services import Services
from idp.tables import LoginSessionRow
from tests.delegation.conftest import Resident, Town
from tests.idp.conftest import WardSystem, authorize, redeem, returned
from tests.idp.steps import begun

STRENGTHS = {
    "card": ("urn:dairi:acr:ial3:aal3", ["hwk", "mfa", "pin", "sc"], "CardAuthentication"),
    "passkey": ("urn:dairi:acr:ial3:aal2", ["mfa", "swk"], "Passkey"),
    "email": ("urn:dairi:acr:ial3:aal0", ["otp"], "EmailCode"),
}


def asked(who: Resident, portal: WardSystem, **changes: str) -> str:
    """The interaction of someone whom the login page asks who they are."""
    who.http.cookies.clear()
    return begun(authorize(who.http, portal, **changes))


def pick(who: Resident, i: str, person: str, strength: str, **form: str) -> Any:
    return who.post("/login/pick", i=i, **{"as": f"{person}.{strength}"}, **form)


def logged_in(who: Resident, portal: WardSystem, answer: Any) -> Any:
    """The claims of the login that a redirect goes on with."""
    while answer.headers["location"].startswith("/authorize"):
        answer = who.http.get(answer.headers["location"])
    return unverified_claims(redeem(portal, returned(answer)["code"]).json()["id_token"])


def pieces(town: Town, person: PersonId) -> set[str]:
    """What kind of evidence the logins of someone rest on."""
    with town.services.database.reading(town.services.ward.code) as session:
        rows = session.exec(select(LoginSessionRow).where(LoginSessionRow.person == person)).all()
        return {piece["kind"] for piece in json.loads(rows[-1].evidence)} if rows else set()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_picked_login_is_the_one_of_the_real_method_and_the_log_says_that_it_was_picked(
    town: Town, portal: WardSystem, strength: str
) -> None:
    acr, amr, evidence = STRENGTHS[strength]
    with town.services.database.writing(town.services.ward.code) as unit:
        unit.session.exec(delete(LoginSessionRow))
    answer = pick(town.yuki, asked(town.yuki, portal), town.hanako.person, strength)
    claims = logged_in(town.yuki, portal, answer)
    assert (claims["acr"], claims["amr"]) == (acr, amr)
    assert (pieces(town, town.hanako.person), pieces(town, town.yuki.person)) == ({evidence}, set())
    with town.services.database.reading(town.services.ward.code) as session:
        leaves = [Leaf.parse(leaf.content) for leaf in session.exec(select(LeafRow)).all()]
    assert [dict(leaf.clear) for leaf in leaves if leaf.event == "sandbox:login:picked"] == [{"by": strength}]


def test_a_picked_login_by_passkey_ends_when_that_passkey_is_removed(town: Town, portal: WardSystem) -> None:
    hanako = town.hanako
    pick(hanako, asked(hanako, portal), hanako.person, "passkey")
    page = hanako.get("/account").text
    assert page.count("Sandbox") == 1
    pick(hanako, asked(hanako, portal), hanako.person, "passkey")
    assert hanako.get("/account").text.count("Sandbox") == 1
    found = re.search(r'name="id" value="(\w{32})"', page)
    assert found is not None
    assert hanako.post("/account/passkeys/remove", id=found[1]).status_code == 303
    assert "/login?i=" in hanako.get("/account").headers["location"]


@pytest.mark.parametrize(
    ("acr", "offered"),
    [("", {"card", "passkey", "email"}), ("ial1:aal2", {"card", "passkey"}), ("ial1:aal3", {"card"})],
)
def test_the_login_page_offers_residents_then_staff_as_strongly_as_it_must(
    town: Town, portal: WardSystem, acr: str, offered: set[str]
) -> None:
    i = asked(town.hanako, portal, acr_values=f"urn:dairi:acr:{acr}")
    page = town.hanako.get(f"/login?i={i}").text
    assert "サンドボックス：次の人としてログイン" in page
    names = re.findall(r"<legend>([^<]+)</legend>", page)
    assert names[:2] == ["田中\u3000由紀", "田中\u3000花子"]
    assert [name.endswith("（職員）") for name in names] == [False, False, True, True, True]
    by = set(re.findall(rf'value="{town.hanako.person}\.(\w+)"', page))
    assert by == offered


def test_a_picked_person_acts_for_another_as_with_a_card(town: Town, portal: WardSystem) -> None:
    grant = town.active()
    i = asked(town.yuki, portal, scope="openid kaigo")
    page = town.yuki.http.get(pick(town.yuki, i, town.yuki.person, "card").headers["location"])
    assert "田中\u3000花子さんの代理" in page.text
    code = returned(town.yuki.post("/authorize/act", i=i, acting=grant))["code"]
    claims: Any = unverified_claims(redeem(portal, code).json()["access_token"])
    assert (claims["scope"], claims["acr"]) == ("delegated:kaigo", "urn:dairi:acr:ial3:aal3")


def test_too_weak_a_pick_leads_back_to_the_login_page(town: Town, portal: WardSystem) -> None:
    i = asked(town.hanako, portal, acr_values="urn:dairi:acr:ial1:aal2")
    answer = pick(town.hanako, i, town.hanako.person, "email")
    assert answer.headers["location"] == f"/login?i={i}"


def test_whom_nobody_could_pick_is_refused_and_nobody_is_logged_in(town: Town, portal: WardSystem) -> None:
    i, who = asked(town.yuki, portal), town.yuki
    staff = re.findall(r'value="(\w{32})\.card"', who.get(f"/login?i={i}").text)[-1]
    hanako = town.hanako.person
    unheard = (f"{staff}.email", f"{new_id()}.card", f"{hanako}.voice", hanako, "", "\x00.card", "花子.card")
    for chosen in unheard:
        refused = who.post("/login/pick", i=i, **{"as": chosen})
        assert (refused.status_code, "set-cookie" in refused.headers) == (400, False), chosen
    assert who.post("/login/pick", i=new_id(), **{"as": f"{town.hanako.person}.card"}).status_code == 400
    elsewhere = {"origin": "https://evil.example"}
    form = {"i": i, "as": f"{town.hanako.person}.card"}
    assert who.http.post("/login/pick", data=form, headers=elsewhere).status_code == 403


def test_another_ward_of_the_same_service_picks_its_own_people(
    town: Town, portal: WardSystem, services: Services
) -> None:
    with services.database.reading("131121") as session:
        other = replace(services, ward=Ward(WardCode("131121"), "https://setagaya.example"))
        assert choices(session, other, LOWEST) == []


# Who reaches it.


@pytest.mark.parametrize("picking", [PickAPerson("s3cret-code")])
def test_off_loopback_only_who_knows_the_code_that_was_printed_picks_someone(
    town: Town, portal: WardSystem
) -> None:
    hanako, i = town.hanako, asked(town.hanako, portal)
    assert "お試し環境のコード" in hanako.get(f"/login?i={i}").text
    for wrong in ("", "s3cret-cod", "コード"):
        again = pick(hanako, i, hanako.person, "card", code=wrong)
        assert (again.headers["location"], "set-cookie" in again.headers) == (
            f"/login?i={i}&wrong_code",
            False,
        )
    assert "コードが違います" in hanako.get(again.headers["location"]).text
    claims = logged_in(hanako, portal, pick(hanako, i, hanako.person, "card", code=" s3cret-code "))
    assert claims["acr"] == "urn:dairi:acr:ial3:aal3"


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("192.0.2.1", False),
        ("::", False),
        ("x", False),
    ],
)
def test_what_listens_beyond_loopback_is_told_apart(host: str, alone: bool) -> None:
    assert on_loopback(host) is alone


def test_without_the_sandbox_the_route_does_not_exist(
    town: Town, portal: WardSystem, production: Services
) -> None:
    """The same interaction, person and cookies, at an application that is composed as `dairi serve` does."""
    i = asked(town.hanako, portal)
    bare: Any = create_app([production])
    with TestClient(bare, base_url=production.ward.origin, follow_redirects=False) as http:
        http.cookies.update(town.hanako.http.cookies)
        page = http.get(f"/login?i={i}")
        assert (page.status_code, "サンドボックス" in page.text) == (200, False)
        form = {"i": i, "as": f"{town.hanako.person}.card"}
        refused = http.post("/login/pick", data=form, headers={"origin": production.ward.origin})
    assert (refused.status_code, "set-cookie" in refused.headers) == (404, False)
