"""Logging in by a code sent by mail: the same status, headers and body for every address."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from assurance import email_codes
from card.faults import Fault
from card.pages.forms import see_other
from idp import interactions
from idp.cookies import Cookie, name_of
from idp.faults import answer
from idp.login.code_mail import send_code
from idp.login.flow import Form, complete
from idp.services import Services

_REMEMBERED_FOR: Final = timedelta(days=180)


def email_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    kept = name_of(ward.code, "mail")

    @router.get("/login/email")
    def ask_for_address(request: Request, i: str = "") -> Response:
        with database.reading(ward.code) as session:
            interactions.load(session, services, request, i)
        context = {"i": i, "base": services.address(""), "error": None, "typed": ""}
        return pages.render(request, "idp/login/email.html", context)

    @router.post("/login/email")
    def send(request: Request, form: Form) -> Response:
        i, locale = form.one("i"), pages.locale(request)
        try:
            with database.writing(ward.code) as unit:
                interaction = interactions.load(unit.session, services, request, i)
                made = email_codes.begin(
                    unit,
                    services.vault,
                    form.one("address"),
                    browser=interaction.browser,
                    now=services.clock.now(),
                    kept=request.cookies.get(kept, ""),
                )
                interactions.keep(unit, services, interaction, {**interaction.payload, "email": made.id})
        except Fault as fault:
            if fault.code != "email.shape":
                raise
            error = " ".join(pages.fault_texts(locale, fault))
            context = {"i": i, "base": services.address(""), "error": error, "typed": form.one("address")}
            return pages.render(request, "idp/login/email.html", context, status=400)
        response = see_other(services.address(f"/login/email/code?i={i}"))
        if made.code is not None:
            response.background = BackgroundTask(send_code, services, locale, made.address, made.code)
        return response

    @router.get("/login/email/code")
    def ask_for_code(request: Request, i: str = "") -> Response:
        with database.reading(ward.code) as session:
            interactions.load(session, services, request, i)
        context = {"i": i, "base": services.address(""), "error": None}
        return pages.render(request, "idp/login/code.html", context, leads_out=True)

    @router.post("/login/email/code")
    def by_code(request: Request, form: Form) -> Response:
        i = form.one("i")
        try:
            with database.writing(ward.code) as unit:
                interaction = interactions.load(unit.session, services, request, i)
                address = email_codes.redeem(
                    unit,
                    services.vault,
                    str(interaction.payload.get("email", "")),
                    form.one("code"),
                    browser=interaction.browser,
                    now=services.clock.now(),
                )
                login = email_codes.log_in(unit, services.vault, address, services.clock.now())
                response = complete(unit, services, request, interaction, login.person, login.evidence)
        except Fault as fault:
            if fault.code != "email.wrong_code":
                return answer(pages, request, fault, back=services.address(f"/login?i={i}"))
            error = " ".join(pages.fault_texts(pages.locale(request), fault))
            context = {"i": i, "base": services.address(""), "error": error}
            return pages.render(request, "idp/login/code.html", context, status=400, leads_out=True)
        known = email_codes.known_browser(services.vault, ward.code, address)
        Cookie(kept, known, int(_REMEMBERED_FOR.total_seconds())).set_on(response)
        return response

    return router
