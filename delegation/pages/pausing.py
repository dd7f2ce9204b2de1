"""Pausing, which any login of the principal may do; one that is too weak to see a grant is shown none."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.login import Login
from assurance.mail import Mail
from card.pages.forms import see_other
from delegation import ending, notices
from delegation.assured import TWO_FACTORS
from delegation.parts import Parts


def pause_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), parts.database, parts.ward

    def paused(request: Request, login: Login | None, path: str, mails: Sequence[Mail]) -> Response:
        """The page that was asked from, or to a weak login the same few words whatever there was to pause."""
        response: Response = see_other(parts.address(path))
        if login is None or not login.assurance.meets(TWO_FACTORS, parts.clock.now()):
            context = {"base": parts.address("")}
            response = parts.pages.render(request, "delegation/paused.html", context)
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/grants/pause-all")
    def pause_all(request: Request) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            mails = ending.pause_all(unit, parts, login)
        return paused(request, login, "/grants", mails)

    @router.post("/grants/{id_}/pause")
    def pause(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            mails = ending.pause(unit, parts, login, id_)
        return paused(request, login, f"/grants/{id_}", mails)

    return router
