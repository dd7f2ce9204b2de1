"""The login pages: choosing a way in."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.levels import AAL
from card.pages.forms import see_other
from idp import interactions, sessions
from idp.interactions import LOGINS
from idp.login.by_app import app_routes, reaches
from idp.login.by_card import card_routes
from idp.login.by_email import email_routes
from idp.login.by_passkey import passkey_routes
from idp.services import Services


def login_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward

    @router.get("/login")
    def choose(request: Request, i: str = "") -> Response:
        with database.reading(ward.code) as session:
            interaction = interactions.load(session, services, request, i, kinds=LOGINS)
            login = sessions.current(session, services, request)
            level = interaction.needed.requirement.level
            others = [
                (other.template, other.offered(request, session, services, level))
                for other in services.other_logins
            ]
        if interaction.needed.is_met_by(login, services.clock.now()):
            return see_other(interaction.return_to)  # a second tab, or the way back from a page that expired
        context = {
            "i": i,
            "base": services.address(""),
            "again": login is not None,
            "too_weak": login is not None and not login.assurance.level.reaches(level),
            "email": level.aal == AAL.CONTACT,
            "passkey": level.aal <= AAL.MULTI,
            "app": services.app is not None and reaches(services, interaction.needed.requirement),
            "others": others,
        }
        return pages.render(request, "idp/login/choose.html", context, leads_out=True)

    for routes in (card_routes, app_routes, passkey_routes, email_routes):
        router.include_router(routes(services))
    for other in services.other_logins:
        router.include_router(other.routes(services))
    return router
