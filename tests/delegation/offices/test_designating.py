"""Acting for an office, and handing a principal over: with notice, a right to refuse, no new signature."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from assurance.evidence import CardAuthentication
from assurance.person import new_id
from assurance.tables import ProtectionRow
from card.jose import unverified_claims
from delegation.offices.tables import MembershipRow, OfficeRow
from delegation.tables import HoldRow, MandateRow
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident
from tests.delegation.offices.conftest import NUMBER, Office
from tests.delegation.test_acting import SCOPE, decider, question
from tests.idp.conftest import WardSystem, authorize, redeem, returned

__all__ = ["decider"]


def act(who: Resident, portal: WardSystem, grant: str) -> Any:
    page = authorize(who.http, portal, scope=SCOPE)
    assert page.status_code == 200, page.headers
    i = page.text.partition('name="i" value="')[2][:32]
    answer = who.post("/authorize/act", i=i, acting=grant)
    return answer if answer.status_code != 303 else redeem(portal, returned(answer)["code"]).json()


def later(office: Office, clock: FixedClock, hours: float) -> None:
    """Let time pass, and log everyone in again."""
    clock.advance(timedelta(hours=hours))
    for who in (office.admin, office.sato, office.mori, office.town.hanako):
        who.log_in(CardAuthentication(clock.now(), revocation_checked=True))


def test_a_token_names_the_office_and_the_decision_its_grant(
    office: Office, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    grant = office.active(office.town.hanako)
    token = act(office.sato, portal, grant)["access_token"]
    claims: Any = unverified_claims(token)
    assert claims["act"]["office"] == NUMBER
    assert claims["act"].keys() == {"sub", "office"}
    assert claims["authorization_details"][0]["basis"] == "care_office"
    assert decider(question(token, "kaigo.nintei.renew")).json()["decision"] is True
    assert decider(question(token, "kaigo.card.reissue")).json()["decision"] is False


def test_two_principals_never_mix(office: Office, portal: WardSystem, decider: Callable[..., Any]) -> None:
    """Two tabs: each token is for one principal, whatever the other says."""
    for_hanako = act(office.sato, portal, office.active(office.town.hanako))["access_token"]
    for_yuki = act(office.sato, portal, office.active(office.town.yuki))["access_token"]
    other: Any = unverified_claims(for_yuki)["sub"]
    for token in (for_hanako, for_yuki):
        assert decider(question(token)).json()["decision"] is True
    crossed = question(for_hanako)
    crossed["resource"]["properties"]["principal"] = other
    answer = decider(crossed).json()
    assert (answer["decision"], answer["context"]["reason"]) == (False, "token_required")


def test_only_whom_the_office_designates_may_use_its_grant(office: Office, portal: WardSystem) -> None:
    grant = office.active(office.town.hanako)
    for other in (office.mori, office.admin, office.town.yuki):
        assert "code" in returned(authorize(other.http, portal, scope=SCOPE))
        assert other.get(f"/grants/{grant}").status_code == 404
    assert "田中\u3000花子さんの代理" in authorize(office.sato.http, portal, scope=SCOPE).text


@pytest.mark.parametrize(
    "what", ["member left", "attestation", "certificate", "unchecked", "office ended", "office over",
             "hold on person", "hold on office", "hold on membership", "hold on grant", "principal protected"]
)  # fmt: skip
def test_whatever_ends_the_work_ends_the_use_at_once(
    office: Office, portal: WardSystem, decider: Callable[..., Any], what: str
) -> None:
    hanako, services = office.town.hanako, office.town.services
    grant = office.active(hanako)
    token, now = act(office.sato, portal, grant)["access_token"], services.clock.now()
    assert decider(question(token)).json()["decision"] is True
    member, ward = office.member(office.sato), services.ward.code
    changes: dict[str, dict[str, object]] = {
        "attestation": {"attested_until": now},
        "certificate": {"number_until": "2020-01-01"},
        "unchecked": {"checked_at": None},
    }
    targets = {"person": office.sato.person, "office": office.id, "membership": member.id, "grant": grant}
    with services.database.writing(ward) as unit:
        if what in changes:
            mine = col(MembershipRow.id) == member.id
            unit.session.exec(update(MembershipRow).where(mine).values(**changes[what]))
        elif what == "office ended":
            unit.session.exec(update(OfficeRow).values(ended_at=now))
        elif what == "office over":
            unit.session.exec(update(OfficeRow).values(until="2020-01-01"))
        elif what == "principal protected":
            unit.session.add(ProtectionRow(ward=ward, person=hanako.person, since=now))
        elif what.startswith("hold on "):
            kind = what.rpartition(" ")[2]
            unit.session.add(
                HoldRow(
                    ward=ward,
                    id=new_id(),
                    kind=kind,
                    target=targets[kind],
                    cause="admin",
                    placed_by="staff",
                    placed_at=now,
                )
            )
    if what == "member left":
        assert office.admin.post(f"/offices/{office.id}/members/{member.id}/end").status_code == 303
    assert decider(question(token)).json()["decision"] is False
    told = portal.post("/introspect", {"token": token}).json()
    assert told == {"active": False}
    assert "code" in returned(authorize(office.sato.http, portal, scope=SCOPE))
    assert office.town.row(grant).state == "active"


def test_a_protected_member_ends_nothing_of_the_office_s(
    office: Office, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    services, grant = office.town.services, office.active(office.town.hanako)
    with services.database.writing(services.ward.code) as unit:
        unit.session.add(
            ProtectionRow(ward=services.ward.code, person=office.sato.person, since=services.clock.now())
        )
    token = act(office.sato, portal, grant)["access_token"]
    assert decider(question(token)).json()["decision"] is True


def test_a_hand_over_works_a_day_after_its_notice_without_a_new_signature(
    office: Office, portal: WardSystem, clock: FixedClock
) -> None:
    hanako, grant = office.town.hanako, office.active(office.town.hanako)
    before = len(office.town.mail.sent)
    assert "田中\u3000花子さんの新しい担当者" in office.admin.get(f"/offices/{office.id}").text
    assert "新しい担当者" not in office.sato.get(f"/offices/{office.id}").text
    assert office.hand_over(grant, office.mori).status_code == 303
    assert "森\u3000緑さんが担当者になります" in office.sato.get(f"/offices/{office.id}").text
    (notice,) = office.town.mail.sent[before:]
    assert (notice.to, f"/grants/{grant}" in notice.body) == (hanako.address, True)
    assert "森\u3000緑さんが担当者になります" in hanako.get(f"/grants/{grant}").text
    later(office, clock, 23.9)
    assert office.mori.get(f"/grants/{grant}").status_code == 404
    assert "代理" in authorize(office.sato.http, portal, scope=SCOPE).text
    later(office, clock, 0.2)
    assert "code" in returned(authorize(office.sato.http, portal, scope=SCOPE))
    after = act(office.mori, portal, grant)["access_token"]
    claims: Any = unverified_claims(after)
    assert claims["act"]["office"] == NUMBER
    with office.town.services.database.reading() as session:
        assert len(session.exec(select(MandateRow)).all()) == 1


def test_she_may_refuse_whom_the_office_names(office: Office, clock: FixedClock) -> None:
    hanako, grant = office.town.hanako, office.active(office.town.hanako)
    assert office.hand_over(grant, office.mori).status_code == 303
    assert office.sato.post(f"/grants/{grant}/designation/refuse").status_code == 400
    assert office.town.yuki.post(f"/grants/{grant}/designation/refuse").status_code == 404
    assert hanako.post(f"/grants/{grant}/designation/refuse").status_code == 303
    assert hanako.post(f"/grants/{grant}/designation/refuse").status_code == 400
    later(office, clock, 25)
    assert office.mori.get(f"/grants/{grant}").status_code == 404
    assert office.sato.get(f"/grants/{grant}").status_code == 200


@pytest.mark.parametrize("by", ["hanako", "sato"])
def test_she_or_a_second_person_of_the_office_lets_it_work_at_once(office: Office, by: str) -> None:
    grant = office.active(office.town.hanako)
    assert office.hand_over(grant, office.mori).status_code == 303
    who = office.town.hanako if by == "hanako" else office.sato
    path = f"/offices/{office.id}/grants/{grant}/confirm"
    assert office.admin.post(path).status_code == 403
    assert office.mori.post(path).status_code == 403
    assert office.town.yuki.post(path).status_code == 404
    assert who.post(path).status_code == 303
    assert office.mori.get(f"/grants/{grant}").status_code == 200
    assert office.sato.get(f"/grants/{grant}").status_code == 404
    assert who.post(path).status_code == 400


def test_a_principal_is_handed_to_a_member_who_counts_and_not_twice_at_once(office: Office) -> None:
    hanako, grant = office.town.hanako, office.active(office.town.hanako)
    assert office.sato.post(
        f"/offices/{office.id}/grants/{grant}/hand-over", member=office.member(office.mori).id
    ).status_code == 404  # fmt: skip
    assert office.hand_over(grant, office.sato).status_code == 400
    assert office.invite(office.town.yuki, "13000007").status_code == 303
    assert office.town.yuki.post(office.link()).status_code == 303
    assert office.hand_over(grant, office.town.yuki).status_code == 404
    assert office.hand_over("0" * 32, office.mori).status_code == 404
    assert office.hand_over(grant, office.mori).status_code == 303
    assert office.hand_over(grant, office.admin).status_code == 403
    assert hanako.get(f"/grants/{grant}").status_code == 200


def test_nobody_is_handed_to_an_administrator_who_is_no_care_manager(office: Office) -> None:
    """Nobody checked a number of hers; and naming herself would count towards no cap."""
    grant = office.active(office.town.hanako)
    assert office.hand_over(grant, office.admin).status_code == 403
    assert office.hand_over(grant, office.mori).status_code == 303


def test_the_office_s_grant_outlives_who_left_and_waits_for_another(
    office: Office, clock: FixedClock, portal: WardSystem
) -> None:
    grant, member = office.active(office.town.hanako), office.member(office.sato)
    assert office.admin.post(f"/offices/{office.id}/members/{member.id}/end").status_code == 303
    assert "いません" in office.town.hanako.get(f"/grants/{grant}").text
    assert office.hand_over(grant, office.mori).status_code == 303
    later(office, clock, 24.1)
    assert "act" in unverified_claims(act(office.mori, portal, grant)["access_token"])


def test_who_was_to_hand_over_goes_on_when_the_colleague_leaves_before(
    office: Office, clock: FixedClock, portal: WardSystem
) -> None:
    hanako, grant = office.town.hanako, office.active(office.town.hanako)
    office.hand_over(grant, office.mori)
    member = office.member(office.mori)
    assert office.admin.post(f"/offices/{office.id}/members/{member.id}/end").status_code == 303
    assert "担当者になります" not in hanako.get(f"/grants/{grant}").text
    assert hanako.post(f"/grants/{grant}/designation/refuse").status_code == 400
    later(office, clock, 25)
    assert "act" in unverified_claims(act(office.sato, portal, grant)["access_token"])


@pytest.mark.parametrize("step", ["designation/refuse", "designation/confirm"])
def test_nothing_is_handed_over_once_it_ended(office: Office, step: str) -> None:
    hanako, grant = office.town.hanako, office.active(office.town.hanako)
    office.hand_over(grant, office.mori)
    hanako.post(f"/grants/{grant}/end")
    assert "担当者になります" not in hanako.get(f"/grants/{grant}").text
    assert hanako.post(f"/grants/{grant}/{step}").status_code == 400


def test_the_administrator_ends_it_and_she_does_and_a_member_does_not(office: Office) -> None:
    hanako = office.town.hanako
    first = office.active(hanako)
    assert office.sato.post(f"/grants/{first}/end").status_code == 403
    assert office.sato.post(f"/offices/{office.id}/grants/{first}/end").status_code == 404
    assert office.admin.post(f"/offices/{office.id}/grants/{first}/end").status_code == 303
    assert "事業所との契約が終わりました" in hanako.get(f"/grants/{first}").text
    assert office.admin.post(f"/offices/{office.id}/grants/{first}/end").status_code == 400
    second = office.active(hanako)
    assert hanako.post(f"/grants/{second}/end").status_code == 303
    assert office.town.row(second).ended_reason == "revoked"


def test_each_side_pauses_its_own(office: Office, portal: WardSystem) -> None:
    grant = office.active(office.town.hanako)
    assert office.sato.post(f"/grants/{grant}/pause").status_code == 303
    assert "code" in returned(authorize(office.sato.http, portal, scope=SCOPE))
    assert office.town.hanako.post(f"/grants/{grant}/resume").status_code == 303
    assert "code" in returned(authorize(office.sato.http, portal, scope=SCOPE))
    assert office.sato.post(f"/grants/{grant}/resume").status_code == 303
    assert "代理" in authorize(office.sato.http, portal, scope=SCOPE).text
