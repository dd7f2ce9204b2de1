"""What the parties do to a grant: compare, read back and sign, resume, end."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from assurance.login import Login
from assurance.mail import Mail
from card.faults import Fault
from card.pages.forms import see_other
from delegation import comparing, ending, notices, registry, signing
from delegation.assured import PROVEN, TWO_FACTORS
from delegation.faults import FaultWithMails
from delegation.pages.grants import one_page
from delegation.pages.view import Form, login_for, refusal, view
from delegation.parts import Parts

_Act = Callable[[Unit, Parts, Login | None, str], list[Mail]]


def change_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.post("/grants/{id_}/digits")
    def compare(request: Request, id_: str, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = parts.logins.current(unit.session, request)
                comparing.compare(unit, parts, login, id_, form.one("digits"))
        except FaultWithMails as over:
            return refusal(parts, request, over, f"/grants/{id_}")
        except Fault as fault:
            if fault.code != "grant.digits_wrong":
                raise
            return one_page(parts, request, id_, fault)
        return see_other(parts.address(f"/grants/{id_}/sign"))

    @router.get("/grants/{id_}/sign")
    def read_back(request: Request, id_: str) -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address(f"/grants/{id_}/sign"), PROVEN)
        with database.reading(ward.code) as session:
            row = registry.find_as_principal(session, ward.code, id_, login.person, parts.clock.now())
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
        login = login_for(parts, request, TWO_FACTORS)
        if login is None:
            return parts.step_up.ask(parts.address(f"/grants/{id_}/end"), TWO_FACTORS)
        with database.reading(ward.code) as session:
            row = registry.find(session, ward.code, id_, login.person, parts.clock.now())
            context = {"base": base, "grant": view(session, parts, row, login.person)}
        return pages.render(request, "delegation/end.html", context)

    def change(path: str, act: _Act) -> None:
        @router.post(f"/grants/{{id_}}/{path}")
        def changed(request: Request, id_: str) -> Response:
            with database.writing(ward.code) as unit:
                mails = act(unit, parts, parts.logins.current(unit.session, request), id_)
            response = see_other(parts.address(f"/grants/{id_}"))
            response.background = notices.sending(parts, mails)
            return response

    change("end", ending.end_as_party)
    change("resume", ending.resume)

    return router
