"""The form with which a care manager asks someone for a grant."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.procedures import Action, Procedure
from card.dates import add_months, ward_day
from card.faults import Fault
from card.pages.forms import Posted, see_other
from delegation.assured import PROVEN
from delegation.grant import Basis, Terms
from delegation.offices import asking, members
from delegation.pages.offices.view import day_of, said
from delegation.pages.view import Form, login_for
from delegation.parts import Parts

_BLANK: Final[Mapping[str, Any]] = {
    "name": "",
    "birth": "",
    "last": "",
    "procedures": (),
    "actions": ("view", "draft", "file"),
}
_MODES: Final = ("agent", "messenger")


def _offered(parts: Parts, mode: str) -> tuple[Procedure, ...]:
    """A grant has one mode: what is decided for someone, and what is only carried, are asked for apart."""
    delegable = parts.procedures.delegable(Basis.CARE_OFFICE)
    return tuple(entry for entry in delegable if entry.delegates[Basis.CARE_OFFICE] == mode)


def _actions(mode: str) -> tuple[Action, ...]:
    return tuple(Action) if mode == "agent" else (Action.FILE, Action.RECEIVE)


def _terms(parts: Parts, form: Posted, mode: str) -> Terms:
    chosen, offered = set(form.many("procedure")), _offered(parts, mode)
    if chosen - {procedure.id for procedure in offered}:
        raise Fault("grant.never")
    actions = set(form.many("action"))
    return Terms(
        basis=Basis.CARE_OFFICE,
        mode=mode,
        procedures=tuple(entry.id for entry in offered if entry.id in chosen),
        procedures_version=parts.procedures.version,
        actions=tuple(action for action in _actions(mode) if action in actions),
        first=ward_day(parts.clock.now()),
        last=day_of(form, "last"),
    )


def asking_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward

    def form_page(
        request: Request, office: str, mode: str, typed: Mapping[str, Any], error: Fault | None = None
    ) -> Response:
        locale, today = pages.locale(request), ward_day(parts.clock.now())
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address(f"/offices/{office}/ask?mode={mode}"), PROVEN)
        with database.reading(ward.code) as session:
            members.working_member(session, parts, login, office)
            found = members.find_office(session, ward.code, office)
        context = {
            "base": parts.address(""),
            "office": found,
            "mode": mode,
            "options": [
                (
                    entry.id,
                    entry.name[locale],
                    pages.text(locale, "delegation.new.months", count=entry.longest_months),
                )
                for entry in _offered(parts, mode)
            ],
            "actions": [
                (str(action), pages.text(locale, f"delegation.action.{action}"), None)
                for action in _actions(mode)
            ],
            "typed": typed,
            "error": said(parts, request, error),
            "earliest": today.isoformat(),
            "latest": add_months(today, 12).isoformat(),
        }
        return pages.render(request, "delegation/offices/ask.html", context, status=400 if error else 200)

    @router.get("/offices/{office}/ask")
    def show(request: Request, office: str, mode: str = "agent") -> Response:
        return form_page(request, office, mode if mode in _MODES else "agent", _BLANK)

    @router.post("/offices/{office}/ask")
    def ask(request: Request, office: str, form: Form) -> Response:
        mode = form.one("mode") if form.one("mode") in _MODES else "agent"
        typed = {
            "name": form.one("name")[:100],
            "birth": form.one("birth")[:20],
            "last": form.one("last")[:20],
            "procedures": form.many("procedure"),
            "actions": form.many("action"),
        }
        try:
            with database.writing(ward.code) as unit:
                login, whom = (
                    parts.logins.current(unit.session, request),
                    (form.one("name"), day_of(form, "birth")),
                )
                asking.ask(unit, parts, login, office, whom, _terms(parts, form, mode))
        except Fault as fault:
            if not fault.code.startswith("grant."):
                raise
            return form_page(request, office, mode, typed, fault)
        return see_other(parts.address(f"/offices/{office}"))

    return router
