"""The pure parts: states, guards, texts, rules, names, days."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assurance.procedures import Action, load_procedures
from assurance.sealed import MasterKeys, Vault
from assurance.wards import WardCode
from card.dates import add_months, end_of, ward_day
from card.faults import Fault
from delegation import mandate
from delegation.grant import (
    TRANSITIONS,
    Basis,
    CurrentState,
    GrantId,
    GrantState,
    Terms,
    check_move,
    check_terms,
    current_state,
    same_name,
)
from delegation.handles import handle_of, open_handle
from delegation.rules import Rules, load_rules

PROCEDURES = load_procedures()
MODEL = (
    "[request_definition]\nr = a, b, c, d\n[policy_definition]\np = a, b, c, d, eft\n"
    "[policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n"
    "[matchers]\nm = r.a == p.a && r.b == p.b && r.c == p.c && r.d == p.d\n"
)


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "basis": Basis.VOLUNTARY,
        "mode": "agent",
        "procedures": ("kaigo.nintei.renew",),
        "procedures_version": PROCEDURES.version,
        "actions": (Action.FILE,),
        "first": date(2026, 11, 24),
        "last": date(2026, 12, 24),
    }
    return Terms(**(values | changes))


@given(st.lists(st.sampled_from(list(GrantState)), max_size=8))
def test_ended_is_final_and_nothing_is_active_without_acceptance(path: list[GrantState]) -> None:
    state, seen = GrantState.PROPOSED, [GrantState.PROPOSED]
    for to in path:
        try:
            check_move(state, to)
        except Fault:
            continue
        assert state is not GrantState.ENDED
        state = to
        seen.append(to)
    if GrantState.ACTIVE in seen:
        assert seen.index(GrantState.ACCEPTED) < seen.index(GrantState.ACTIVE)
    assert TRANSITIONS[GrantState.ENDED] == frozenset()


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.integers(0, 800))
def test_no_grant_outlives_the_shortest_maximum(first: date, days: int) -> None:
    last = date.fromordinal(first.toordinal() + days)
    both = terms(first=first, last=last, procedures=("kaigo.nintei.renew", "kaigo.card.reissue"))
    if last < add_months(first, 3):
        check_terms(both, PROCEDURES, first)
        return
    with pytest.raises(Fault, match=r"grant\.too_long"):
        check_terms(both, PROCEDURES, first)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"procedures": ()}, "grant.nothing_chosen"),
        ({"actions": ()}, "grant.nothing_chosen"),
        ({"procedures": ("inkan.register",)}, "grant.never"),
        ({"procedures": ("no.such",)}, "grant.never"),
        ({"mode": "messenger"}, "grant.never"),
        ({"basis": Basis.PARENT}, "grant.never"),
        ({"last": date(2026, 11, 23)}, "grant.past"),
    ],
)
def test_guards(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Fault) as refused:
        check_terms(terms(**changes), PROCEDURES, date(2026, 11, 24))
    assert refused.value.code == code


def test_minpo_143_2_months_end_on_the_same_day_or_the_months_last() -> None:
    assert add_months(date(2027, 11, 30), 3) == date(2028, 2, 29)
    assert add_months(date(2026, 11, 24), 12) == date(2027, 11, 24)


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)))
def test_a_ward_day_ends_at_midnight_in_tokyo(day: date) -> None:
    assert ward_day(end_of(day)).toordinal() == day.toordinal() + 1


@pytest.mark.parametrize(
    ("typed", "proven", "same"),
    [
        ("田中由紀", "田中\u3000由紀", True),
        ("田中 由紀", "田中\u3000由紀", True),
        ("", "", False),
        ("\u3000", "", False),
        ("田中由美", "田中\u3000由紀", False),
        ("\u795e田", "\ufa19田", False),
    ],
)
def test_names_are_compared_without_spaces_and_without_folding(typed: str, proven: str, same: bool) -> None:
    assert same_name(typed, proven) is same


def content(**changes: Any) -> dict[str, Any]:
    made = mandate.content_of(
        terms(),
        PROCEDURES,
        ward="渋谷区",
        locale="ja",
        grant=("g", 2),
        principal="田中\u3000花子",
        delegate="田中\u3000由紀",
        commitment="c",
    )
    return made | changes


def test_the_text_says_what_the_structure_says() -> None:
    text = mandate.render(content(), "dairi.mandate.v1.ja")
    says = ("田中\u3000花子", "田中\u3000由紀", "認定の更新申請", "2026年（令和8年）12月24日")
    for part in says:
        assert part in text


@pytest.mark.parametrize(
    "claims",
    [
        {"content": content(), "template": "dairi.mandate.v1.ja", "text": "何もしません"},
        {"content": content(last="2027-12-24"), "template": "dairi.mandate.v1.ja"},
        {"content": content(), "template": "dairi.mandate.v2.ja"},
        {"content": content(), "template": "dairi.mandate.v1.fr"},
        {"content": content(actions=["own"]), "template": "dairi.mandate.v1.ja"},
        {"content": "x", "template": "dairi.mandate.v1.ja"},
        {"content": content(procedures=[]), "template": 1},
    ],
)
def test_displayed_text_and_structure_apart_never_count(claims: dict[str, Any]) -> None:
    shown = {"text": mandate.render(content(), "dairi.mandate.v1.ja")}
    with pytest.raises(Fault, match=r"mandate\.text"):
        mandate.check_signed(shown | claims, content())


def test_uts39_5_a_name_that_hides_characters_is_not_rendered() -> None:
    with pytest.raises(Fault, match=r"card\.text_controls"):
        mandate.render(content(delegate={"name": "田中\u202e由紀", "commitment": "c"}), "dairi.mandate.v1.ja")


def test_every_rule_fits_the_catalogue_and_every_delegable_procedure_has_one() -> None:
    rules = load_rules()
    allowed = {tuple(cell.strip() for cell in row.split(","))[1:5] for row in rules.rows if "allow" in row}
    for basis, procedure, action, mode in allowed:
        assert PROCEDURES.by_id[procedure].delegates[basis] == mode
        assert Action(action)
        assert Basis(basis)
    for known in PROCEDURES.by_id.values():
        for basis, mode in known.delegates.items():
            assert rules.ruling(basis, known.id, Action.FILE, mode).allowed
            assert not rules.ruling(basis, known.id, Action.VIEW, "messenger").allowed


def test_deny_overrides_and_nothing_loaded_allows_nothing() -> None:
    both = Rules(MODEL, "p, voluntary, x, file, agent, allow\np, voluntary, x, file, agent, deny")
    assert not both.ruling("voluntary", "x", Action.FILE, "agent").allowed
    nothing = Rules(MODEL, "")
    assert not nothing.ruling("voluntary", "x", Action.FILE, "agent").allowed
    assert not nothing.ruling("", "", Action.FILE, "").allowed


@pytest.mark.parametrize(
    "row", ["p, a, b, c, d", "p, a, b, c, d, maybe", "g, a, b, c, d, allow", "p,,b,c,d,allow"]
)
def test_a_row_that_is_no_rule_stops_the_start(row: str) -> None:
    with pytest.raises(ValueError, match="no rule"):
        Rules(MODEL, row)


@pytest.mark.parametrize("invited", [True, False])
@pytest.mark.parametrize("compared", [True, False])
@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("days", [-1, 0])
def test_what_a_grant_is_now_follows_from_its_last_step_its_days_and_its_use(
    invited: bool, compared: bool, usable: bool, days: int
) -> None:
    today = date(2026, 11, 24)

    def now(state: GrantState) -> CurrentState:
        last = date.fromordinal(today.toordinal() + days)
        return current_state(state, last, today, invited=invited, compared=compared, usable=usable)

    over = days < 0
    answerable, agreed = invited and not over, "compared" if compared else "accepted"
    assert now(GrantState.PROPOSED) == ("waiting" if answerable else "lapsed")
    assert now(GrantState.ACCEPTED) == ("expired" if over else agreed)
    assert now(GrantState.ACTIVE) == ("expired" if over else "active" if usable else "unusable")
    assert now(GrantState.ENDED) == "ended"


def test_a_grants_handle_outlives_a_rotation_of_the_master_key() -> None:
    old, new, ward = MasterKeys.generate(), MasterKeys.generate(), WardCode("131130")
    grant = GrantId("0" * 31 + "1")
    given = handle_of(Vault(old), ward, "kaigo", grant)
    rotated = Vault(MasterKeys(new.current, {**old.keys, **new.keys}))
    assert open_handle(rotated, ward, "kaigo", given) == grant
    assert open_handle(rotated, ward, "kaigo", handle_of(rotated, ward, "kaigo", grant)) == grant
    assert open_handle(rotated, ward, "tax", given) is None
    assert open_handle(Vault(new), ward, "kaigo", given) is None


@pytest.mark.parametrize(
    "change",
    [
        {"basis": Basis.PARENT}, {"mode": "messenger"}, {"procedures": ("tax.cert",)}, {"actions": ()},
        {"procedures_version": "other"}, {"first": date(2026, 11, 25)}, {"last": date(2026, 12, 25)},
    ],
)  # fmt: skip
def test_an_acceptance_is_of_the_whole_proposal(change: dict[str, Any]) -> None:
    accepted = terms().hash("p", "田中由紀")
    assert terms().hash("p", "田中由紀") == accepted
    assert terms(**change).hash("p", "田中由紀") != accepted
    assert terms().hash("q", "田中由紀") != accepted
    assert terms().hash("p", "田中花子") != accepted
