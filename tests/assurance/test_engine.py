"""assess(): properties that hold for all evidence, and the table of the design page line by line."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assurance.engine import assess
from assurance.evidence import (
    CardAuthentication,
    Demo,
    EmailCode,
    Evidence,
    Passkey,
    Proof,
    from_json,
    to_json,
)
from assurance.levels import AAL, IAL, Level, Requirement
from assurance.procedures import load_procedures
from assurance.thresholds import load_thresholds
from tests.conftest import NOW

THRESHOLDS = load_thresholds()
times = st.datetimes(
    NOW.replace(tzinfo=None) - timedelta(days=400), NOW.replace(tzinfo=None) + timedelta(days=400)
).map(lambda moment: moment.replace(tzinfo=NOW.tzinfo))
authentications = st.one_of(
    st.builds(EmailCode, times, st.just("mac")),
    st.builds(Passkey, times, st.booleans(), st.booleans(), st.none() | times),
    st.builds(CardAuthentication, times, st.booleans(), st.booleans(), st.none() | times),
    st.builds(Demo, times, st.sampled_from(IAL), st.sampled_from(AAL)),
)
any_evidence: st.SearchStrategy[Evidence] = st.one_of(
    authentications, st.builds(Proof, st.just("counter_card"), st.sampled_from(IAL), times, times)
)
PROVEN = Proof("counter_card", IAL.HIGH, NOW, NOW + timedelta(days=1))


@given(st.lists(any_evidence, max_size=4), authentications, any_evidence)
def test_more_evidence_never_lowers_assurance(
    evidence: list[Evidence], first: Evidence, extra: Evidence
) -> None:
    before = assess([*evidence, first], NOW, THRESHOLDS)
    assert assess([*evidence, first, extra], NOW, THRESHOLDS).level.reaches(before.level)


@given(
    st.permutations([EmailCode(NOW, "m"), PROVEN, Passkey(NOW, True, True), CardAuthentication(NOW, False)])
)
def test_the_order_of_evidence_does_not_matter(evidence: list[Evidence]) -> None:
    assert assess(evidence, NOW, THRESHOLDS) == assess(evidence[::-1], NOW, THRESHOLDS)


@given(st.lists(any_evidence, max_size=4), authentications, st.timedeltas(timedelta(0), timedelta(days=800)))
def test_time_alone_raises_nothing_after_everything_counts(
    evidence: list[Evidence], first: Evidence, later: timedelta
) -> None:
    start = NOW + timedelta(days=401)
    held = [piece for piece in [*evidence, first] if not isinstance(piece, Proof) or piece.proven_at <= start]
    assert assess(held, start, THRESHOLDS).level.reaches(assess(held, start + later, THRESHOLDS).level)


@given(any_evidence)
def test_evidence_goes_to_storage_and_back(evidence: Evidence) -> None:
    assert from_json(to_json(evidence)) == evidence


@pytest.mark.parametrize(
    ("evidence", "level", "amr", "resists"),
    [
        (EmailCode(NOW, "m"), "3/0", ("otp",), False),
        (Passkey(NOW, user_verified=False, synced=True), "3/1", ("user",), False),
        (Passkey(NOW, user_verified=True, synced=True), "3/2", ("mfa", "swk"), True),
        (Passkey(NOW, user_verified=True, synced=False), "3/2", ("hwk", "mfa"), True),
        (CardAuthentication(NOW, revocation_checked=True), "3/3", ("hwk", "mfa", "pin", "sc"), False),
        (CardAuthentication(NOW, True, countersigned=True), "3/3", ("hwk", "mfa", "pin", "sc"), True),
        (CardAuthentication(NOW, revocation_checked=False), "2/2", ("hwk", "mfa", "pin", "sc"), False),
        (
            CardAuthentication(NOW, True, counts_from=NOW + timedelta(hours=1)),
            "3/2",
            ("hwk", "mfa", "pin", "sc"),
            False,
        ),
        (Passkey(NOW, True, True, NOW + timedelta(hours=1)), "3/1", ("mfa", "swk"), True),
    ],
)
def test_each_method_reaches_what_the_policy_says(
    evidence: Evidence, level: str, amr: tuple[str, ...], resists: bool
) -> None:
    reached = assess([evidence, PROVEN], NOW, THRESHOLDS)
    assert (f"{reached.level.ial}/{reached.level.aal}", reached.amr, reached.phishing_resistant) == (
        level,
        amr,
        resists,
    )


def test_a_proof_ends() -> None:
    evidence = [PROVEN, Passkey(NOW, True, True)]
    assert assess(evidence, NOW + timedelta(days=1), THRESHOLDS).level.ial is IAL.NONE


def test_a_proof_alone_is_no_login() -> None:
    with pytest.raises(ValueError, match="no authentication"):
        assess([PROVEN], NOW, THRESHOLDS)


def test_a_requirement_needs_both_coordinates_and_every_condition() -> None:
    reached = assess([PROVEN, CardAuthentication(NOW, True)], NOW, THRESHOLDS)
    assert reached.meets(Requirement(Level(IAL.HIGH, AAL.HARDWARE), fresh_within=timedelta(0)), NOW)
    assert not reached.meets(Requirement(fresh_within=timedelta(minutes=5)), NOW + timedelta(minutes=6))
    assert not reached.meets(Requirement(phishing_resistant=True), NOW)
    assert not assess([EmailCode(NOW, "m"), PROVEN], NOW, THRESHOLDS).meets(
        Requirement(Level(IAL.HIGH, AAL.MULTI)), NOW
    )


@pytest.mark.parametrize("acr", ["urn:dairi:acr:ial4:aal1", "urn:dairi:acr:ial1:aal1 ", "", "ial1:aal1"])
def test_an_unknown_acr_is_none(acr: str) -> None:
    assert Level.parse_acr(acr) is None


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
