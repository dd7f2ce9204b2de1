"""What offices ask of a person, and a person's say in who acts for the office."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation.assured import PROVEN
from delegation.offices import asking, designating
from delegation.offices.asking import Asked
from delegation.pages.view import login_for
from delegation.parts import Parts


def request_page(parts: Parts, request: Request, asked: Asked, *, here: str, back: str) -> Response:
    """A request, as the asked person reads it at home or at the counter.

    :param here: the page below which the answer is posted.
    """
    locale, known = parts.pages.locale(request), parts.procedures.by_id
    context = {
        "asked": asked,
        "procedures": [known[entry].name[locale] for entry in asked.terms.procedures if entry in known],
        "here": here,
        "back": back,
    }
    return parts.pages.render(request, "delegation/offices/request.html", context)


def asked_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), parts.database, parts.ward

    @router.get("/requests/{id_}")
    def show(request: Request, id_: str) -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address(f"/requests/{id_}"), PROVEN)
        with database.reading(ward.code) as session:
            asked = asking.find_asked(session, parts, login.person, id_)
        here = parts.address(f"/requests/{id_}")
        return request_page(parts, request, asked, here=here, back=parts.address("/grants"))

    @router.post("/requests/{id_}/agree")
    def agree(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            grant = asking.agree(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address(f"/grants/{grant}/sign"))

    @router.post("/requests/{id_}/decline")
    def decline(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            asking.decline(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address("/grants"))

    @router.post("/grants/{id_}/designation/confirm")
    def confirm(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            designating.confirm(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address(f"/grants/{id_}"))

    @router.post("/grants/{id_}/designation/refuse")
    def refuse(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            designating.refuse(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address(f"/grants/{id_}"))

    return router
