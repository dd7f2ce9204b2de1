"""Giving: the form of a new grant."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.procedures import Action
from card.dates import add_months, ward_day
from card.faults import Fault
from card.pages.forms import Posted, see_other
from delegation import notices, proposing
from delegation.assured import PROVEN, required
from delegation.grant import Basis, Terms
from delegation.pages import keeping
from delegation.pages.view import Form, login_for
from delegation.parts import Parts
from delegation.registry import Typed

_BLANK: Final[Mapping[str, Any]] = {
    "name": "",
    "address": "",
    "last": "",
    "procedures": (),
    "actions": ("view", "draft", "file"),
}


def _terms(parts: Parts, form: Posted) -> Terms:
    chosen, today = set(form.many("procedure")), ward_day(parts.clock.now())
    offered = parts.procedures.delegable(Basis.VOLUNTARY)
    if chosen - {procedure.id for procedure in offered}:
        raise Fault("grant.never")
    ids = tuple(procedure.id for procedure in offered if procedure.id in chosen)
    modes = {procedure.delegates[Basis.VOLUNTARY] for procedure in offered if procedure.id in chosen}
    if len(modes) != 1:
        raise Fault("grant.nothing_chosen")
    actions = set(form.many("action"))
    try:
        last = date.fromisoformat(form.one("last").strip())
    except ValueError as error:
        raise Fault("grant.date") from error
    return Terms(
        basis=Basis.VOLUNTARY,
        mode=modes.pop(),
        procedures=ids,
        procedures_version=parts.procedures.version,
        actions=tuple(action for action in Action if action in actions),
        first=today,
        last=last,
    )


def _kept(parts: Parts, form: Posted) -> Mapping[str, Any]:
    """What was typed, no longer than our form lets it be: it is kept for whoever posts it."""
    return {
        "name": form.one("name")[:100],
        "address": form.one("address")[:254],
        "last": form.one("last")[:20],
        "writer": form.one("writer")[:100],
        "procedures": tuple(id_ for id_ in form.many("procedure") if id_ in parts.procedures.by_id),
        "actions": tuple(action for action in form.many("action") if action in frozenset(Action)),
    }


def giving_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward

    def form_page(request: Request, typed: Mapping[str, Any], error: Fault | None = None) -> Response:
        locale, today = pages.locale(request), ward_day(parts.clock.now())
        options = [
            (
                procedure.id,
                procedure.name[locale],
                pages.text(locale, "delegation.new.months", count=procedure.longest_months),
            )
            for procedure in parts.procedures.delegable(Basis.VOLUNTARY)
        ]
        actions = [
            (str(action), pages.text(locale, f"delegation.action.{action}"), None) for action in Action
        ]
        context = {
            "base": parts.address(""),
            "options": options,
            "actions": actions,
            "typed": typed,
            "error": None if error is None else pages.fault_texts(locale, error),
            "earliest": today.isoformat(),
            "latest": add_months(today, 12).isoformat(),
        }
        status = 200 if error is None else 400
        return pages.render(request, "delegation/new.html", context, status=status)

    @router.get("/grants/new")
    def ask(request: Request, kept: str = "") -> Response:
        login = login_for(parts, request, PROVEN)
        if login is None:
            return parts.step_up.ask(parts.address("/grants/new"), PROVEN)
        return form_page(request, keeping.typed_by(parts, request, kept, login.person, _BLANK))

    @router.post("/grants/new")
    def propose(request: Request, form: Form) -> Response:
        """Ask someone; nothing typed is lost by a mistake, nor over a login that expired meanwhile."""
        kept = _kept(parts, form)
        try:
            with database.writing(ward.code) as unit:
                login = required(parts, parts.logins.current(unit.session, request), PROVEN)
                typed = Typed(form.one("name"), form.one("address"))
                grant, mails = proposing.propose(unit, parts, login, typed, _terms(parts, form))
        except Fault as fault:
            if fault.code == "login.needed":
                return parts.step_up.ask(parts.address("/grants/new?kept={i}"), PROVEN, kept)
            if not fault.code.startswith(("grant.", "email.")):
                raise
            return form_page(request, kept, fault)
        response = see_other(parts.address(f"/grants/{grant}"))
        response.background = notices.sending(parts, mails)
        return response

    return router
