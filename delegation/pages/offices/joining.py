"""The page that an invitation to work for an office leads to. Opening it consumes nothing."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation.assured import PROVEN
from delegation.offices import members
from delegation.pages.view import login_for
from delegation.parts import Parts


def joining_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward

    @router.get("/memberships/{handle}")
    def show(request: Request, handle: str) -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address(f"/memberships/{handle}"), PROVEN)
        with database.reading(ward.code) as session:
            row, office = members.invitation(session, parts, handle)
        context = {
            "base": parts.address(""),
            "handle": handle,
            "office": office,
            "administrator": row.administrator,
        }
        return pages.render(request, "delegation/offices/join.html", context)

    @router.post("/memberships/{handle}")
    def join(request: Request, handle: str) -> Response:
        with database.writing(ward.code) as unit:
            members.join(unit, parts, parts.logins.current(unit.session, request), handle)
        return see_other(parts.address("/offices"))

    return router
