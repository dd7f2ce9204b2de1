"""The login pages: choosing a way in."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.levels import AAL
from idp import interactions, sessions
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
            interaction = interactions.load(session, services, request, i)
            login = sessions.current(session, services, request)
        needed = interaction.requirement.level
        context = {
            "i": i,
            "base": services.address(""),
            "stepping_up": login is not None and not interaction.is_met_by(login, services.clock.now()),
            "email": needed.aal == AAL.CONTACT,
            "passkey": needed.aal <= AAL.MULTI,
        }
        return pages.render(request, "idp/login/choose.html", context, leads_out=True)

    for routes in (card_routes, passkey_routes, email_routes):
        router.include_router(routes(services))
    return router
