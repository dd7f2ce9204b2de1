"""A member's offices, and what an administrator does there: invite, attest, end a membership."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices
from delegation.assured import PROVEN
from delegation.offices import asking, designating, members
from delegation.offices.members import Invited
from delegation.pages.offices.clients import client_views
from delegation.pages.offices.view import day_of, member_views, said
from delegation.pages.view import Form, login_for
from delegation.parts import Parts

_FIELDS: Final = ("name", "address", "number", "number_until")


def own_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/offices")
    def show_all(request: Request) -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address("/offices"), PROVEN)
        with database.reading(ward.code) as session:
            rows = members.memberships_of(session, ward.code, login.person)
            found = [
                (
                    members.find_office(session, ward.code, row.office),
                    members.counts(session, row, parts.clock.now()),
                )
                for row in rows
            ]
        return pages.render(request, "delegation/offices/list.html", {"base": base, "offices": found})

    def one(
        request: Request, office: str, typed: Mapping[str, str] | None = None, error: Fault | None = None
    ) -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address(f"/offices/{office}"), PROVEN)
        with database.reading(ward.code) as session:
            mine = members.working_member(session, parts, login, office)
            context = {
                "base": base,
                "office": members.find_office(session, ward.code, office),
                "mine": mine,
                "may_ask": bool(asking.typed_number(parts, mine)),
                "members": member_views(session, parts, office),
                "clients": client_views(session, parts, designating.clients_of(session, ward.code, office)),
                "asked": [
                    (row, *asking.whom(parts, row)) for row in asking.asks_of_office(session, parts, office)
                ],
                "typed": typed or dict.fromkeys(_FIELDS, ""),
                "error": said(parts, request, error),
            }
        return pages.render(request, "delegation/offices/office.html", context, status=400 if error else 200)

    @router.get("/offices/{office}")
    def show(request: Request, office: str) -> Response:
        return one(request, office)

    @router.post("/offices/{office}/members")
    def invite(request: Request, office: str, form: Form) -> Response:
        typed = {name: form.one(name)[:254] for name in _FIELDS}
        try:
            with database.writing(ward.code) as unit:
                invited = Invited(
                    typed["name"], typed["address"], typed["number"], day_of(form, "number_until")
                )
                login = parts.logins.current(unit.session, request)
                mails = members.invite(unit, parts, login, office, invited)
        except Fault as fault:
            if not fault.code.startswith(("office.member", "office.too_many", "grant.date", "email.")):
                raise
            return one(request, office, typed, fault)
        response = see_other(parts.address(f"/offices/{office}"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/offices/{office}/members/{member}/attest")
    def attest(request: Request, office: str, member: str) -> Response:
        with database.writing(ward.code) as unit:
            members.attest(unit, parts, parts.logins.current(unit.session, request), office, member)
        return see_other(parts.address(f"/offices/{office}"))

    @router.post("/offices/{office}/members/{member}/end")
    def leave(request: Request, office: str, member: str) -> Response:
        with database.writing(ward.code) as unit:
            members.leave(unit, parts, parts.logins.current(unit.session, request), office, member)
        return see_other(parts.address("/offices"))

    return router
