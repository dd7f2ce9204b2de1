"""The client package and the real provider: what a ward system gets to know, and when that ends."""

from datetime import timedelta

import pytest

from delegation.client import DecisionUnavailable, TokenRefused
from tests.client.house import Ward
from tests.conftest import FixedClock
from tests.delegation.test_acting import act, by_passkey, pick
from tests.idp.conftest import WardSystem as Registered
from tests.idp.conftest import redeem, returned


def test_a_delegate_acts_until_the_principal_ends_it(
    ward_town: Ward, portal: Registered, clock: FixedClock
) -> None:
    town, system = ward_town.town, ward_town.system
    grant = town.active()
    by_passkey(town)
    tokens = act(town, portal, grant)
    access = system.verify(tokens["access_token"])
    (detail,) = tokens["authorization_details"]
    assert (access.principal, access.grant) == (detail["principal"]["sub"], detail["grant"])
    assert access.subject != access.principal
    assert access.procedures == frozenset({"kaigo.nintei.renew", "kaigo.card.reissue"})
    assert system.decide(access, "kaigo.nintei.renew", "file").allowed
    outside = system.decide(access, "kaigo.plan.notify", "file")
    assert (outside.allowed, outside.reason, outside.step_up, outside.over) == (
        False, "outside_grant", None, False,
    )  # fmt: skip
    assert outside.texts.keys() == {"ja", "en"}
    clock.advance(timedelta(minutes=11))
    with pytest.raises(TokenRefused):
        system.verify(tokens["access_token"])
    renewed = system.refresh(tokens["refresh_token"])
    again = system.verify(renewed.access_token)
    assert again.context == access.context
    town.hanako.post(f"/grants/{grant}/end")
    ended = system.decide(again, "kaigo.nintei.renew", "file")
    assert (ended.allowed, ended.over) == (False, True)
    with pytest.raises(TokenRefused):
        system.refresh(renewed.refresh_token)


def test_rfc7662_2_2_a_system_may_ask_what_a_token_says_now(ward_town: Ward, portal: Registered) -> None:
    town, system = ward_town.town, ward_town.system
    grant = town.active()
    token = act(town, portal, grant)["access_token"]
    said = system.introspect(token)
    assert (said["active"], said["scope"], said["client_id"]) == (True, "delegated:kaigo", "portal")
    town.hanako.post(f"/grants/{grant}/pause")
    assert system.introspect(token) == {"active": False}
    for answer in (b"{}", b'{"active": "true"}', b"no JSON"):
        ward_town.line.says = {"/introspect": answer}
        with pytest.raises(DecisionUnavailable):
            system.introspect(token)


def test_oneself_is_the_same_person_twice(ward_town: Ward, portal: Registered) -> None:
    town, system = ward_town.town, ward_town.system
    town.active()
    own = redeem(portal, returned(pick(town, portal, "self"))["code"]).json()
    access = system.verify(own["access_token"])
    assert (access.principal, access.delegated) == (access.subject, False)
    assert system.decide(access, "kaigo.plan.notify", "view").allowed


def test_another_systems_token_does_not_count_here(
    ward_town: Ward, new_system: object, portal: Registered
) -> None:
    town = ward_town.town
    grant = town.active()
    other = new_system("other")  # type: ignore[operator] # a factory
    with pytest.raises(TokenRefused):
        ward_town.system.verify(act(town, other, grant)["access_token"])
    own = portal.post("/token", {"grant_type": "client_credentials", "scope": "decide"}).json()
    with pytest.raises(TokenRefused):
        ward_town.system.verify(own["access_token"])
