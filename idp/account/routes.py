"""The account pages."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import passkeys
from assurance.handles import hashed
from assurance.levels import AAL, IAL, LOWEST, Level, Requirement
from card.faults import Fault
from card.pages.forms import see_other
from idp import sessions
from idp.cookies import Cookie, name_of
from idp.faults import answer
from idp.login.flow import Form, ask_to_log_in
from idp.services import Services

_STRONG = Requirement(Level(IAL.NONE, AAL.MULTI))


def account_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    home = services.address("/account")

    @router.get("/")
    def start() -> Response:
        return see_other(home)

    @router.get("/account/raise")
    def raise_login() -> Response:
        return ask_to_log_in(services, home, _STRONG)

    @router.get("/account")
    def show(request: Request) -> Response:
        with database.reading(ward.code) as session:
            login = sessions.current(session, services, request)
            if login is None:
                return ask_to_log_in(services, home, Requirement(LOWEST))
            strong = login.assurance.level.aal > AAL.CONTACT
            keys = passkeys.passkeys_of(session, services.vault, ward.code, login.person) if strong else []
        context = {"login": login, "strong": strong, "passkeys": keys, "base": services.address("")}
        return pages.render(request, "idp/account/home.html", context)

    @router.get("/account/passkeys/new")
    def ask_for_new(request: Request) -> Response:
        with database.reading(ward.code) as session:
            login = sessions.current(session, services, request)
        if login is None:
            return ask_to_log_in(services, services.address("/account/passkeys/new"), _STRONG)
        with database.writing(ward.code) as unit:
            challenge, options = passkeys.registration_options(
                unit,
                services.vault,
                ward,
                login,
                browser=hashed(sessions.cookie_of(services, request)),
                now=services.clock.now(),
            )
        context = {"base": services.address(""), "challenge": challenge, "options": options}
        return pages.render(request, "idp/account/passkey_new.html", context)

    @router.post("/account/passkeys/new")
    def add(request: Request, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                passkeys.register(
                    unit,
                    services.vault,
                    ward,
                    login,
                    form.one("challenge"),
                    form.one("response"),
                    label=form.one("label") or pages.text(pages.locale(request), "idp.passkey.unnamed"),
                    browser=hashed(sessions.cookie_of(services, request)),
                    now=services.clock.now(),
                )
        except Fault as fault:
            return answer(pages, request, fault, back=home)
        return see_other(home)

    @router.post("/account/passkeys/remove")
    def remove(request: Request, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                passkeys.remove(unit, login, form.one("id"), services.clock.now())
        except Fault as fault:
            return answer(pages, request, fault, back=home)
        return see_other(home)

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        with database.writing(ward.code) as unit:
            login = sessions.current(unit.session, services, request)
            if login is not None:
                sessions.end(unit, services, login.person, login.id)
        response = pages.render(request, "idp/account/bye.html", {"base": services.address("")})
        Cookie(name_of(ward.code, "login"), "", 0).set_on(response)
        return response

    return router
