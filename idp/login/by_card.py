"""Logging in by My Number card: out to the bridge, and back with a one-time handle."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import card_login
from assurance.database import Unit
from assurance.events import EventName
from card.container import CardEvidence, SigningPurpose
from card.pages.forms import see_other
from card.request import READING
from idp import answers, card_requests, interactions
from idp.account.linking import LINK, linked
from idp.authorization import reading
from idp.delegating import SIGN
from idp.interactions import LOGINS
from idp.login.flow import Form, complete
from idp.services import Services
from idp.signed import signed


def card_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), services.database, services.ward

    @router.post("/login/card")
    def by_card(request: Request, form: Form) -> Response:
        i = form.one("i")
        with database.writing(ward.code) as unit:
            interactions.load(unit.session, services, request, i, kinds=LOGINS)
            jws = card_requests.ask(
                unit, services, i, SigningPurpose.LOGIN, cancel_to=services.address(f"/login?i={i}")
            )
        return see_other(f"{services.bridge_url}/request?request={jws}")

    @router.get("/card/done")
    def by_card_done(request: Request, i: str = "") -> Response:
        brought = answers.brought(services, request, i)
        if brought.interaction.kind == SIGN:
            return signed(services, request, brought)
        if brought.interaction.kind == LINK:
            return linked(services, request, brought)
        if brought.answer["purpose"] == READING:
            return reading.take_in(services, brought)

        def log_in(unit: Unit, evidence: CardEvidence) -> Response:
            login = card_login.log_in(unit.session, services.vault, ward.code, evidence)
            return complete(unit, services, request, brought.interaction, login.person, login.evidence)

        back = services.address(f"/login?i={i}")
        return card_requests.finish(
            services, request, brought, log_in, refusal=EventName.CARD_REFUSED, back=back
        )

    return router


def card_answer_routes(services: Services) -> APIRouter:
    """Where bridges post to: no cookie is read here, and `Origin` is `null`."""
    router = APIRouter()

    @router.post("/card/answer")
    def take(form: Form) -> Response:
        with services.database.writing(services.ward.code) as unit:
            i, cookie = card_requests.receive(
                unit, services, form.one("state"), form.one("container"), form.one("countersignature")
            )
        response = see_other(services.address(f"/card/done?i={i}"))
        cookie.set_on(response)
        return response

    return router
