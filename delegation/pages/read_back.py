"""Reading a code back from the invited address, where the login did not come by it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance import email_codes, identifiers
from assurance.evidence import EmailCode
from assurance.identifiers import IdentifierKind
from card.faults import Fault
from card.pages.forms import see_other
from delegation import notices, proposing
from delegation.assured import TWO_FACTORS, required
from delegation.notices import NoticeKind
from delegation.pages.view import Form
from delegation.parts import Parts


def read_back_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    def code_page(request: Request, handle: str, challenge: str, error: str | None = None) -> Response:
        context = {"base": base, "handle": handle, "challenge": challenge, "error": error}
        return pages.render(
            request, "delegation/invitation_code.html", context, status=200 if error is None else 400
        )

    @router.post("/invitations/{handle}/mail")
    def send(request: Request, handle: str) -> Response:
        with database.writing(ward.code) as unit:
            address = proposing.invitation(unit.session, parts, handle).typed.address
            required(parts, parts.logins.current(unit.session, request), TWO_FACTORS)
            browser = parts.logins.browser(request)
            made = email_codes.begin(unit, parts.vault, address, browser=browser, now=parts.clock.now())
        response = code_page(request, handle, made.id)
        if made.code is not None:
            mail = notices.notice(parts, address, NoticeKind.CODE, "/grants", code=made.code)
            response.background = notices.sending(parts, [mail])
        return response

    @router.post("/invitations/{handle}/code")
    def read_back(request: Request, handle: str, form: Form) -> Response:
        challenge, browser, now = form.one("challenge"), parts.logins.browser(request), parts.clock.now()
        try:
            with database.writing(ward.code) as unit:
                login = required(parts, parts.logins.current(unit.session, request), TWO_FACTORS)
                address = email_codes.redeem(
                    unit, parts.vault, challenge, form.one("code"), browser=browser, now=now
                )
                evidence = EmailCode(
                    now, identifiers.mac_of(parts.vault, ward.code, IdentifierKind.EMAIL, address)
                )
                carry = parts.logins.add(unit, request, login, evidence)
        except Fault as fault:
            if fault.code != "email.wrong_code":
                raise
            error = " ".join(pages.fault_texts(pages.locale(request), fault))
            return code_page(request, handle, challenge, error)
        response = see_other(parts.address(f"/invitations/{handle}"))
        carry(response)
        return response

    return router
