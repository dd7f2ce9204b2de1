"""The decision core: every branch, and that it never allows what one of its grounds does not."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assurance.engine import assess
from assurance.evidence import CardAuthentication, EmailCode, Evidence, Proof
from assurance.levels import AAL, ACTING, IAL, Level, Requirement
from assurance.person import PersonId
from assurance.procedures import Action, Procedures
from delegation.decision import Acting, Answer, Caller, Question, Reason, decide
from delegation.grant import Basis, GrantId, Terms, without_waiting
from delegation.rules import Ruling
from tests.conftest import NOW
from tests.shipped import PROCEDURES, RULES, THRESHOLDS

RENEW, NEVER = "kaigo.nintei.renew", "inkan.register"
OFFERED = frozenset({RENEW, NEVER, "kaigo.card.reissue"})
CALLER = Caller("portal", {"ja": "", "en": ""}, "https://portal.example", "kaigo", OFFERED)
PROVEN = Proof("counter_card", IAL.HIGH, NOW, NOW.replace(year=2030))
CARD = CardAuthentication(NOW, revocation_checked=True)
QUESTION = Question("yuki", "hanako", RENEW, "file")
TERMS = Terms(
    basis=Basis.VOLUNTARY,
    mode="agent",
    procedures=(RENEW, NEVER, "kaigo.card.reissue"),
    procedures_version=PROCEDURES.version,
    actions=(Action.VIEW, Action.FILE),
    first=date(2026, 11, 24),
    last=date(2026, 12, 24),
)


def acting(*evidence: Evidence, **changes: Any) -> Acting:
    """Yuki, for Hanako, by card unless said otherwise."""
    made = Acting(
        person=PersonId("p-yuki"),
        principal=PersonId("p-hanako"),
        subject="yuki",
        principal_sub="hanako",
        audience=CALLER.audience,
        assurance=assess(evidence or (CARD, PROVEN), NOW, THRESHOLDS),
        procedures=OFFERED,
        grant=GrantId("g"),
        terms=TERMS,
    )
    return replace(made, **changes)


def ask(
    who: Acting | None,
    question: Question = QUESTION,
    *,
    procedures: Procedures = PROCEDURES,
    caller: Caller = CALLER,
) -> Answer:
    return decide(question, caller, who, procedures, RULES, NOW)


def test_what_grant_rules_and_login_allow_is_allowed_with_its_ground() -> None:
    answer = ask(acting())
    assert answer.allowed
    assert (answer.grant, answer.rule) == ("g", "voluntary, kaigo.nintei.renew, file, agent, allow")
    assert answer.until is not None
    assert answer.until.isoformat() == "2026-12-24T15:00:00+00:00"


def test_for_oneself_the_login_alone_decides() -> None:
    mine = acting(subject="hanako", grant=None, terms=None)
    own = replace(QUESTION, subject="hanako")
    assert ask(mine, own).allowed
    assert ask(mine, own).grant is None
    weak = replace(mine, assurance=assess([EmailCode(NOW, "mac"), PROVEN], NOW, THRESHOLDS))
    assert ask(weak, own) == Answer(Reason.STEP_UP, acr="urn:dairi:acr:ial2:aal2")


@pytest.mark.parametrize(
    ("who", "question", "reason"),
    [
        (None, QUESTION, Reason.TOKEN_REQUIRED),
        (acting(audience="https://other.example"), QUESTION, Reason.TOKEN_REQUIRED),
        (acting(), replace(QUESTION, subject="hanako"), Reason.TOKEN_REQUIRED),
        (acting(), replace(QUESTION, principal="ichiro"), Reason.TOKEN_REQUIRED),
        (acting(grant=None, principal_sub="yuki"), QUESTION, Reason.ACT_AS_REQUIRED),
        (acting(), replace(QUESTION, procedure="kaigo.unheard.of"), Reason.NOT_OFFERED),
        (acting(), replace(QUESTION, action="destroy"), Reason.NOT_OFFERED),
        (acting(procedures=frozenset()), QUESTION, Reason.NOT_OFFERED),
        (acting(), replace(QUESTION, procedure=NEVER), Reason.NEVER_DELEGABLE),
        (acting(terms=None), QUESTION, Reason.NO_GRANT),
        (acting(terms=replace(TERMS, procedures=())), QUESTION, Reason.OUTSIDE_GRANT),
        (acting(), replace(QUESTION, action="receive"), Reason.OUTSIDE_GRANT),
        (acting(terms=replace(TERMS, mode="messenger")), QUESTION, Reason.RULE),
        (acting(terms=replace(TERMS, basis=Basis.COUNTER_EMERGENCY)), QUESTION, Reason.RULE),
        (acting(EmailCode(NOW, "mac"), PROVEN), QUESTION, Reason.STEP_UP),
        (acting(CARD), QUESTION, Reason.STEP_UP),
    ],
)
def test_what_is_missing_is_named(who: Acting | None, question: Question, reason: Reason) -> None:
    answer = ask(who, question)
    assert (answer.reason, answer.allowed) == (reason, False)
    helps = {Reason.TOKEN_REQUIRED, Reason.ACT_AS_REQUIRED, Reason.STEP_UP}
    assert (answer.acr is not None) == (reason in helps)
    assert (answer.grant, answer.rule, answer.until) == (None, None, None)


HIGHCOST, JUKI = "kaigo.highcost", "juki.cert"
WAITING = replace(
    TERMS, procedures=(RENEW, HIGHCOST, JUKI), actions=(Action.VIEW, Action.FILE, Action.RECEIVE)
)


@pytest.mark.parametrize(
    ("procedure", "action", "waits"),
    [
        (RENEW, "view", False),
        (RENEW, "file", False),
        (RENEW, "receive", True),
        (HIGHCOST, "file", True),
        (JUKI, "view", True),
    ],
)
def test_what_could_not_be_undone_waits_for_the_letter_to_the_principal(
    procedure: str, action: str, waits: bool
) -> None:
    caller = replace(CALLER, procedures=frozenset(WAITING.procedures))
    asked = replace(QUESTION, procedure=procedure, action=action)
    who = acting(terms=WAITING, procedures=caller.procedures)
    assert ask(who, asked, caller=caller).allowed
    waiting = ask(replace(who, waits=True), asked, caller=caller)
    assert waiting.reason is (Reason.NOT_YET if waits else Reason.ALLOWED)


def test_what_waits_is_not_in_what_a_token_says() -> None:
    left = without_waiting(WAITING, PROCEDURES)
    assert (left.procedures, left.actions) == ((RENEW,), (Action.VIEW, Action.FILE))


def test_a_caller_asks_only_about_its_own_procedures() -> None:
    other = replace(CALLER, procedures=frozenset({"tax.cert"}))
    assert ask(acting(), caller=other) == Answer(Reason.NOT_OFFERED)


def test_a_procedure_that_needs_little_needs_acting_level_from_a_delegate() -> None:
    low = replace(PROCEDURES.by_id[RENEW], level=Level(IAL.NONE, AAL.CONTACT))
    easy = Procedures("v", {RENEW: low})
    weak = acting(EmailCode(NOW, "mac"), PROVEN)
    assert ask(weak, procedures=easy) == Answer(Reason.STEP_UP, acr=ACTING.acr)


class Says:
    """Rules that say one thing."""

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed

    def ruling(self, basis: str, procedure: str, action: Action, mode: str) -> Ruling:
        del basis, procedure, action, mode
        return Ruling(self.allowed, "row" if self.allowed else None)


@given(
    procedure=st.sampled_from([RENEW, NEVER, "kaigo.card.reissue", "tax.cert", "x"]),
    action=st.sampled_from([*Action, "destroy", ""]),
    given_procedures=st.sets(st.sampled_from([RENEW, NEVER, "kaigo.card.reissue"])),
    given_actions=st.sets(st.sampled_from(list(Action))),
    usable=st.booleans(),
    rules=st.booleans(),
    proven=st.booleans(),
    strong=st.booleans(),
    subject=st.sampled_from(["yuki", "hanako"]),
    principal=st.sampled_from(["yuki", "hanako"]),
)
def test_a_decision_allows_what_grant_rules_and_login_each_allow_and_nothing_else(
    procedure: str,
    action: str,
    given_procedures: set[str],
    given_actions: set[Action],
    usable: bool,
    rules: bool,
    proven: bool,
    strong: bool,
    subject: str,
    principal: str,
) -> None:
    evidence = [CARD if strong else EmailCode(NOW, "mac"), *([PROVEN] if proven else [])]
    terms = replace(TERMS, procedures=tuple(given_procedures), actions=tuple(given_actions))
    who = acting(*evidence, terms=terms if usable else None)
    answer = decide(
        Question(subject, principal, procedure, action), CALLER, who, PROCEDURES, Says(rules), NOW
    )
    known = PROCEDURES.by_id.get(procedure)
    grounds = (
        known is not None and not known.never and procedure in OFFERED,
        (subject, principal) == ("yuki", "hanako"),
        usable and procedure in given_procedures and action in given_actions,
        rules,
        known is not None and who.assurance.meets(Requirement(known.level), NOW),
        who.assurance.meets(Requirement(ACTING), NOW),
    )
    assert answer.allowed == all(grounds)
    assert (answer.grant == "g") == answer.allowed
