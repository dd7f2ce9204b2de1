"""Logging in by passkey."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import passkeys
from card.faults import Fault
from idp import interactions
from idp.faults import answer
from idp.login.flow import Form, complete
from idp.services import Services


def passkey_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward

    @router.get("/login/passkey")
    def ask_for_passkey(request: Request, i: str = "") -> Response:
        with database.writing(ward.code) as unit:
            interaction = interactions.load(unit.session, services, request, i)
            challenge, options = passkeys.authentication_options(
                unit, services.vault, ward, browser=interaction.browser, now=services.clock.now()
            )
        context = {"i": i, "base": services.address(""), "challenge": challenge, "options": options}
        return pages.render(request, "idp/login/passkey.html", context, leads_out=True)

    @router.post("/login/passkey")
    def by_passkey(request: Request, form: Form) -> Response:
        i = form.one("i")
        try:
            with database.writing(ward.code) as unit:
                interaction = interactions.load(unit.session, services, request, i)
                login = passkeys.authenticate(
                    unit,
                    services.vault,
                    ward,
                    form.one("challenge"),
                    form.one("response"),
                    browser=interaction.browser,
                    now=services.clock.now(),
                )
                return complete(unit, services, request, interaction, login.person, login.evidence)
        except Fault as fault:
            return answer(pages, request, fault, back=services.address(f"/login?i={i}"))

    return router
