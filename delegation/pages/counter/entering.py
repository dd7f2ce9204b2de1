"""Forms of what two staff enter from paper: what all of them have in common."""

from datetime import date

from starlette.requests import Request

from assurance.login import Login
from assurance.procedures import Action
from assurance.roles import Role
from card.faults import Fault
from card.full_width import narrowed
from card.pages.forms import Posted
from delegation.counter.papers import Named, ProofSeen
from delegation.pages.staff.view import staff_login
from delegation.parts import Parts


def login_for(parts: Parts, request: Request) -> Login | None:
    """The login of someone who works at the counter; None where a stronger one must come first.

    :raises Fault: `request.unknown_page`.
    """
    return staff_login(parts, request, {Role.STAFF})


def day(form: Posted, field: str, code: str) -> date:
    """A day as a form brings it.

    :raises Fault: the code.
    """
    try:
        return date.fromisoformat(narrowed(form.one(field)).strip())
    except ValueError as error:
        raise Fault(code) from error


def named(form: Posted, who: str) -> Named:
    """A person as the paper names them.

    :raises Fault: `paper.person`, `grant.my_number`.
    """
    return Named(form.one(f"{who}_name").strip(), day(form, f"{who}_birth", "paper.person"))


def procedures(parts: Parts, form: Posted) -> tuple[str, ...]:
    """The procedures that were chosen, in the catalogue's order; an unknown one was made up."""
    chosen = set(form.many("procedure"))
    if chosen - parts.procedures.by_id.keys():
        raise Fault("grant.never")
    return tuple(id_ for id_ in parts.procedures.by_id if id_ in chosen)


def actions(form: Posted) -> tuple[Action, ...]:
    """The actions that were chosen, in their order."""
    chosen = set(form.many("action"))
    return tuple(action for action in Action if action in chosen)


def proof(form: Posted) -> ProofSeen:
    """What staff saw with the paper.

    :raises Fault: `paper.proof`.
    """
    if form.one("proof") not in set(ProofSeen):
        raise Fault("paper.proof")
    return ProofSeen(form.one("proof"))


def kept(form: Posted, fields: tuple[str, ...], groups: tuple[str, ...] = ()) -> dict[str, object]:
    """What was typed, to be shown again, no longer than our form lets it be."""
    typed: dict[str, object] = {field: form.one(field)[:200] for field in ("writer", *fields)}
    return typed | {group: form.many(group) for group in groups}
