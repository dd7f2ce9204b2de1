"""The ward's side: registering an office and its administrator, checking a care manager's number."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import Response

from assurance import business
from assurance.database import connection_of
from assurance.person import PersonId
from assurance.roles import Role
from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices
from delegation.offices import members
from delegation.offices.members import FRESH, Invited
from delegation.offices.tables import OfficeRow
from delegation.pages.offices.view import day_of, member_views, said
from delegation.pages.staff.view import staff_login
from delegation.pages.view import Form
from delegation.parts import Parts

_WARD: Final = frozenset({Role.STAFF, Role.ADMIN})
_FIELDS: Final = ("number", "name", "until", "administrator", "address")


def ward_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    def listed(
        request: Request, typed: Mapping[str, str] | None = None, error: Fault | None = None
    ) -> Response:
        if staff_login(parts, request, _WARD) is None:
            return parts.step_up.ask(parts.address("/staff/offices"), FRESH)
        with database.reading(ward.code) as session:
            rows = session.exec(
                select(OfficeRow).where(OfficeRow.ward == ward.code).order_by(col(OfficeRow.name))
            ).all()
        context = {
            "base": base,
            "offices": rows,
            "typed": typed or dict.fromkeys(_FIELDS, ""),
            "error": said(parts, request, error),
        }
        return pages.render(request, "delegation/offices/ward.html", context, status=400 if error else 200)

    @router.get("/staff/offices")
    def show_all(request: Request) -> Response:
        return listed(request)

    @router.post("/staff/offices")
    def register(request: Request, form: Form) -> Response:
        typed = {name: form.one(name)[:254] for name in _FIELDS}
        try:
            with database.writing(ward.code) as unit:
                office, mails = members.register_office(
                    unit,
                    parts,
                    parts.logins.current(unit.session, request),
                    number=typed["number"],
                    name=typed["name"],
                    until=day_of(form, "until") if typed["until"].strip() else None,
                    administrator=Invited(typed["administrator"], typed["address"]),
                )
        except Fault as fault:
            if (
                not fault.code.startswith(("office.", "grant.date", "email.", "card.text_controls"))
                or fault.code == "office.unknown"
            ):
                raise
            return listed(request, typed, fault)
        response = see_other(parts.address(f"/staff/offices/{office}"))
        response.background = notices.sending(parts, mails)
        return response

    @router.get("/staff/offices/{office}")
    def show(request: Request, office: str) -> Response:
        if staff_login(parts, request, _WARD) is None:
            return parts.step_up.ask(parts.address(f"/staff/offices/{office}"), FRESH)
        with database.reading(ward.code) as session:
            found = members.find_office(session, ward.code, office)
            views = member_views(session, parts, office)
            people = [PersonId(view.person) for view in views if view.person is not None]
            shown = business.of_all(connection_of(session), parts.vault, ward.code, people)
        context = {"base": base, "office": found, "members": views, "businesses": shown}
        return pages.render(request, "delegation/offices/ward_office.html", context)

    @router.post("/staff/offices/{office}/members/{member}/check")
    def check(request: Request, office: str, member: str) -> Response:
        with database.writing(ward.code) as unit:
            members.check(unit, parts, parts.logins.current(unit.session, request), office, member)
        return see_other(parts.address(f"/staff/offices/{office}"))

    return router
