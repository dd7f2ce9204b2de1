"""Proposing what takes two: each ends at the page of the change, where its proposer signs first."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.login import Login
from assurance.roles import Role
from card.dates import add_months, ward_day
from card.faults import Fault
from card.pages.forms import see_other
from delegation.pages.staff.view import ask_for, names_of, staff_login
from delegation.pages.view import Form
from delegation.parts import Parts
from delegation.staffing import changes, staff, staff_looks


def proposing_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward.code

    def proposed(request: Request, propose: Callable[[Unit, Login | None], str]) -> Response:
        with database.writing(ward) as unit:
            id_ = propose(unit, parts.logins.current(unit.session, request))
        return see_other(parts.address(f"/staff/changes/{id_}"))

    @router.post("/staff/holds/{id_}/lift")
    def lift(request: Request, id_: str) -> Response:
        return proposed(request, lambda unit, login: changes.propose_lifting(unit, parts, login, id_))

    def role_form(request: Request, id_: str, typed: tuple[str, str], error: Fault | None) -> Response:
        today = ward_day(parts.clock.now())
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            _, person = staff_looks.look_at_person(unit, parts, login, id_)
            context = {
                "base": parts.address(""),
                "id": id_,
                "name": names_of(unit.session, parts, [person]).get(person, ""),
                "roles": [str(role) for role in Role],
                "role": typed[0],
                "last": typed[1],
                "earliest": today,
                "latest": add_months(today, changes.LONGEST_ROLE_MONTHS),
                "error": None if error is None else pages.fault_texts(pages.locale(request), error),
            }
        status = 200 if error is None else 400
        return pages.render(request, "delegation/staff/role.html", context, status=status)

    @router.get("/staff/people/{id_}/role")
    def ask_for_role(request: Request, id_: str) -> Response:
        if staff_login(parts, request, staff.ADMIN) is None:
            return ask_for(parts, f"/staff/people/{id_}/role")
        return role_form(request, id_, ("", ""), None)

    @router.post("/staff/people/{id_}/role")
    def give(request: Request, id_: str, form: Form) -> Response:
        role, last = form.one("role"), form.one("last")
        try:
            return proposed(
                request, lambda unit, login: changes.propose_role(unit, parts, login, id_, role, last)
            )
        except Fault as fault:
            if fault.code not in {"staff.role", "staff.role_last", "grant.date"}:
                raise
            return role_form(request, id_, (role, last), fault)

    @router.post("/staff/people/{id_}/end-role")
    def end(request: Request, id_: str, form: Form) -> Response:
        role = form.one("role")
        return proposed(request, lambda unit, login: changes.propose_ending(unit, parts, login, id_, role))

    return router
