"""What a verified token says: somebody's own, or a delegated one that is whole."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation.client import (
    DELEGATED_PREFIX,
    DETAILS_TYPE,
    Access,
    NotForThis,
    TokenRefused,
    principal_name,
    read_access,
    require_context,
)

OWN = {"sub": "hanako", "scope": "openid kaigo", "exp": 1_800_000_000, "acr": "urn:dairi:acr:ial3:aal2"}
DETAIL = {"type": DETAILS_TYPE, "grant": "g1", "procedures": ["kaigo.nintei.renew"], "actions": ["file"]}
DELEGATED = OWN | {
    "scope": f"{DELEGATED_PREFIX}kaigo",
    "act": {"sub": "yuki"},
    "authorization_details": [DETAIL],
}

Damage = Callable[[dict[str, Any]], object]


def without(name: str) -> Damage:
    rest = {key: value for key, value in DETAIL.items() if key != name}
    return lambda claims: claims.update(authorization_details=[rest])


HALVES: dict[str, Damage] = {
    "no scope": lambda claims: claims.update(scope=""),
    "a plain scope": lambda claims: claims.update(scope="kaigo"),
    "a plain scope besides": lambda claims: claims.update(scope=f"openid {DELEGATED_PREFIX}kaigo"),
    "no act": lambda claims: claims.pop("act", None),
    "an empty act": lambda claims: claims.update(act={}),
    "act is null": lambda claims: claims.update(act=None),
    "act is text": lambda claims: claims.update(act="yuki"),
    "act of nobody": lambda claims: claims.update(act={"sub": ""}),
    "act of a number": lambda claims: claims.update(act={"sub": 7}),
    "no details": lambda claims: claims.pop("authorization_details", None),
    "details are null": lambda claims: claims.update(authorization_details=None),
    "details are empty": lambda claims: claims.update(authorization_details=[]),
    "details are an object": lambda claims: claims.update(authorization_details=DETAIL),
    "details twice": lambda claims: claims.update(authorization_details=[DETAIL, DETAIL]),
    "details of text": lambda claims: claims.update(authorization_details=["grant"]),
    "another type": lambda claims: claims.update(authorization_details=[DETAIL | {"type": "payment"}]),
    **{f"no {name}": without(name) for name in ("type", "grant", "procedures")},
    "an empty grant": lambda claims: claims.update(authorization_details=[DETAIL | {"grant": ""}]),
    "a procedure of a number": lambda claims: claims.update(
        authorization_details=[DETAIL | {"procedures": [1]}]
    ),
}


def test_a_whole_delegated_token_says_for_whom_and_who_acts() -> None:
    access = read_access("t", DELEGATED)
    assert (access.principal, access.subject, access.grant) == ("hanako", "yuki", "g1")
    assert (access.procedures, access.delegated) == (frozenset({"kaigo.nintei.renew"}), True)
    assert access.expires_at == datetime.fromtimestamp(1_800_000_000, UTC)


def test_an_own_token_is_about_whoever_logged_in() -> None:
    access = read_access("t", OWN)
    assert (access.principal, access.subject, access.grant) == ("hanako", "hanako", None)
    assert (access.procedures, access.delegated) == (frozenset(), False)


@given(damages=st.sets(st.sampled_from(sorted(HALVES)), min_size=1))
def test_rfc8693_4_1_any_half_of_a_delegated_token_is_refused(damages: set[str]) -> None:
    claims: dict[str, Any] = deepcopy(DELEGATED)
    for name in sorted(damages):
        HALVES[name](claims)
    own = not ({"act", "authorization_details"} & claims.keys()) and DELEGATED_PREFIX not in claims["scope"]
    if own:
        assert not read_access("t", claims).delegated
    else:
        with pytest.raises(TokenRefused):
            read_access("t", claims)


@pytest.mark.parametrize("name", HALVES)
def test_each_half_alone_is_refused(name: str) -> None:
    claims = deepcopy(DELEGATED)
    HALVES[name](claims)
    with pytest.raises(TokenRefused):
        read_access("t", claims)


@pytest.mark.parametrize(
    "changes", [{"sub": ""}, {"sub": 7}, {"sub": None}, {"scope": None}, {"scope": ["kaigo"]}]
)
def test_a_token_of_nobody_or_without_scope_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TokenRefused):
        read_access("t", OWN | changes)


def test_a_token_stays_out_of_logs() -> None:
    assert "secret" not in repr(read_access("secret", OWN))


def test_rfc9396_2_a_step_up_asks_to_come_back_as_the_same() -> None:
    own, delegated = read_access("t", OWN), read_access("t", DELEGATED)
    assert own.authorization_details == '[{"type": "jp_ward_delegation", "principal": "self"}]'
    assert delegated.authorization_details == '[{"type": "jp_ward_delegation", "grant": "g1"}]'


def test_rfc9396_7_the_principal_is_named_or_nobody_acts() -> None:
    shown = DETAIL | {"principal": {"sub": "hanako", "name": "田中 花子"}}
    assert principal_name({"authorization_details": [shown]}) == "田中 花子"
    for detail in (DETAIL, DETAIL | {"principal": {"sub": "hanako", "name": None}}, None):
        with pytest.raises(TokenRefused):
            principal_name({"authorization_details": [detail]})
    with pytest.raises(TokenRefused):
        principal_name({})


# Forms.


def test_a_form_counts_for_the_context_that_it_was_made_for() -> None:
    access = read_access("t", DELEGATED)
    require_context(access, access.context)
    require_context(replace(access, token="refreshed", acr="raised"), access.context)


@pytest.mark.parametrize(
    "changes", [{"principal": "taro"}, {"subject": "jiro"}, {"grant": "g2"}, {"grant": None}]
)
def test_two_tabs_with_two_principals_cannot_file_into_each_other(changes: dict[str, Any]) -> None:
    access = read_access("t", DELEGATED)
    other: Access = replace(access, **changes)
    with pytest.raises(NotForThis):
        require_context(access, other.context)
    with pytest.raises(NotForThis):
        require_context(other, access.context)


@pytest.mark.parametrize("carried", ["", "0" * 32, "田中", "\ud800"])
def test_a_form_that_carries_no_context_is_refused(carried: str) -> None:
    with pytest.raises(NotForThis):
        require_context(read_access("t", OWN), carried)
