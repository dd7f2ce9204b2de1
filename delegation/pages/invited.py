"""The invited person's pages. Opening the link consumes nothing: mail scanners follow links."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.levels import LOWEST, Requirement
from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices, proposing
from delegation.pages.view import Form
from delegation.parts import Parts
from delegation.proposing import STRONG


def invited_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/invitations/{handle}")
    def show(request: Request, handle: str) -> Response:
        with database.reading(ward.code) as session:
            invited = proposing.invitation(session, parts, handle)
            login = parts.logins.current(session, request)
            if login is None:
                return parts.step_up.ask(parts.address(f"/invitations/{handle}"), Requirement(LOWEST))
            if not login.assurance.meets(STRONG, parts.clock.now()):
                return pages.render(
                    request, "delegation/invitation_weak.html", {"base": base, "handle": handle}
                )
            if not proposing.has_read_back(parts, login, invited.typed.address):
                return pages.render(
                    request, "delegation/invitation_mail.html", {"base": base, "handle": handle}
                )
            locale, known = pages.locale(request), parts.procedures.by_id
            context = {
                "base": base,
                "handle": handle,
                "principal": invited.principal.name,
                "procedures": [known[id_].name[locale] for id_ in invited.terms.procedures],
                "actions": [str(action) for action in invited.terms.actions],
                "terms": invited.terms,
                "hash": invited.hash,
            }
        return pages.render(request, "delegation/invitation.html", context)

    @router.get("/invitations/{handle}/confirm")
    def confirm(handle: str) -> Response:
        return parts.step_up.ask(parts.address(f"/invitations/{handle}"), STRONG)

    @router.post("/invitations/{handle}/accept")
    def accept(request: Request, handle: str, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                row = proposing.invitation(unit.session, parts, handle).row
                login = parts.logins.current(unit.session, request)
                mails = proposing.accept(unit, parts, login, handle, form.one("proposal"))
        except Fault as fault:
            if fault.code == "invitation.other_name":
                with database.reading(ward.code) as session:
                    told = proposing.refused_name(session, parts, handle)
                notices.send_all(parts.mailer, told)
            raise
        response = see_other(parts.address(f"/grants/{row.id}"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/invitations/{handle}/decline")
    def decline(request: Request, handle: str) -> Response:
        with database.writing(ward.code) as unit:
            proposing.decline(unit, parts, parts.logins.current(unit.session, request), handle)
        return pages.render(request, "delegation/declined.html", {"base": base})

    return router
