"""RP-initiated logout (OIDC RP-Initiated Logout §2).

Whoever is not named by a good hint is asked first. What was asked for is checked once and then waits in an
interaction: a POST of another site brings no cookie of ours, the GET that follows it does.
"""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from assurance.levels import LOWEST, Requirement
from assurance.login import Login
from assurance.person import PersonId
from card.faults import Fault
from card.pages.forms import see_other
from idp import interactions, sessions
from idp.authorization.answer import with_parameters
from idp.authorization.hint import Hint, hinted_person, read_hint
from idp.authorization.request import read_parameters
from idp.clients import load_client
from idp.cookies import Cookie, Cookies, dropped
from idp.interactions import LOGOUT
from idp.login.flow import Form
from idp.services import Services


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A request that may be answered.

    :param person: who is meant by its hint.
    :param back: where to go afterwards, at an address that the client registered.
    """

    person: PersonId | None
    back: str | None

    def needs_no_question(self, login: Login | None) -> bool:
        """Whether the person at the browser is the one who is meant, or nobody (§2)."""
        return login is None or login.person == self.person


def _back(session: Session, services: Services, parameters: dict[str, str], client_id: str) -> str | None:
    target = parameters.get("post_logout_redirect_uri")
    if target is None:
        return None
    client = load_client(session, services.ward.code, client_id)
    if client is None or target not in client.post_logout_redirect_uris:
        raise Fault("end_session.redirect_uri")
    return with_parameters(target, {"state": parameters["state"]} if "state" in parameters else {})


def _parse(session: Session, services: Services, parameters: dict[str, str]) -> LogoutRequest:
    """Read a request; a hint that does not verify is none (§4).

    :raises Fault: `end_session.client` where hint and `client_id` differ (§2); `end_session.redirect_uri`.
    """
    hint: Hint | None = read_hint(services, parameters.get("id_token_hint", ""))
    client_id = parameters.get("client_id", "" if hint is None else hint.client_id)
    if hint is not None and client_id != hint.client_id:
        raise Fault("end_session.client")
    person = None if hint is None else hinted_person(session, services, hint)
    return LogoutRequest(person, _back(session, services, parameters, client_id))


def _wait(services: Services, asked: LogoutRequest) -> tuple[str, Cookie]:
    with services.database.writing(services.ward.code) as unit:
        return interactions.open_interaction(
            unit,
            services,
            LOGOUT,
            return_to=services.address("/end-session/confirm?i={i}"),
            requirement=Requirement(LOWEST),
            payload={"person": asked.person, "back": asked.back},
            otherwise=services.address("/account"),
        )


def _question(services: Services, request: Request, i: str) -> Response:
    context = {"base": services.address(""), "i": i}
    return services.pages.render(request, "idp/account/logout.html", context, leads_out=True)


def log_out(
    services: Services, request: Request, back: str | None = None, *, i: str | None = None
) -> Response:
    """End the login of this browser, if there is one, and the interaction in which that was asked."""
    with services.database.writing(services.ward.code) as unit:
        login = sessions.current(unit.session, services, request)
        if login is not None:
            sessions.end(unit, services, login.person, login.id)
        over = Cookies(()) if i is None else interactions.close(unit, i)
    page = {"base": services.address("")}
    response: Response = (
        services.pages.render(request, "idp/account/bye.html", page) if back is None else see_other(back)
    )
    dropped(services.ward.code, "login").set_on(response)
    over.set_on(response)
    return response


def _begin(services: Services, request: Request, parameters: dict[str, str]) -> Response:
    with services.database.reading(services.ward.code) as session:
        asked = _parse(session, services, parameters)
        login = sessions.current(session, services, request)
    if request.method == "GET" and asked.needs_no_question(login):
        return log_out(services, request, asked.back)
    i, cookie = _wait(services, asked)
    confirm = services.address(f"/end-session/confirm?i={i}")
    response = _question(services, request, i) if request.method == "GET" else see_other(confirm)
    cookie.set_on(response)
    return response


def end_session_routes(services: Services) -> APIRouter:
    """The endpoint of one ward; a POST comes from clients, so no rule about our own pages holds (§2)."""
    router = APIRouter()

    @router.get("/end-session")
    @router.post("/end-session")
    async def end_session(request: Request) -> Response:
        parameters = await read_parameters(request)
        return await run_in_threadpool(_begin, services, request, parameters)

    return router


def confirm_routes(services: Services) -> APIRouter:
    """Where the person is asked, and answers."""
    router, database, ward = APIRouter(), services.database, services.ward

    def finish(request: Request, i: str, *, confirmed: bool) -> Response:
        with database.reading(ward.code) as session:
            payload = interactions.load(session, services, request, i, kinds={LOGOUT}).payload
            login = sessions.current(session, services, request)
        asked = LogoutRequest(payload["person"], payload["back"])
        if not (confirmed or asked.needs_no_question(login)):
            return _question(services, request, i)
        return log_out(services, request, asked.back, i=i)

    @router.get("/end-session/confirm")
    def ask(request: Request, i: str = "") -> Response:
        return finish(request, i, confirmed=False)

    @router.post("/end-session/confirm")
    def confirm(request: Request, form: Form) -> Response:
        return finish(request, form.one("i"), confirmed=True)

    return router
