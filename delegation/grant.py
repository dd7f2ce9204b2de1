"""Grants: what is given, and which steps lead from a proposal to an end. Pure.

The stored state is the last explicit transition. That a grant expired or is on hold is computed where it is
asked for, never stored.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, NewType

from assurance.procedures import Action, Procedure, Procedures
from card.dates import add_months
from card.faults import Fault
from card.jose.compact import encode_json

GrantId = NewType("GrantId", str)


class Basis(StrEnum):
    """Why a grant may exist (根拠)."""

    VOLUNTARY = "voluntary"
    PARENT = "parent"
    GUARDIAN = "guardian"
    CARE_OFFICE = "care_office"
    COUNTER_EMERGENCY = "counter_emergency"


class GrantState(StrEnum):
    """The last transition."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a grant ended; shown to its principal alone.

    Delegates and ward systems are told the same text whatever the cause, so that nothing tells a protection
    or a quarrel from a mandate that was no longer needed.
    """

    REVOKED = "revoked"
    RENOUNCED = "renounced"
    DECLINED = "declined"
    LAPSED = "lapsed"
    CONTRACT_ENDED = "contract_ended"


class CurrentState(StrEnum):
    """What a grant is at a moment: its last transition, and what time and holds make of it; never stored.

    `unusable` does not say why: a pause, a hold, a protection and a lapsed proof look alike.
    """

    WAITING = "waiting"
    LAPSED = "lapsed"
    ACCEPTED = "accepted"
    COMPARED = "compared"
    ACTIVE = "active"
    UNUSABLE = "unusable"
    EXPIRED = "expired"
    ENDED = "ended"


class HoldKind(StrEnum):
    """What a hold is on."""

    GRANT = "grant"
    PERSON = "person"
    OFFICE = "office"
    MEMBERSHIP = "membership"


class HoldCause(StrEnum):
    """Why something must not be used now; the end of one cause never lifts another's hold."""

    PAUSED_BY_PRINCIPAL = "paused_by_principal"
    PAUSED_BY_DELEGATE = "paused_by_delegate"
    ADMIN = "admin"
    STAFF_REVIEW = "staff_review"
    CARD_LOST = "card_lost"


LIFTED_BY_TWO: Final = frozenset({HoldCause.ADMIN, HoldCause.STAFF_REVIEW, HoldCause.CARD_LOST})
"""Causes that two staff lift; what a party paused is theirs to resume."""


TRANSITIONS: Final[Mapping[GrantState, frozenset[GrantState]]] = {
    GrantState.PROPOSED: frozenset({GrantState.ACCEPTED, GrantState.ENDED}),
    GrantState.ACCEPTED: frozenset({GrantState.ACTIVE, GrantState.ENDED}),
    GrantState.ACTIVE: frozenset({GrantState.ENDED}),
    GrantState.ENDED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is given.

    :param mode: `agent` or `messenger`.
    :param procedures: ids, in the catalogue's order.
    :param first: first ward date; `last` the last one, which is included.
    """

    basis: Basis
    mode: str
    procedures: tuple[str, ...]
    procedures_version: str
    actions: tuple[Action, ...]
    first: date
    last: date

    def hash(self, principal: str, delegate_name: str, office: str | None = None) -> str:
        """SHA-256 of a whole proposal: what the delegate accepts is what the principal asked."""
        document = {
            "principal": principal,
            "delegate": delegate_name,
            "office": office,
            "basis": self.basis,
            "mode": self.mode,
            "procedures": self.procedures,
            "version": self.procedures_version,
            "actions": self.actions,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
        }
        return hashlib.sha256(encode_json(document)).hexdigest()


def current_state(
    state: GrantState, last: date, today: date, *, invited: bool, compared: bool, usable: bool
) -> CurrentState:
    """What a grant is today.

    :param invited: its invitation may still be answered.
    :param compared: its digits were.
    :param usable: nothing keeps it from being used.
    """
    over = last < today
    match state:
        case GrantState.PROPOSED:
            return CurrentState.WAITING if invited and not over else CurrentState.LAPSED
        case GrantState.ENDED:
            return CurrentState.ENDED
    if over:
        return CurrentState.EXPIRED
    if state is GrantState.ACCEPTED:
        return CurrentState.COMPARED if compared else CurrentState.ACCEPTED
    return CurrentState.ACTIVE if usable else CurrentState.UNUSABLE


def check_move(state: GrantState, to: GrantState) -> None:
    """Whether a grant may go on to a state.

    :raises Fault: `grant.ended` or `grant.not_now`.
    """
    if to not in TRANSITIONS[state]:
        raise Fault("grant.ended" if state is GrantState.ENDED else "grant.not_now")


def latest_day(first: date, procedures: Procedures, ids: tuple[str, ...]) -> date:
    """The last day that a grant of these procedures may name."""
    return add_months(first, procedures.longest_months(ids)) - timedelta(days=1)


def check_terms(terms: Terms, procedures: Procedures, today: date) -> None:
    """The guards of every step towards a grant: proposing, accepting, signing and activating alike.

    :raises Fault: `grant.nothing_chosen`, `grant.never`, `grant.past`, `grant.too_long`.
    """
    if not terms.procedures or not terms.actions:
        raise Fault("grant.nothing_chosen")
    for id_ in terms.procedures:
        procedure = procedures.by_id.get(id_)
        if procedure is None or not procedure.may_be_delegated(terms.basis):
            raise Fault("grant.never")
        if procedure.delegates[terms.basis] != terms.mode:
            raise Fault("grant.never")
    if terms.last < max(terms.first, today):
        raise Fault("grant.past")
    latest = latest_day(terms.first, procedures, terms.procedures)
    if terms.last > latest:
        raise Fault("grant.too_long", latest=latest)


def waits_for_letter(procedure: Procedure, action: Action) -> bool:
    """What nobody does yet for a principal whom no letter told: it could not be undone."""
    return action is Action.RECEIVE or procedure.address or procedure.money


def without_waiting(terms: Terms, procedures: Procedures) -> Terms:
    """What is left of a grant as long as its principal waits for the letter."""
    known = procedures.by_id
    return replace(
        terms,
        procedures=tuple(
            id_ for id_ in terms.procedures if id_ in known and not waits_for_letter(known[id_], Action.VIEW)
        ),
        actions=tuple(action for action in terms.actions if action is not Action.RECEIVE),
    )


def same_name(typed: str, proven: str) -> bool:
    """Whether a typed name is a proven one: spaces between the parts of a name do not count."""
    return bool(typed.split()) and "".join(typed.split()) == "".join(proven.split())
