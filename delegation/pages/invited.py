"""The invited person's pages. Opening the link consumes nothing: mail scanners follow links."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.levels import Requirement
from card.pages.forms import see_other
from delegation import accepting, notices, proposing
from delegation.assured import ANY_LOGIN, PROVEN, TWO_FACTORS
from delegation.faults import FaultWithMails
from delegation.pages.view import Form, login_for, refusal
from delegation.parts import Parts
from delegation.proposing import Invitation


def _asked(parts: Parts, invited: Invitation, locale: str) -> dict[str, object]:
    known = parts.procedures.by_id
    return {
        "principal": invited.principal.name,
        "procedures": [known[id_].name[locale] for id_ in invited.terms.procedures],
        "actions": [str(action) for action in invited.terms.actions],
        "terms": invited.terms,
        "hash": invited.hash,
    }


def invited_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/invitations/{handle}")
    def show(request: Request, handle: str) -> Response:
        login = login_for(parts, request, ANY_LOGIN)
        with database.reading(ward.code) as session:
            invited = proposing.invitation(session, parts, handle)
        if login is None:
            return parts.step_up.ask(parts.address(f"/invitations/{handle}"), ANY_LOGIN)

        def meets(requirement: Requirement) -> bool:
            return login.assurance.meets(requirement, parts.clock.now())

        context: dict[str, object] = {"base": base, "handle": handle}
        read_back = proposing.has_read_back(parts, login, invited.typed.address)
        if meets(TWO_FACTORS) and not read_back:
            return pages.render(request, "delegation/invitation_mail.html", context)
        if not meets(PROVEN):
            context["may_decline"] = meets(TWO_FACTORS)
            return pages.render(request, "delegation/invitation_weak.html", context)
        context |= _asked(parts, invited, pages.locale(request))
        return pages.render(request, "delegation/invitation.html", context)

    @router.get("/invitations/{handle}/confirm")
    def confirm(handle: str) -> Response:
        return parts.step_up.ask(parts.address(f"/invitations/{handle}"), PROVEN)

    @router.post("/invitations/{handle}/accept")
    def accept(request: Request, handle: str, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = parts.logins.current(unit.session, request)
                grant, mails = accepting.accept(unit, parts, login, handle, form.one("proposal"))
        except FaultWithMails as refused:
            return refusal(parts, request, refused, f"/invitations/{handle}")
        response = see_other(parts.address(f"/grants/{grant}"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/invitations/{handle}/decline")
    def decline(request: Request, handle: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            mails = accepting.decline(unit, parts, login, handle)
        response = pages.render(request, "delegation/declined.html", {"base": base})
        response.background = notices.sending(parts, mails)
        return response

    return router
