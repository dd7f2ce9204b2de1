"""Adding a passkey to one's account, and removing one."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from assurance import passkeys
from assurance.database import Unit
from assurance.handles import hashed
from assurance.levels import FRESH_TWO_FACTORS
from assurance.login import Login
from assurance.mail import Mail, hand_over
from assurance.notices import Notice, notices_of
from card.faults import Fault
from card.pages.forms import see_other
from idp import sessions
from idp.faults import answer
from idp.login.flow import Form, ask_to_log_in
from idp.services import Services

_TOO_WEAK: Final = frozenset({"login.needed", "passkey.too_weak"})
"""What logging in anew mends."""


def passkey_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    home, new_passkey = services.address("/account"), services.address("/account/passkeys/new")

    def to_fresh_login(fault: Fault, return_to: str) -> Response:
        if fault.code not in _TOO_WEAK:
            raise fault
        return ask_to_log_in(services, return_to, FRESH_TWO_FACTORS)

    def told(unit: Unit, login: Login, notice: Notice) -> list[Mail]:
        return notices_of(
            unit.session, services.vault, pages, ward, login.person, notice, services.clock.now()
        )

    def changed(mails: Sequence[Mail]) -> Response:
        response = see_other(home)
        response.background = BackgroundTask(hand_over, services.mailer, mails)
        return response

    @router.get("/account/passkeys/new")
    def ask_for_new(request: Request) -> Response:
        try:
            with database.writing(ward.code) as unit:
                challenge, options = passkeys.registration_options(
                    unit,
                    services.vault,
                    ward,
                    sessions.required(unit.session, services, request),
                    browser=hashed(sessions.cookie_of(services, request)),
                    now=services.clock.now(),
                )
        except Fault as fault:
            return to_fresh_login(fault, new_passkey)
        context = {"base": services.address(""), "challenge": challenge, "options": options}
        return pages.render(request, "idp/account/passkey_new.html", context)

    @router.post("/account/passkeys/new")
    def add(request: Request, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                passkeys.register(
                    unit,
                    services.vault,
                    ward,
                    login,
                    form.one("challenge"),
                    form.one("response"),
                    label=form.one("label") or pages.text(pages.locale(request), "idp.passkey.unnamed"),
                    browser=hashed(sessions.cookie_of(services, request)),
                    now=services.clock.now(),
                )
                mails = told(unit, login, Notice.PASSKEY_ADDED)
        except Fault as fault:
            if fault.code in _TOO_WEAK:
                return to_fresh_login(fault, new_passkey)
            return answer(pages, request, fault, back=home)
        return changed(mails)

    @router.post("/account/passkeys/remove")
    def remove(request: Request, form: Form) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                mails = told(unit, login, Notice.PASSKEY_REMOVED)
                passkeys.remove(unit, login, form.one("id"), services.clock.now())
        except Fault as fault:
            if fault.code in _TOO_WEAK:
                return to_fresh_login(fault, home)
            return answer(pages, request, fault, back=home)
        return changed(mails)

    return router
