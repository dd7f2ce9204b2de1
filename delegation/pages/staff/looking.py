"""Looking at people and at grants: whoever is looked at is told."""

from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance import people, roles
from assurance.login import Login
from assurance.person import PersonId, Profile
from card.faults import Fault
from card.pages.forms import see_other
from delegation import registry
from delegation.grant import HoldCause
from delegation.pages.staff.view import ask_for, listed, names_of, staff_login, trail
from delegation.pages.view import Form
from delegation.parts import Parts
from delegation.staffing import staff, staff_holds, staff_looks

_RETYPED: Final = frozenset({"staff.reason", "staff.my_number"})
"""Refusals that are shown on the form, with what was typed."""


def _profile(session: Session, parts: Parts, person: PersonId) -> Profile:
    found = people.profile(session, parts.vault, parts.ward.code, person)
    if found is None:
        raise Fault("staff.unknown_person")
    return found


def _person_page(
    parts: Parts, session: Session, request: Request, login: Login, person: PersonId
) -> Response:
    ward, now = parts.ward.code, parts.clock.now()
    given, held = registry.given_by(session, ward, person), registry.held_by(session, ward, person, now)
    holds = staff_holds.views(session, parts, person)
    context = {
        "base": parts.address(""),
        "id": person,
        "profile": _profile(session, parts, person),
        "given": listed(session, parts, given, person, login.person),
        "held": listed(session, parts, held, person, login.person),
        "own": any(login.person in registry.parties_of(session, row, now) for row in [*given, *held]),
        "holds": holds,
        "may_hold": not any(hold.cause is HoldCause.ADMIN and hold.lifted_at is None for hold in holds),
        "placed_by": names_of(session, parts, {hold.placed_by for hold in holds}),
        "roles": sorted(roles.roles_of(session, ward, person, now)),
    }
    return parts.pages.render(request, "delegation/staff/person.html", context)


def looking_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward.code
    base = parts.address("")

    @router.get("/staff/people")
    def search(request: Request) -> Response:
        login = staff_login(parts, request, staff.ADMIN)
        if login is None:
            return ask_for(parts, "/staff/people")
        context = {"base": base, "found": None, "name": "", "birth": ""}
        return pages.render(request, "delegation/staff/people.html", context)

    @router.post("/staff/people")
    def find(request: Request, form: Form) -> Response:
        """By a form, not by the address: a name and a birth date do not belong in histories and logs."""
        name, birth = form.one("name"), form.one("birth")
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            found = staff_looks.find(unit, parts, login, name, birth)
            profiles = [(person, _profile(unit.session, parts, person)) for person in found]
        context = {"base": base, "found": profiles, "name": name, "birth": birth}
        return pages.render(request, "delegation/staff/people.html", context)

    @router.get("/staff/people/{id_}")
    def show(request: Request, id_: str) -> Response:
        if staff_login(parts, request, staff.ADMIN) is None:
            return ask_for(parts, f"/staff/people/{id_}")
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            looker, person = staff_looks.look_at_person(unit, parts, login, id_)
            return _person_page(parts, unit.session, request, looker, person)

    @router.get("/staff/grants/{id_}")
    def show_trail(request: Request, id_: str) -> Response:
        if staff_login(parts, request, staff.ADMIN) is None:
            return ask_for(parts, f"/staff/grants/{id_}")
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            row = staff_looks.look_at_grant(unit, parts, login, id_)
            context = {"base": base, "trail": trail(unit.session, parts, row)}
        return pages.render(request, "delegation/staff/grant.html", context)

    def hold_form(request: Request, id_: str, reason: str, error: Fault | None) -> Response:
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            _, person = staff_looks.look_at_person(unit, parts, login, id_)
            context = {
                "base": base,
                "id": id_,
                "name": _profile(unit.session, parts, person).name,
                "reason": reason,
                "longest": staff_holds.LONGEST_REASON,
                "error": None if error is None else " ".join(pages.fault_texts(pages.locale(request), error)),
            }
        status = 200 if error is None else 400
        return pages.render(request, "delegation/staff/hold.html", context, status=status)

    @router.get("/staff/people/{id_}/hold")
    def ask_to_hold(request: Request, id_: str) -> Response:
        if staff_login(parts, request, staff.ADMIN) is None:
            return ask_for(parts, f"/staff/people/{id_}/hold")
        return hold_form(request, id_, "", None)

    @router.post("/staff/people/{id_}/hold")
    def hold(request: Request, id_: str, form: Form) -> Response:
        reason = form.one("reason")
        try:
            with database.writing(ward) as unit:
                login = parts.logins.current(unit.session, request)
                staff_holds.place(unit, parts, login, id_, reason)
        except Fault as fault:
            if fault.code not in _RETYPED:
                raise
            return hold_form(request, id_, reason, fault)
        return see_other(parts.address(f"/staff/people/{id_}"))

    return router
