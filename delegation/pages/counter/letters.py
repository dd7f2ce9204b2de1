"""Letters to principals without a channel: which wait, one of them to print, and that it was."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.wards import ward_name
from card.pages import LOCALES
from card.pages.forms import see_other
from delegation.counter import letters
from delegation.pages.counter import entering
from delegation.pages.staff.view import ask_for
from delegation.parts import Parts


def letter_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/counter/letters")
    def show_all(request: Request) -> Response:
        if entering.login_for(parts, request) is None:
            return ask_for(parts, "/counter/letters")
        with database.reading(ward.code) as session:
            waiting = letters.waiting(session, parts, parts.logins.current(session, request))
        return pages.render(request, "delegation/counter/letters.html", {"base": base, "waiting": waiting})

    @router.get("/counter/letters/{id_}")
    def show(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            letter = letters.read(unit, parts, parts.logins.current(unit.session, request), id_)
        texts = {
            locale: pages.text(
                locale,
                "delegation.letter.body",
                ward=ward_name(ward.code, locale),
                delegate=letter.delegate,
                last=letter.last,
            )
            for locale in LOCALES
        }
        context = {"base": base, "letter": letter, "texts": texts}
        return pages.render(request, "delegation/counter/letter.html", context)

    @router.post("/counter/letters/{id_}/printed")
    def printed(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            letters.mark_printed(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address("/counter/letters"))

    return router
