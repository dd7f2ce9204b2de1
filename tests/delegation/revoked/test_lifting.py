"""A hold for a card ends by two admins, neither of them a party, or by a new mandate beside it."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.x509 import ReasonFlags
from sqlmodel import col, update

from delegation.tables import HoldRow
from tests.delegation.revoked.conftest import Rechecked, rechecked, usable
from tests.delegation.staff_town import Ward, sign, ward_office
from tests.delegation.test_acting import act, by_passkey, decider, question
from tests.idp.conftest import WardSystem

__all__ = ["decider", "rechecked", "ward_office"]


def held(rechecked: Rechecked) -> tuple[str, str]:
    """A grant, and the id of the hold on it."""
    grant = rechecked.town.active()
    rechecked.revoke(rechecked.town.hanako, ReasonFlags.certificate_hold)
    (hold,) = rechecked.holds()
    return grant, hold.id


def test_two_admins_lift_it_and_the_same_reason_holds_it_no_more(
    rechecked: Rechecked, ward_office: Ward, portal: WardSystem
) -> None:
    town, ichiro, jiro = rechecked.town, ward_office.ichiro, ward_office.jiro
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    rechecked.revoke(town.hanako, ReasonFlags.certificate_hold)
    (hold,) = rechecked.holds()
    assert f'action="/staff/holds/{hold.id}/lift"' in ichiro.get(f"/staff/grants/{grant}").text
    change = ward_office.lifting(hold.id)
    page = ichiro.get(f"/staff/changes/{change}").text
    for said in (
        "次の委任の停止を解除",
        "田中\u3000花子",
        "委任状の日：2026年（令和8年）11月24日",
        "カードの紛失",
    ):
        assert said in page
    assert sign(ichiro, change).status_code == 303
    assert not usable(portal, token)
    assert sign(jiro, change).status_code == 303
    assert usable(portal, token)
    assert f"/staff/holds/{hold.id}/lift" not in ichiro.get(f"/staff/grants/{grant}").text
    assert rechecked.match().holds == 0
    assert usable(portal, token)


@pytest.mark.parametrize("party", ["hanako", "yuki"])
def test_no_party_of_the_grant_proposes_or_signs_it(
    rechecked: Rechecked, ward_office: Ward, party: str
) -> None:
    who = getattr(rechecked.town, party)
    ward_office.give(who, "admin")
    grant, hold = held(rechecked)
    who.log_in()
    assert who.post(f"/staff/holds/{hold}/lift").status_code == 403
    change = ward_office.lifting(hold)
    assert sign(ward_office.ichiro, change).status_code == 303
    assert who.post(f"/staff/changes/{change}/sign").status_code == 403
    assert grant in {row.target for row in rechecked.holds() if row.lifted_at is None}


def test_what_a_party_paused_is_theirs_to_resume(rechecked: Rechecked, ward_office: Ward) -> None:
    grant, hold = held(rechecked)
    assert rechecked.town.hanako.post(f"/grants/{grant}/pause").status_code == 303
    (pause,) = [row.id for row in rechecked.holds() if row.id != hold]
    assert ward_office.ichiro.post(f"/staff/holds/{pause}/lift").status_code == 400
    assert f"/staff/holds/{pause}/lift" not in ward_office.ichiro.get(f"/staff/grants/{grant}").text
    assert rechecked.town.hanako.post(f"/grants/{grant}/resume").status_code == 303
    assert {row.id for row in rechecked.holds() if row.lifted_at is None} == {hold}


@pytest.mark.parametrize("kind", ["office", "membership"])
def test_a_hold_on_something_else_is_not_lifted_here(
    rechecked: Rechecked, ward_office: Ward, kind: str
) -> None:
    _, hold = held(rechecked)
    with rechecked.town.services.database.writing(rechecked.town.services.ward.code) as unit:
        unit.session.exec(update(HoldRow).where(col(HoldRow.id) == hold).values(kind=kind))
    assert ward_office.ichiro.post(f"/staff/holds/{hold}/lift").status_code == 400


def test_a_new_mandate_stands_beside_the_held_one(
    rechecked: Rechecked, portal: WardSystem, decider: Callable[..., Any]
) -> None:
    """The new grant carries the decision, by the card with which it was signed."""
    town = rechecked.town
    held(rechecked)
    rechecked.publish({})
    grant = town.active()
    by_passkey(town)
    token = act(town, portal, grant)["access_token"]
    assert decider(question(token)).json()["decision"] is True
    assert rechecked.match().new == 0
    assert len([row for row in rechecked.holds() if row.lifted_at is None]) == 1
