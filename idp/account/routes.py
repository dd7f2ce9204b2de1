"""The account pages."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import app_login, linking, passkeys
from assurance.levels import AAL, IAL, LOWEST, Level, Requirement
from assurance.passkeys import PasskeyView
from card.pages.forms import see_other
from delegation.staffing.staff import roles_now
from idp import sessions
from idp.account.linking import linking_routes
from idp.account.passkeys import passkey_routes
from idp.end_session import log_out
from idp.login.flow import ask_to_log_in
from idp.services import Services

_TWO_FACTORS: Final = Requirement(Level(IAL.NONE, AAL.MULTI))


def account_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    home = services.address("/account")

    @router.get("/")
    def start() -> Response:
        return see_other(home)

    @router.get("/account/raise")
    def raise_login() -> Response:
        return ask_to_log_in(services, home, _TWO_FACTORS)

    @router.get("/account")
    def show(request: Request) -> Response:
        keys: Sequence[PasskeyView] = ()
        card, works, app = None, False, None
        with database.reading(ward.code) as session:
            login = sessions.current(session, services, request)
            strong = login is not None and login.assurance.level.aal > AAL.CONTACT
            if login is not None and strong:
                keys = passkeys.passkeys_of(session, services.vault, ward.code, login.person)
                app = app_login.link_of(session, ward.code, login.person)
                card = linking.card_of(session, ward.code, login.person, services.clock.now())
                works = bool(roles_now(session, ward.code, login.person, services.clock.now()))
        if login is None:
            return ask_to_log_in(services, home, Requirement(LOWEST))
        context = {"login": login, "strong": strong, "passkeys": keys, "card": card, "works": works}
        context |= {"base": services.address(""), "app": app, "app_offered": services.app is not None}
        context |= {"gbizid": services.gbizid is not None}
        return pages.render(request, "idp/account/home.html", context)

    for routes in (passkey_routes, linking_routes):
        router.include_router(routes(services))

    @router.post("/logout")
    def end(request: Request) -> Response:
        return log_out(services, request)

    return router
