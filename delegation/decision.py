"""Decisions: what the grant, the rules and the login's assurance each allow. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from assurance.engine import Assurance
from assurance.levels import AAL, ACTING, IAL, Level, Requirement
from assurance.person import PersonId
from assurance.procedures import Action, Procedure, Procedures
from card.dates import end_of
from delegation.grant import GrantId, Terms, waits_for_letter


class Reason(StrEnum):
    """Why; each has a sentence in the catalogues as `delegation.reason.<value>`."""

    ALLOWED = "allowed"
    TOKEN_REQUIRED = "token_required"  # noqa: S105 - a reason's name
    ACT_AS_REQUIRED = "act_as_required"
    NOT_OFFERED = "not_offered"
    NO_GRANT = "no_grant"
    OUTSIDE_GRANT = "outside_grant"
    NOT_YET = "not_yet"
    NEVER_DELEGABLE = "never_delegable"
    RULE = "rule"
    STEP_UP = "step_up"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated ward system that asks for decisions.

    :param sector: the one in which it knows people.
    """

    id: str
    name: Mapping[str, str]
    audience: str
    sector: str
    procedures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Acting:
    """What a live access token says, resolved by us.

    :param subject: `act.sub`, or `sub` of an own token.
    :param principal_sub: `sub`.
    :param audience: the `aud` that the token was made for; it counts for that caller alone.
    :param procedures: of the client that the token was made for.
    :param grant: the grant that a delegated token rests on; None for an own token.
    :param terms: what that grant gives, if it may be used now.
    :param waits: for the letter to its principal.
    """

    person: PersonId
    principal: PersonId
    subject: str
    principal_sub: str
    audience: str
    assurance: Assurance
    procedures: frozenset[str]
    grant: GrantId | None
    terms: Terms | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """May `subject` do this for `principal`? Both are subs in the caller's sector."""

    subject: str
    principal: str
    procedure: str
    action: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision.

    :param acr: what the login would have to reach, where that would help.
    :param grant: the one grant that carries it.
    :param rule: the row of the rules that allows it.
    :param until: the latest moment that it can hold.
    """

    reason: Reason
    acr: str | None = None
    grant: GrantId | None = None
    rule: str | None = None
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """The decision itself."""
        return self.reason is Reason.ALLOWED


class Ruling(Protocol):
    """What the rules say about a kind of acting."""

    @property
    def allowed(self) -> bool:
        """Whether they allow it."""

    @property
    def row(self) -> str | None:
        """The row that decided."""


class RulesOfActing(Protocol):
    """The ward's rules."""

    def ruling(self, basis: str, procedure: str, action: Action, mode: str) -> Ruling:
        """Whether a kind of acting is allowed."""


_ACTIONS: Final = frozenset(Action)


def _needed(procedure: Procedure | None, *, delegated: bool) -> Level:
    level = Level(IAL.NONE, AAL.CONTACT) if procedure is None else procedure.level
    if not delegated:
        return level
    return Level(max(level.ial, ACTING.ial), max(level.aal, ACTING.aal))


def decide(
    question: Question,
    caller: Caller,
    acting: Acting | None,
    procedures: Procedures,
    rules: RulesOfActing,
    now: datetime,
) -> Answer:
    """Decide one question.

    :param acting: from the token that the caller presented; None where it does not count.
    """
    procedure = procedures.by_id.get(question.procedure)
    if acting is None or (acting.audience, acting.subject) != (caller.audience, question.subject):
        return Answer(Reason.TOKEN_REQUIRED, acr=_needed(procedure, delegated=False).acr)
    delegated = acting.grant is not None
    if acting.principal_sub != question.principal:
        reason = Reason.TOKEN_REQUIRED if delegated else Reason.ACT_AS_REQUIRED
        return Answer(reason, acr=_needed(procedure, delegated=True).acr)
    offered = caller.procedures & acting.procedures
    if procedure is None or procedure.id not in offered or question.action not in _ACTIONS:
        return Answer(Reason.NOT_OFFERED)
    needed, action = _needed(procedure, delegated=delegated), Action(question.action)
    answer = Answer(Reason.ALLOWED)
    if acting.grant is not None:
        answer = _delegated(procedure, action, acting, acting.grant, rules)
    if answer.allowed and not acting.assurance.meets(Requirement(needed), now):
        return Answer(Reason.STEP_UP, acr=needed.acr)
    return answer


def _delegated(
    procedure: Procedure,
    action: Action,
    acting: Acting,
    grant: GrantId,
    rules: RulesOfActing,
) -> Answer:
    if procedure.never:
        return Answer(Reason.NEVER_DELEGABLE)
    terms = acting.terms
    if terms is None:
        return Answer(Reason.NO_GRANT)
    if procedure.id not in terms.procedures or action not in terms.actions:
        return Answer(Reason.OUTSIDE_GRANT)
    if acting.waits and waits_for_letter(procedure, action):
        return Answer(Reason.NOT_YET)
    ruling = rules.ruling(terms.basis, procedure.id, action, terms.mode)
    if not ruling.allowed:
        return Answer(Reason.RULE)
    return Answer(Reason.ALLOWED, grant=grant, rule=ruling.row, until=end_of(terms.last))
