"""What the parties do to a grant: compare, read back and sign, pause, end."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.login import Login
from card.faults import Fault
from card.pages.forms import see_other
from delegation import ending, proposing, registry, signing
from delegation.pages.grants import one_page
from delegation.pages.view import Form, strong_login, view
from delegation.parts import Parts
from delegation.proposing import STRONG
from delegation.tables import GrantRow

_Act = Callable[[Unit, Login, GrantRow], None]


def change_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.post("/grants/{id_}/digits")
    def compare(request: Request, id_: str, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = parts.logins.current(unit.session, request)
                proposing.compare(unit, parts, login, id_, form.one("digits"))
        except Fault as fault:
            if fault.code != "grant.digits_wrong":
                raise
            return one_page(parts, request, id_, fault)
        return see_other(parts.address(f"/grants/{id_}/sign"))

    @router.get("/grants/{id_}/sign")
    def read_back(request: Request, id_: str) -> Response:
        with database.reading(ward.code) as session:
            login = strong_login(session, parts, request)
            if login is None:
                return parts.step_up.ask(parts.address(f"/grants/{id_}/sign"), STRONG)
            row = registry.find(session, ward.code, id_, login.person)
            if row.principal != login.person:
                raise Fault("grant.not_now")
            asked = signing.to_sign(session, parts, row, pages.locale(request))
        return pages.render(
            request, "delegation/sign.html", {"base": base, "id": id_, "text": asked.text}, leads_out=True
        )

    @router.post("/grants/{id_}/sign")
    def to_card(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            errand = signing.ask_for_signature(unit, parts, login, id_, pages.locale(request))
        context = {"address": errand.address, "jws": errand.request}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        errand.carry(response)
        return response

    @router.get("/grants/{id_}/end")
    def ask_to_end(request: Request, id_: str) -> Response:
        with database.reading(ward.code) as session:
            login = strong_login(session, parts, request)
            if login is None:
                return parts.step_up.ask(parts.address(f"/grants/{id_}/end"), STRONG)
            row = registry.find(session, ward.code, id_, login.person)
            context = {"base": base, "grant": view(session, parts, row, login.person)}
        return pages.render(request, "delegation/end.html", context)

    def change(path: str, act: _Act) -> None:
        @router.post(f"/grants/{{id_}}/{path}")
        def changed(request: Request, id_: str) -> Response:
            with database.writing(ward.code) as unit:
                login = proposing.require_strong(parts, parts.logins.current(unit.session, request))
                act(unit, login, registry.find(unit.session, ward.code, id_, login.person))
            return see_other(parts.address(f"/grants/{id_}"))

    change(
        "end",
        lambda unit, login, row: ending.end(
            unit, parts, row, login.person, ending.reason_for(row, login.person)
        ),
    )
    change("pause", lambda unit, login, row: ending.pause(unit, row, login.person, parts.clock.now()))
    change("resume", lambda unit, login, row: ending.resume(unit, row, login.person, parts.clock.now()))

    return router
