"""Adding デジタル認証アプリ to one's own account, and taking it away again."""

from typing import Final

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from assurance import app_login
from assurance.app_login import AppHolder
from assurance.database import Unit
from assurance.levels import FRESH_TWO_FACTORS
from assurance.login import Login
from assurance.mail import Mail, hand_over
from assurance.notices import Notice, notices_of
from card.faults import Fault
from card.pages.forms import see_other
from idp import interactions, sessions
from idp.answers import Brought
from idp.faults import answer
from idp.login.flow import ask_to_log_in
from idp.services import Services
from idp.upstream import errand
from idp.upstream.identity import Identity, read_attributes
from idp.upstream.provider import UpstreamProvider, believing

LINK: Final = "app"
"""The kind of interaction that ends with the app added."""
_SCOPE: Final = "openid name birthdate gender"
"""What must be equal to the person's proof, and nothing else."""
_PERSON: Final = "person"
_TOO_WEAK: Final = frozenset({"login.needed", "app.too_weak"})


def _told(unit: Unit, services: Services, login: Login, notice: Notice) -> list[Mail]:
    now = services.clock.now()
    return notices_of(unit.session, services.vault, services.pages, services.ward, login.person, notice, now)


def _home(services: Services, mails: list[Mail]) -> Response:
    response = see_other(services.address("/account"))
    response.background = BackgroundTask(hand_over, services.mailer, mails)
    return response


def _fresh(services: Services, request: Request) -> Login | None:
    """The login of this browser, if it may change a person's ways in."""
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    enough = login is not None and login.assurance.meets(FRESH_TWO_FACTORS, services.clock.now())
    return login if enough else None


def linked(services: Services, request: Request, app: UpstreamProvider, brought: Brought) -> Response:
    """Add what came back to the account of who began: the same person, and still logged in."""

    def link(unit: Unit, identity: Identity) -> Response:
        login = sessions.required(unit.session, services, request)
        if login.person != brought.interaction.payload[_PERSON]:
            raise Fault("login.needed")
        holder = AppHolder(identity.identifier, identity.authenticated_at)
        with believing(app.name):
            said = read_attributes(identity.userinfo)
        now, thresholds = services.clock.now(), services.thresholds
        new = app_login.link(unit, services.vault, thresholds, login, holder, said, now)
        return _home(services, _told(unit, services, login, Notice.APP_LINKED) if new else [])

    back = services.address("/account/app")
    return errand.finish(services, request, app, brought, link, back=back, userinfo=True, ends=True)


def app_link_routes(services: Services) -> APIRouter:
    """The pages of one ward; none where it did not configure the app."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    if services.app is None:
        return router
    app = services.app
    home, page = services.address("/account"), services.address("/account/app")

    @router.get("/account/app")
    def explain(request: Request) -> Response:
        if _fresh(services, request) is None:
            return ask_to_log_in(services, page, FRESH_TWO_FACTORS)
        context = {"base": services.address("")}
        return pages.render(request, "idp/account/app.html", context, leads_out=True)

    @router.post("/account/app")
    def add(request: Request) -> Response:
        login = _fresh(services, request)
        if login is None:
            return ask_to_log_in(services, page, FRESH_TWO_FACTORS)
        try:
            endpoint = app.authorization_endpoint()
        except Fault as fault:
            return answer(pages, request, fault, back=page)
        with database.writing(ward.code) as unit:
            i, cookie = interactions.open_interaction(
                unit,
                services,
                LINK,
                return_to=home,
                requirement=FRESH_TWO_FACTORS,
                payload={_PERSON: login.person},
            )
            response = see_other(errand.ask(unit, services, app, endpoint, i, _SCOPE))
        cookie.set_on(response)
        return response

    @router.post("/account/app/remove")
    def remove(request: Request) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                mails = _told(unit, services, login, Notice.APP_REMOVED)
                app_login.unlink(unit, login, services.clock.now())
        except Fault as fault:
            if fault.code in _TOO_WEAK:
                return ask_to_log_in(services, home, FRESH_TWO_FACTORS)
            return answer(pages, request, fault, back=home)
        return _home(services, mails)

    return router
