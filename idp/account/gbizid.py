"""Showing a GビズID: whoever runs a care office lets its staff page say for which corporation."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import business
from assurance.database import Unit, connection_of
from assurance.login import Login
from card.faults import Fault
from card.pages.forms import see_other
from delegation.offices.members import FRESH
from idp import interactions, sessions
from idp.faults import Stranded, answer
from idp.login.flow import ask_to_log_in
from idp.services import Services
from idp.upstream import errand
from idp.upstream.identity import Identity, read_business
from idp.upstream.provider import believing

_KIND: Final = "gbizid"
_SCOPE: Final = "openid profile"
_PERSON: Final = "person"


def _fresh(services: Services, request: Request) -> Login | None:
    """The login of this browser, if it may do what an office's administrator does."""
    with services.database.reading(services.ward.code) as session:
        login = sessions.current(session, services, request)
    enough = login is not None and login.assurance.meets(FRESH, services.clock.now())
    return login if enough else None


def gbizid_routes(services: Services) -> APIRouter:
    """The pages of one ward; none where it did not configure GビズID."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    if services.gbizid is None:
        return router
    gbizid = services.gbizid
    page = services.address("/account/gbizid")
    router.include_router(errand.callback_routes(services, gbizid))

    @router.get("/account/gbizid")
    def explain(request: Request) -> Response:
        login = _fresh(services, request)
        if login is None:
            return ask_to_log_in(services, page, FRESH)
        with database.reading(ward.code) as session:
            found = business.of_all(connection_of(session), services.vault, ward.code, [login.person])
        context = {"base": services.address(""), "shown": found.get(login.person)}
        return pages.render(request, "idp/account/gbizid.html", context, leads_out=True)

    @router.post("/account/gbizid")
    def show(request: Request) -> Response:
        login = _fresh(services, request)
        if login is None:
            return ask_to_log_in(services, page, FRESH)
        try:
            endpoint = gbizid.authorization_endpoint()
        except Fault as fault:
            return answer(pages, request, fault, back=page)
        with database.writing(ward.code) as unit:
            i, cookie = interactions.open_interaction(
                unit, services, _KIND, return_to=page, requirement=FRESH, payload={_PERSON: login.person}
            )
            response = see_other(errand.ask(unit, services, gbizid, endpoint, i, _SCOPE))
        cookie.set_on(response)
        return response

    @router.get("/gbizid/done")
    def shown(request: Request, i: str = "") -> Response:
        brought = errand.brought(services, request, gbizid, i)
        if brought.interaction.kind != _KIND:
            raise Stranded("interaction.gone")

        def keep(unit: Unit, identity: Identity) -> Response:
            login, now = sessions.required(unit.session, services, request), services.clock.now()
            if login.person != brought.interaction.payload[_PERSON] or not login.assurance.meets(FRESH, now):
                raise Fault("login.needed")
            with believing(gbizid.name):
                said = read_business(identity.userinfo)
            business.show(unit, services.vault, login.person, identity.identifier, said, now)
            return see_other(page)

        return errand.finish(services, request, gbizid, brought, keep, back=page, userinfo=True, ends=True)

    @router.post("/account/gbizid/remove")
    def remove(request: Request) -> Response:
        login = _fresh(services, request)
        if login is None:
            return ask_to_log_in(services, page, FRESH)
        with database.writing(ward.code) as unit:
            business.remove(unit, login.person, services.clock.now())
        return see_other(page)

    return router
