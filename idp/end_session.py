"""RP-initiated logout (OIDC RP-Initiated Logout §2)."""

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance.login import Login
from card.faults import Fault
from card.jose import TokenRejected, unverified_claims, verify_compact
from card.pages.forms import see_other
from idp import sessions
from idp.authorization.request import single
from idp.clients import load_client
from idp.cookies import Cookie, name_of
from idp.keys import KeyPurpose
from idp.login.flow import Form
from idp.services import Services
from idp.subjects import person_of
from idp.token.mint import ID_TYPE


def _hint(services: Services, token: str) -> Mapping[str, object] | None:
    """An ID token of ours; that it expired does not matter here (§4)."""
    try:
        claims = unverified_claims(token)
        verify_compact(
            token,
            services.keys.key_set(KeyPurpose.TOKEN),
            typ=ID_TYPE,
            issuer=services.ward.issuer,
            audience=str(claims.get("aud")),
            required=("sub",),
            now=services.clock.now(),
            leeway_s=365 * 24 * 3600,
        )
    except TokenRejected:
        return None
    return claims


def _back(
    session: Session, services: Services, parameters: Mapping[str, str], hint: Mapping[str, object] | None
) -> str | None:
    """Where to go afterwards: an address that the client registered (§3)."""
    client_id = parameters.get("client_id") or (str(hint["aud"]) if hint else "")
    client = load_client(session, services.ward.code, client_id)
    target = parameters.get("post_logout_redirect_uri", "")
    if not target:
        return None
    if client is None or target not in client.post_logout_redirect_uris:
        raise Fault("end_session.redirect_uri")
    state = parameters.get("state")
    return target if state is None else f"{target}?{urlencode({'state': state})}"


def _is_about(session: Session, services: Services, hint: Mapping[str, object] | None, login: Login) -> bool:
    client = load_client(session, services.ward.code, str(hint["aud"])) if hint else None
    if client is None or hint is None:
        return False
    return person_of(session, services.ward.code, client.sector, str(hint["sub"])) == login.person


def end_session_routes(services: Services) -> APIRouter:
    """The endpoint of one ward."""
    router, ward = APIRouter(), services.ward

    @router.get("/end-session")
    def begin(request: Request) -> Response:
        parameters = single(request.query_params.multi_items())
        hint = _hint(services, parameters.get("id_token_hint", ""))
        with services.database.writing(ward.code) as unit:
            back = _back(unit.session, services, parameters, hint)
            login = sessions.current(unit.session, services, request)
            if login is not None and not _is_about(unit.session, services, hint, login):
                fields = {name: parameters[name] for name in parameters if name != "id_token_hint"}
                context = {"base": services.address(""), "fields": fields}
                return services.pages.render(request, "idp/account/logout.html", context, leads_out=True)
        return _ended(services, request, back)

    @router.post("/end-session")
    def confirmed(request: Request, form: Form) -> Response:
        names = ("client_id", "post_logout_redirect_uri", "state")
        parameters = {name: form.one(name) for name in names if form.one(name)}
        with services.database.reading(ward.code) as session:
            back = _back(session, services, parameters, None)
        return _ended(services, request, back)

    return router


def _ended(services: Services, request: Request, back: str | None) -> Response:
    with services.database.writing(services.ward.code) as unit:
        login = sessions.current(unit.session, services, request)
        if login is not None:
            sessions.end(unit, services, login.person, login.id)
    page = {"base": services.address("")}
    response: Response = (
        services.pages.render(request, "idp/account/bye.html", page) if back is None else see_other(back)
    )
    Cookie(name_of(services.ward.code, "login"), "", 0).set_on(response)
    return response
