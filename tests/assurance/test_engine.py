"""assess(): properties that hold for all evidence, and the table of the design page line by line."""

import json
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assurance.thresholds
from assurance.engine import Assurance, Method, Reached, assess
from assurance.evidence import (
    AppAuthentication,
    Authentication,
    CardAuthentication,
    EmailCode,
    Evidence,
    Passkey,
    Proof,
    from_text,
    still_live,
    to_text,
)
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.procedures import load_procedures
from assurance.thresholds import AuthenticationThresholds, Thresholds, load_thresholds
from tests.conftest import NOW

THRESHOLDS = load_thresholds()
SOON = timedelta(hours=1)
times = st.datetimes(
    NOW.replace(tzinfo=None) - timedelta(days=400), NOW.replace(tzinfo=None) + timedelta(days=400)
).map(lambda moment: moment.replace(tzinfo=NOW.tzinfo))
few_times = times | st.sampled_from([NOW, NOW + SOON])
"""Ties are where an order shows."""
authentications: st.SearchStrategy[Authentication] = st.one_of(
    st.builds(EmailCode, few_times, st.just("mac")),
    st.builds(Passkey, few_times, st.booleans(), st.booleans(), st.none() | few_times, st.just("p")),
    st.builds(
        CardAuthentication,
        few_times,
        st.booleans(),
        st.none() | st.just("b"),
        st.none() | few_times,
        st.just("c"),
    ),
    st.builds(AppAuthentication, few_times, st.none() | few_times, st.just("a")),
)
any_evidence: st.SearchStrategy[Evidence] = st.one_of(
    authentications, st.builds(Proof, st.just("counter_card"), st.sampled_from(IAL), times, times)
)
single, multi = st.sampled_from([AAL.CONTACT, AAL.SINGLE]), st.sampled_from(list(AAL)[:3])
any_thresholds = st.builds(
    THRESHOLDS.model_copy,
    update=st.fixed_dictionaries(
        {
            "authentication": st.builds(
                AuthenticationThresholds,
                email_code=single,
                passkey=single,
                passkey_user_verified=multi,
                passkey_before_it_counts=single,
                card=st.sampled_from(AAL),
                card_unchecked=multi,
                card_before_it_counts=multi,
                app=st.sampled_from(AAL),
                app_before_it_counts=multi,
            ),
            "unchecked_card_ial": st.sampled_from(list(IAL)[:3]),
            "app_ial": st.sampled_from(list(IAL)[:3]),
        }
    ),
)
any_requirement = st.builds(
    Requirement,
    st.builds(Level, st.sampled_from(IAL), st.sampled_from(AAL)),
    st.booleans(),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=800)),
)
PROVEN = Proof("counter_card", IAL.HIGH, NOW, NOW + timedelta(days=1))


def strength(assurance: Assurance) -> tuple[AAL, IAL]:
    return assurance.level.aal, assurance.level.ial


@given(st.lists(any_evidence, max_size=4), authentications, any_evidence, any_thresholds)
def test_more_evidence_never_lowers_assurance(
    evidence: list[Evidence], first: Evidence, extra: Evidence, thresholds: Thresholds
) -> None:
    before = assess([*evidence, first], NOW, thresholds)
    assert strength(assess([*evidence, first, extra], NOW, thresholds)) >= strength(before)


@given(st.lists(any_evidence, max_size=4), authentications, any_evidence, any_requirement, any_thresholds)
def test_what_was_met_stays_met_whatever_is_added(
    evidence: list[Evidence],
    first: Evidence,
    extra: Evidence,
    requirement: Requirement,
    thresholds: Thresholds,
) -> None:
    if assess([*evidence, first], NOW, thresholds).meets(requirement, NOW):
        assert assess([*evidence, first, extra], NOW, thresholds).meets(requirement, NOW)


@given(st.lists(any_evidence, max_size=4), authentications, any_thresholds)
def test_no_level_is_claimed_that_no_single_authentication_gives(
    evidence: list[Evidence], first: Evidence, thresholds: Thresholds
) -> None:
    everything = [*evidence, first]
    proofs = [piece for piece in everything if isinstance(piece, Proof)]
    alone = {
        assess([piece, *proofs], NOW, thresholds).level
        for piece in everything
        if not isinstance(piece, Proof)
    }
    whole = assess(everything, NOW, thresholds)
    assert whole.level in alone
    for ial in IAL:
        for aal in AAL:
            needed = Level(ial, aal)
            met = whole.meets(Requirement(needed), NOW)
            assert met == any(level.reaches(needed) for level in alone)


def test_a_code_by_mail_does_not_lift_the_cap_of_a_card_that_nobody_checked() -> None:
    both = assess([EmailCode(NOW, "m"), CardAuthentication(NOW, False), PROVEN], NOW, THRESHOLDS)
    assert both.acr == "urn:dairi:acr:ial2:aal2"
    assert not both.meets(Requirement(Level(IAL.HIGH, AAL.MULTI)), NOW)
    assert both.meets(Requirement(Level(IAL.HIGH, AAL.CONTACT)), NOW)
    with_passkey = assess([Passkey(NOW, True, True), CardAuthentication(NOW, False), PROVEN], NOW, THRESHOLDS)
    assert with_passkey.acr == "urn:dairi:acr:ial3:aal2"


@given(st.data(), st.lists(any_evidence, max_size=6), authentications, any_thresholds)
def test_the_order_of_evidence_does_not_matter(
    data: st.DataObject, evidence: list[Evidence], first: Evidence, thresholds: Thresholds
) -> None:
    everything = [*evidence, first]
    shuffled = data.draw(st.permutations(everything))
    assert assess(shuffled, NOW, thresholds) == assess(everything, NOW, thresholds)


@given(st.lists(any_evidence, max_size=4), authentications, st.timedeltas(timedelta(0), timedelta(days=800)))
def test_time_alone_raises_nothing_after_everything_counts(
    evidence: list[Evidence], first: Evidence, later: timedelta
) -> None:
    start = NOW + timedelta(days=401)
    held = [piece for piece in [*evidence, first] if not isinstance(piece, Proof) or piece.proven_at <= start]
    assert assess(held, start, THRESHOLDS).level.reaches(assess(held, start + later, THRESHOLDS).level)


@given(st.lists(authentications, max_size=4))
def test_evidence_goes_to_storage_and_back(evidence: list[Authentication]) -> None:
    assert from_text(to_text(evidence)) == tuple(evidence)


def test_what_another_version_wrote_counts_for_nothing() -> None:
    passkey, email = (
        json.loads(to_text([piece]))[0] for piece in (Passkey(NOW, True, True), EmailCode(NOW, "m"))
    )
    del passkey["credential"]
    assert from_text(json.dumps([passkey, {"kind": "Retina", "at": "x"}, email])) == (EmailCode(NOW, "m"),)


def test_evidence_ends_with_the_credential_that_it_rests_on() -> None:
    evidence = [
        Passkey(NOW, True, True, credential="p"),
        CardAuthentication(NOW, True, credential="c"),
        AppAuthentication(NOW, credential="a"),
        EmailCode(NOW, "m"),
    ]
    assert still_live(evidence, {"p", "c", "a"}, ()) == tuple(evidence)
    assert still_live(evidence, {"c", "a"}, ()) == tuple(evidence[1:])
    assert still_live(evidence, set(), ()) == (EmailCode(NOW, "m"),)
    assert not still_live([Passkey(NOW, True, True), CardAuthentication(NOW, True)], {"p", "c"}, ())


def test_a_login_outlives_the_bridge_that_countersigned_it_and_resists_phishing_no_longer() -> None:
    evidence = [CardAuthentication(NOW, True, "b", credential="c"), EmailCode(NOW, "m")]
    resists = Requirement(phishing_resistant=True)
    for bridges, met in (({"a", "b"}, True), ({"a"}, False), ((), False)):
        reached = assess([*still_live(evidence, {"c"}, bridges), PROVEN], NOW, THRESHOLDS)
        assert (reached.acr, reached.meets(resists, NOW)) == (
            assess([*evidence, PROVEN], NOW, THRESHOLDS).acr,
            met,
        )
    assert not still_live(evidence[:1], (), {"b"})


@pytest.mark.parametrize(
    ("evidence", "level", "amr", "resists"),
    [
        (EmailCode(NOW, "m"), "3/0", ("otp",), False),
        (Passkey(NOW, user_verified=False, synced=True), "3/1", ("user",), False),
        (Passkey(NOW, user_verified=True, synced=True), "3/2", ("mfa", "swk"), True),
        (Passkey(NOW, user_verified=True, synced=False), "3/2", ("hwk", "mfa"), True),
        (CardAuthentication(NOW, revocation_checked=True), "3/3", ("hwk", "mfa", "pin", "sc"), False),
        (CardAuthentication(NOW, True, countersigned_by="b"), "3/3", ("hwk", "mfa", "pin", "sc"), True),
        (CardAuthentication(NOW, revocation_checked=False), "2/2", ("hwk", "mfa", "pin", "sc"), False),
        (CardAuthentication(NOW, True, counts_from=NOW + SOON), "3/2", ("hwk", "mfa", "pin", "sc"), False),
        (AppAuthentication(NOW), "2/3", ("mfa",), False),
        (AppAuthentication(NOW, counts_from=NOW + SOON), "2/2", ("mfa",), False),
        (Passkey(NOW, True, True, NOW + SOON), "3/1", ("mfa", "swk"), True),
        (Passkey(NOW, True, True, NOW), "3/2", ("mfa", "swk"), True),
    ],
)
def test_each_method_reaches_what_the_policy_says(
    evidence: Evidence, level: str, amr: tuple[str, ...], resists: bool
) -> None:
    reached = assess([evidence, PROVEN], NOW, THRESHOLDS)
    shown = (f"{reached.level.ial}/{reached.level.aal}", reached.amr, reached.reached[0].phishing_resistant)
    assert shown == (level, amr, resists)


def test_a_proof_ends() -> None:
    evidence = [PROVEN, Passkey(NOW, True, True)]
    assert assess(evidence, NOW + timedelta(days=1), THRESHOLDS).level.ial is IAL.NONE


def test_a_proof_alone_is_no_login() -> None:
    with pytest.raises(ValueError, match="no authentication"):
        assess([PROVEN], NOW, THRESHOLDS)


def test_an_assurance_says_what_gave_what_what_ends_when_and_what_waiting_raises() -> None:
    photo = Proof("counter_photo_id", IAL.SUBSTANTIAL, NOW, NOW + timedelta(days=9))
    linked = CardAuthentication(NOW, True, counts_from=NOW + SOON)
    found = assess([EmailCode(NOW, "m"), linked, photo, PROVEN], NOW, THRESHOLDS)
    assert found.reached == (
        Reached(Method.CARD, Level(IAL.HIGH, AAL.MULTI), at=NOW, full_from=NOW + SOON),
        Reached(Method.EMAIL_CODE, Level(IAL.HIGH, AAL.CONTACT), at=NOW, full_from=NOW),
    )
    assert found.proven_until == PROVEN.ends_at
    unchecked = assess([CardAuthentication(NOW, False), photo, PROVEN], NOW, THRESHOLDS)
    assert unchecked.proven_until == photo.ends_at
    assert assess([linked], NOW, THRESHOLDS).proven_until is None


def test_auth_time_is_that_of_the_newest_at_the_level_that_is_told() -> None:
    old, older = NOW - timedelta(minutes=5), NOW - timedelta(minutes=9)
    evidence = [Passkey(NOW, True, True), CardAuthentication(older, True), CardAuthentication(old, True)]
    assert assess([*evidence, PROVEN], NOW, THRESHOLDS).auth_time == old


def test_a_requirement_needs_both_coordinates_and_every_condition() -> None:
    reached = assess([PROVEN, CardAuthentication(NOW, True)], NOW, THRESHOLDS)
    assert reached.meets(Requirement(Level(IAL.HIGH, AAL.HARDWARE), fresh_within=timedelta(0)), NOW)
    assert not reached.meets(Requirement(fresh_within=timedelta(minutes=5)), NOW + timedelta(minutes=6))
    assert not reached.meets(Requirement(phishing_resistant=True), NOW)
    assert not assess([EmailCode(NOW, "m"), PROVEN], NOW, THRESHOLDS).meets(
        Requirement(Level(IAL.HIGH, AAL.MULTI)), NOW
    )


def test_freshness_is_never_borrowed_from_a_weaker_authentication() -> None:
    old = Passkey(NOW - timedelta(hours=1), True, True)
    both = assess([old, EmailCode(NOW, "m"), PROVEN], NOW, THRESHOLDS)
    assert not both.meets(Requirement(Level(IAL.NONE, AAL.MULTI), fresh_within=timedelta(minutes=20)), NOW)


@pytest.mark.parametrize("acr", ["urn:dairi:acr:ial4:aal1", "urn:dairi:acr:ial1:aal1 ", "", "ial1:aal1"])
def test_an_unknown_acr_is_none(acr: str) -> None:
    assert Level.parse_acr(acr) is None


SHIPPED = files("policies").joinpath("assurance.toml").read_text("utf-8")
BEYOND = [
    ("email_code = 0", "email_code = 2"),
    ("email_code = 0", "email_code = -1"),
    ("\npasskey = 1", "\npasskey = 2"),
    ("passkey_user_verified = 2", "passkey_user_verified = 3"),
    ("passkey_before_it_counts = 1", "passkey_before_it_counts = 2"),
    ("card = 3", "card = 4"),
    ("card_unchecked = 2", "card_unchecked = 3"),
    ("card_before_it_counts = 2", "card_before_it_counts = 3"),
    ("unchecked_card_ial = 2", "unchecked_card_ial = 3"),
    ("\napp = 3", "\napp = 4"),
    ("app_before_it_counts = 2", "app_before_it_counts = 3"),
    ("app_ial = 2", "app_ial = 3"),
    ("waits_hours = 72", "waits_hours = 71"),
    ("waits_hours = 72", "waits_hours = 721"),
    ("by staff\nial = 2", "by staff\nial = 3"),
    ("two staff\nial = 2", "two staff\nial = 3"),
    ("years = 5", "years = 11"),
    ("[proofing.card_signature]", "[proofing.a_friend]"),
    ("[proofing.card_signature]    # the signature certificate at home\nial = 3\nyears = 5", ""),
    ("[authentication]", "[authentication]\nretina = 3"),
]


@pytest.mark.parametrize(("shipped", "written"), BEYOND)
def test_asvs_6_3_6_thresholds_beyond_their_bounds_stop_the_start(
    shipped: str, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shipped in SHIPPED
    (tmp_path / "assurance.toml").write_text(SHIPPED.replace(shipped, written), "utf-8")
    monkeypatch.setattr(assurance.thresholds, "files", lambda _package: tmp_path)
    with pytest.raises(ValueError, match="validation error"):
        load_thresholds()


def test_a_ward_may_give_an_address_one_factor_and_no_more() -> None:
    raised = load_thresholds(SHIPPED.replace("email_code = 0", "email_code = 1"))
    assert assess([EmailCode(NOW, "m"), PROVEN], NOW, raised).acr == "urn:dairi:acr:ial3:aal1"


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        '[procedure."Bad Id"]\nname = {ja = "a", en = "b"}\nlevel = "2/2"',
        '[procedure."a.b"]\nname = {ja = "a", en = "b"}\nlevel = "4/2"',
        '[procedure."a.b"]\nname = {ja = "a"}\nlevel = "2/2"',
        '[procedure."a.b"]\nname = {ja = "a", en = "b"}\nlevel = "2/2"\ndelegates = {voluntary = "agent"}',
        '[procedure."a.b"]\nname = {ja = "a", en = "b"}\nlevel = "2/2"\nnever = true\nlongest_months = 3',
        '[procedure."a.b"]\nname = {ja = "a", en = "b"}\nlevel = "2/2"\n'
        'delegates = {friend = "agent"}\nlongest_months = 3',
    ],
)
def test_a_catalogue_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the schema says
        load_procedures(text)


def test_the_catalogue_that_ships_is_sound() -> None:
    procedures = load_procedures()
    assert len(procedures.by_id) == 10
    assert procedures.by_id["inkan.register"].never
    assert procedures.longest_months(["kaigo.nintei.renew", "kaigo.card.reissue"]) == 3
    assert "inkan.register" not in {entry.id for entry in procedures.delegable("voluntary")}
