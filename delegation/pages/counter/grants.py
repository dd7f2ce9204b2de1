"""What a resident does with her grants at the counter: sign, pause, resume, end."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation import notices, signing
from delegation.counter import at_counter, visiting
from delegation.pages.view import view
from delegation.parts import Parts


def counter_grant_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/counter/visits/{id_}/grants/{grant}/sign")
    def read_back(request: Request, id_: str, grant: str) -> Response:
        with database.reading(ward.code) as session:
            here = visiting.required_visit(session, parts, parts.logins.current(session, request), id_)
            row = at_counter.grant_of(session, parts, here, grant)
            asked = signing.to_sign(session, parts, row, here.locale)
        context = {"base": base, "id": here.id, "grant": row.id, "text": asked.text, "lang": here.locale}
        return pages.render(request, "delegation/counter/sign.html", context, leads_out=True)

    @router.post("/counter/visits/{id_}/grants/{grant}/sign")
    def to_card(request: Request, id_: str, grant: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            errand = at_counter.ask_for_signature(unit, parts, login, id_, grant)
        context = {"address": errand.address, "jws": errand.request}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        errand.carry(response)
        return response

    @router.get("/counter/visits/{id_}/grants/{grant}/end")
    def ask_to_end(request: Request, id_: str, grant: str) -> Response:
        with database.reading(ward.code) as session:
            here = visiting.required_visit(session, parts, parts.logins.current(session, request), id_)
            row = at_counter.grant_of(session, parts, here, grant)
            context = {"base": base, "id": here.id, "grant": view(session, parts, row, here.person)}
        return pages.render(request, "delegation/counter/end.html", context)

    def step(name: str) -> None:
        @router.post(f"/counter/visits/{{id_}}/grants/{{grant}}/{name}")
        def take(request: Request, id_: str, grant: str) -> Response:
            with database.writing(ward.code) as unit:
                login = parts.logins.current(unit.session, request)
                mails = at_counter.take_step(unit, parts, login, id_, grant, name)
            response = see_other(parts.address(f"/counter/visits/{id_}"))
            response.background = notices.sending(parts, mails)
            return response

    for name in at_counter.STEPS:
        step(name)

    return router
