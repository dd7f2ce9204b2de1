"""What an office asks of the resident who is here: read at the counter, and answered there."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation.counter import at_counter, visiting
from delegation.offices import asking
from delegation.pages.offices.asked import request_page
from delegation.parts import Parts


def request_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), parts.database, parts.ward

    @router.get("/counter/visits/{id_}/requests/{asked}")
    def show(request: Request, id_: str, asked: str) -> Response:
        with database.reading(ward.code) as session:
            visit = visiting.required_visit(session, parts, parts.logins.current(session, request), id_)
            found = at_counter.request_of(session, parts, visit, asked)
        back = parts.address(f"/counter/visits/{id_}")
        return request_page(parts, request, found, here=f"{back}/requests/{asked}", back=back)

    @router.post("/counter/visits/{id_}/requests/{asked}/agree")
    def agree(request: Request, id_: str, asked: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            visit = visiting.required_visit(unit.session, parts, login, id_)
            at_counter.request_of(unit.session, parts, visit, asked)
            grant = asking.agree_as(unit, parts, visit.person, asked)
        return see_other(parts.address(f"/counter/visits/{id_}/grants/{grant}/sign"))

    @router.post("/counter/visits/{id_}/requests/{asked}/decline")
    def decline(request: Request, id_: str, asked: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            visit = visiting.required_visit(unit.session, parts, login, id_)
            at_counter.request_of(unit.session, parts, visit, asked)
            asking.decline_as(unit, parts, visit.person, asked)
        return see_other(parts.address(f"/counter/visits/{id_}"))

    return router
