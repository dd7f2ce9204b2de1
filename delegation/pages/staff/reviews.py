"""Mandates that wait for staff to look at them, because their certificate was revoked."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation import notices
from delegation.pages.staff.view import ask_for, staff_login
from delegation.parts import Parts
from delegation.revoked import reviews
from delegation.staffing import staff


def review_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward.code
    base = parts.address("")

    @router.get("/staff/reviews")
    def show_all(request: Request) -> Response:
        if staff_login(parts, request, staff.REVIEWERS) is None:
            return ask_for(parts, "/staff/reviews")
        with database.reading(ward) as session:
            waiting = reviews.waiting(session, parts, parts.logins.current(session, request))
        return pages.render(request, "delegation/staff/reviews.html", {"base": base, "waiting": waiting})

    @router.get("/staff/reviews/{id_}")
    def show(request: Request, id_: str) -> Response:
        if staff_login(parts, request, staff.REVIEWERS) is None:
            return ask_for(parts, f"/staff/reviews/{id_}")
        with database.writing(ward) as unit:
            review = reviews.look(unit, parts, parts.logins.current(unit.session, request), id_)
        return pages.render(request, "delegation/staff/review.html", {"base": base, "review": review})

    @router.post("/staff/reviews/{id_}/hold")
    def hold(request: Request, id_: str) -> Response:
        with database.writing(ward) as unit:
            mails = reviews.hold_now(unit, parts, parts.logins.current(unit.session, request), id_)
        response = see_other(parts.address("/staff/reviews"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/staff/reviews/{id_}/go-on")
    def go_on(request: Request, id_: str) -> Response:
        with database.writing(ward) as unit:
            reviews.go_on(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address("/staff/reviews"))

    return router
