"""Logging in with デジタル認証アプリ: out to its service, and back with a one-time handle.

Its answer comes back here too when somebody adds the app to their account: one callback, one page after it.
"""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import app_login
from assurance.app_login import AppHolder
from assurance.database import Unit
from assurance.levels import Level, Requirement
from card.faults import Fault
from card.pages.forms import see_other
from idp import interactions
from idp.account.app import LINK, linked
from idp.faults import answer
from idp.interactions import LOGINS
from idp.login.flow import Form, complete
from idp.services import Services
from idp.upstream import errand
from idp.upstream.identity import Identity

_SCOPE: Final = "openid"
"""Whoever is known already is known by name too: a login asks for no attribute."""


def reaches(services: Services, requirement: Requirement) -> bool:
    """Whether a login by the app can be enough."""
    most = Level(services.thresholds.app_ial, services.thresholds.authentication.app)
    return most.reaches(requirement.level) and not requirement.phishing_resistant


def app_routes(services: Services) -> APIRouter:
    """The pages of one ward; none where the ward did not configure the app."""
    router, database, ward = APIRouter(), services.database, services.ward
    if services.app is None:
        return router
    app = services.app
    router.include_router(errand.callback_routes(services, app))

    @router.post("/login/app")
    def by_app(request: Request, form: Form) -> Response:
        i = form.one("i")
        with database.reading(ward.code) as session:
            interactions.load(session, services, request, i, kinds=LOGINS)
        try:
            endpoint = app.authorization_endpoint()
        except Fault as fault:
            return answer(services.pages, request, fault, back=services.address(f"/login?i={i}"))
        with database.writing(ward.code) as unit:
            return see_other(errand.ask(unit, services, app, endpoint, i, _SCOPE))

    @router.get("/app/done")
    def by_app_done(request: Request, i: str = "") -> Response:
        brought = errand.brought(services, request, app, i)
        if brought.interaction.kind == LINK:
            return linked(services, request, app, brought)

        def log_in(unit: Unit, identity: Identity) -> Response:
            holder = AppHolder(identity.identifier, identity.authenticated_at)
            login = app_login.log_in(unit.session, services.vault, ward.code, holder)
            return complete(unit, services, request, brought.interaction, login.person, login.evidence)

        back = services.address(f"/login?i={i}")
        return errand.finish(services, request, app, brought, log_in, back=back)

    return router
