"""Logging in by My Number card: out to the bridge, and back with a one-time handle."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import card_login
from card.container import SigningPurpose
from card.faults import Fault
from card.pages.forms import see_other
from idp import card_requests, interactions
from idp.delegating import SIGN
from idp.faults import answer
from idp.login.flow import Form, complete
from idp.mandates import signed_mandate
from idp.services import Services


def card_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward

    @router.post("/login/card")
    def by_card(request: Request, form: Form) -> Response:
        i = form.one("i")
        with database.writing(ward.code) as unit:
            interactions.load(unit.session, services, request, i)
            jws = card_requests.ask(
                unit, services, i, SigningPurpose.LOGIN, cancel_to=services.address(f"/login?i={i}")
            )
        return see_other(f"{services.bridge_url}/request?request={jws}")

    @router.get("/card/done")
    def by_card_done(request: Request, i: str = "") -> Response:
        with database.writing(ward.code) as unit:
            interaction, brought = interactions.take_answer(unit, services, request, i)
        if interaction.kind == SIGN:
            return signed_mandate(services, request, interaction, brought)
        try:
            with database.writing(ward.code) as unit:
                signed = card_requests.verify(services, brought)
                login = card_login.log_in(unit.session, services.vault, ward.code, signed)
                return complete(unit, services, request, interaction, login.person, login.evidence)
        except Fault as fault:
            return answer(pages, request, fault, back=services.address(f"/login?i={i}"))

    return router


def card_answer_routes(services: Services) -> APIRouter:
    """Where bridges post to: no cookie is read here, and `Origin` is `null`."""
    router = APIRouter()

    @router.post("/card/answer")
    def take(form: Form) -> Response:
        with services.database.writing(services.ward.code) as unit:
            i, cookie = card_requests.receive(unit, services, form.one("state"), form.one("container"))
        response = see_other(services.address(f"/card/done?i={i}"))
        cookie.set_on(response)
        return response

    return router
