"""The desk: reading a resident's card, and what she does while she is here."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import people
from card.pages import LOCALES
from card.pages.forms import see_other
from delegation import registry
from delegation.counter import at_counter, read_cards, visiting
from delegation.pages.counter import entering
from delegation.pages.staff.view import ask_for
from delegation.pages.view import Form, view
from delegation.parts import Parts

LANGUAGES: Final = (("ja", "日本語"), ("en", "English"))


def visit_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/counter")
    def desk(request: Request) -> Response:
        staff = entering.login_for(parts, request)
        if staff is None:
            return ask_for(parts, "/counter")
        with database.reading(ward.code) as session:
            visit = visiting.current(session, parts, staff)
            cards = [
                (id_, since, first == staff.person)
                for id_, first, since in read_cards.waiting(session, parts)
            ]
        context = {
            "base": base,
            "languages_read": LANGUAGES,
            "visit": None if visit is None else visit.id,
            "cards": cards,
        }
        return pages.render(request, "delegation/counter/desk.html", context, leads_out=True)

    @router.post("/counter/read")
    def read(request: Request, form: Form) -> Response:
        locale = form.one("language")
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            errand = visiting.ask_for_card(unit, parts, login, locale if locale in LOCALES else LOCALES[0])
        context = {"address": errand.address, "jws": errand.request}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        errand.carry(response)
        return response

    @router.get("/counter/visits/{id_}")
    def visit(request: Request, id_: str) -> Response:
        with database.reading(ward.code) as session:
            here = visiting.required_visit(session, parts, parts.logins.current(session, request), id_)
            given = registry.given_by(session, ward.code, here.person)
            held = registry.held_by(session, ward.code, here.person, parts.clock.now())
            context = {
                "base": base,
                "id": here.id,
                "profile": people.profile(session, parts.vault, ward.code, here.person),
                "waiting": at_counter.to_be_signed(session, parts, here.person),
                "grants": [view(session, parts, row, here.person) for row in (*given, *held)],
            }
        return pages.render(request, "delegation/counter/visit.html", context, leads_out=True)

    @router.post("/counter/visits/{id_}/leave")
    def leave(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            visiting.end_visit(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address("/counter"))

    return router
