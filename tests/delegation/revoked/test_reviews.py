"""What staff decide about a mandate whose certificate was revoked: who may, once, and who is told."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509 import ReasonFlags
from sqlmodel import select

from card.virtual.card import VirtualCard
from delegation.revoked.matching import hold_overdue
from delegation.staffing.tables import LookRow
from tests.conftest import FixedClock
from tests.delegation.conftest import at_a_browser, register_at_counter
from tests.delegation.revoked.conftest import Rechecked, rechecked, usable
from tests.delegation.staff_town import Ward, ward_office
from tests.delegation.test_acting import act, by_passkey
from tests.delegation.test_records import number, records
from tests.idp.conftest import WardSystem

__all__ = ["rechecked", "ward_office"]

LOOKED = "区の職員が、あなたについて見ました。"
HELD_ON = "2026年（令和8年）12月8日に止まります"


def under_review(rechecked: Rechecked) -> str:
    grant = rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.affiliation_changed)
    rechecked.town.mail.sent.clear()
    return grant


def listed(who: Any) -> list[str]:
    page = who.get("/staff/reviews")
    assert page.status_code == 200
    return re.findall(r'href="/staff/reviews/(\w+)"', page.text)


def looks(ward: Ward) -> list[tuple[str, str, str, str | None]]:
    with ward.town.services.database.reading() as session:
        return [(row.by, row.person, str(row.what), row.about) for row in session.exec(select(LookRow))]


def test_what_waits_is_listed_with_the_day_on_which_it_is_held(
    rechecked: Rechecked, ward_office: Ward
) -> None:
    assert "確認を待っている委任はありません。" in ward_office.ichiro.get("/staff/reviews").text
    grant = under_review(rechecked)
    page = ward_office.ichiro.get("/staff/reviews").text
    assert HELD_ON in page
    assert "花子" not in page
    assert (listed(ward_office.ichiro), looks(ward_office)) == ([grant], [])
    assert 'href="/staff/reviews"' in ward_office.ichiro.get("/staff").text


@pytest.mark.parametrize("reason", [ReasonFlags.superseded, ReasonFlags.key_compromise])
def test_what_decides_itself_waits_for_nobody(
    rechecked: Rechecked, ward_office: Ward, reason: ReasonFlags
) -> None:
    grant = rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, reason)
    assert listed(ward_office.ichiro) == []
    assert ward_office.ichiro.post(f"/staff/reviews/{grant}/go-on").status_code == 400


def test_looking_is_told_to_the_principal_and_shows_nothing_of_the_delegate(
    rechecked: Rechecked, ward_office: Ward
) -> None:
    town, ichiro = rechecked.town, ward_office.ichiro
    grant = under_review(rechecked)
    page = ichiro.get(f"/staff/reviews/{grant}").text
    for shown in ("田中\u3000花子", "affiliationChanged", "2026年（令和8年）12月8日"):
        assert shown in page
    assert "由紀" not in page
    assert looks(ward_office) == [(ichiro.person, town.hanako.person, "review", grant)]
    number(town)
    assert LOOKED in records(town.hanako)
    assert LOOKED not in records(town.yuki)
    assert "失効した電子証明書の確認" in ward_office.jiro.get("/staff/looks").text


def test_holding_now_holds_at_once_and_tells_the_principal(
    rechecked: Rechecked, ward_office: Ward, portal: WardSystem
) -> None:
    town, ichiro = rechecked.town, ward_office.ichiro
    grant = under_review(rechecked)
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert usable(portal, token)
    assert ichiro.post(f"/staff/reviews/{grant}/hold").headers["location"] == "/staff/reviews"
    assert not usable(portal, token)
    (hold,) = rechecked.holds()
    assert (hold.target, hold.cause, hold.placed_by) == (grant, "card_lost", ichiro.person)
    assert [to for to, _ in rechecked.mails()] == ["hanako@example.jp"]
    assert listed(ichiro) == []
    (row,) = rechecked.rows()
    assert (row.settled_at, row.settled_by) == (town.services.clock.now(), ichiro.person)
    number(town)
    assert "電子証明書が失効したため、委任が止まりました。" in records(town.hanako)
    assert "職員として、失効した電子証明書の委任を止めました。" in records(ichiro)
    assert not [text for text in records(town.yuki) if "電子証明書" in text]


def test_what_goes_on_is_never_held_for_the_same_reason(
    rechecked: Rechecked, ward_office: Ward, portal: WardSystem, clock: FixedClock
) -> None:
    town, jiro = rechecked.town, ward_office.jiro
    grant = under_review(rechecked)
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert jiro.post(f"/staff/reviews/{grant}/go-on").headers["location"] == "/staff/reviews"
    number(town)
    assert "区の職員が、失効した電子証明書の委任を確かめ、続けることにしました。" in records(town.hanako)
    assert "職員として、失効した電子証明書の委任を続けることにしました。" in records(jiro)
    assert listed(jiro) == []
    assert usable(portal, token)
    assert rechecked.revoke(town.hanako, ReasonFlags.affiliation_changed).new == 0
    clock.advance(timedelta(days=15))
    assert hold_overdue(rechecked.parts) == 0
    assert (rechecked.holds(), rechecked.rows()[0].settled_by) == ([], jiro.person)


@pytest.mark.parametrize("first", ["hold", "go-on"])
@pytest.mark.parametrize("second", ["hold", "go-on"])
def test_a_review_is_decided_once(rechecked: Rechecked, ward_office: Ward, first: str, second: str) -> None:
    grant = under_review(rechecked)
    assert ward_office.ichiro.post(f"/staff/reviews/{grant}/{first}").status_code == 303
    before = (rechecked.rows(), rechecked.holds())
    refused = ward_office.jiro.post(f"/staff/reviews/{grant}/{second}")
    assert (refused.status_code, "もう済んでいます" in refused.text) == (400, True)
    assert ward_office.jiro.get(f"/staff/reviews/{grant}").status_code == 400
    assert (rechecked.rows(), rechecked.holds()) == before


def test_a_review_whose_grant_ended_waits_no_more(rechecked: Rechecked, ward_office: Ward) -> None:
    grant = under_review(rechecked)
    assert rechecked.town.hanako.post(f"/grants/{grant}/end").status_code == 303
    assert listed(ward_office.ichiro) == []
    assert ward_office.ichiro.post(f"/staff/reviews/{grant}/hold").status_code == 400


@pytest.mark.parametrize("party", ["hanako", "yuki"])
def test_no_party_of_the_grant_decides(rechecked: Rechecked, ward_office: Ward, party: str) -> None:
    who = getattr(rechecked.town, party)
    ward_office.give(who, "staff")
    grant = under_review(rechecked)
    who.log_in()
    assert listed(who) == []
    for method, path in (("GET", ""), ("POST", "/hold"), ("POST", "/go-on")):
        answer = who.http.request(
            method, f"/staff/reviews/{grant}{path}", headers={"origin": who.services.ward.origin}
        )
        assert (answer.status_code, "自分が関わる委任は" in answer.text) == (403, True), path
    assert (rechecked.holds(), rechecked.rows()[0].settled_at) == ([], None)


@pytest.mark.parametrize(("role", "found"), [("staff", True), ("admin", True), ("auditor", False)])
def test_staff_and_admins_decide_and_auditors_do_not(
    rechecked: Rechecked,
    ward_office: Ward,
    office_worker: Callable[[str], Any],
    role: str,
    found: bool,
) -> None:
    grant = under_review(rechecked)
    who = office_worker(role)
    assert who.get("/staff/reviews").status_code == (200 if found else 404)
    assert ('href="/staff/reviews"' in who.get("/staff").text) is found
    assert who.post(f"/staff/reviews/{grant}/go-on").status_code == (303 if found else 404)
    assert (rechecked.rows()[0].settled_by is not None) is found


@pytest.mark.parametrize("id_", ["0" * 32, "a%00b"])
def test_a_grant_that_is_none_or_not_under_review_is_unknown(
    rechecked: Rechecked, ward_office: Ward, id_: str
) -> None:
    for grant in (id_, rechecked.town.active()):
        assert ward_office.ichiro.get(f"/staff/reviews/{grant}").status_code == 404
        assert ward_office.ichiro.post(f"/staff/reviews/{grant}/hold").status_code == 404


@pytest.fixture
def office_worker(
    ward_office: Ward, cards: dict[str, VirtualCard], linked: Any, app: Any, staff: Any
) -> Callable[[str], Any]:
    """Someone at a browser with one role alone."""

    def make(role: str) -> Any:
        services, name = ward_office.town.services, "森緑"
        person = register_at_counter(services, staff, linked(name), "mori@example.jp")
        who = at_a_browser(services, app, person, cards[name], "mori@example.jp")
        ward_office.give(who, role)
        return who

    return make
