"""A child under fifteen: each of two staff enters what the card and the register say."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from card.dates import ward_day
from card.faults import Fault
from card.pages.forms import Posted, see_other
from delegation.counter import children, visiting
from delegation.counter.children import Child
from delegation.counter.dual_entry import read_number
from delegation.pages import keeping
from delegation.pages.counter import entering
from delegation.pages.staff.view import ask_for
from delegation.pages.view import Form
from delegation.parts import Parts

_FIELDS: Final = ("number", "child_name", "child_birth", "sex", "address", "proof")
_BLANK: Final[Mapping[str, object]] = dict.fromkeys(_FIELDS, "")
_OURS: Final = ("grant.", "paper.")


def _child(form: Posted) -> Child:
    return Child(entering.named(form, "child"), form.one("sex"), form.one("address"), entering.proof(form))


def child_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward

    def form_page(request: Request, typed: Mapping[str, Any], error: Fault | None = None) -> Response:
        locale = pages.locale(request)
        context = {
            "base": parts.address(""),
            "typed": typed,
            "error": None if error is None else pages.fault_texts(locale, error),
            "sexes": [(sex, pages.text(locale, f"delegation.sex.{sex}"), None) for sex in children.SEXES],
            "proofs": [
                (str(proof), pages.text(locale, f"delegation.proof.{proof}"), None)
                for proof in children.PROOFS
            ],
            "today": ward_day(parts.clock.now()).isoformat(),
        }
        status = 200 if error is None else 400
        return pages.render(request, "delegation/counter/child.html", context, status=status)

    @router.get("/counter/children/new")
    def ask(request: Request, kept: str = "") -> Response:
        login = entering.login_for(parts, request)
        if login is None:
            return ask_for(parts, "/counter/children/new")
        return form_page(request, keeping.typed_by(parts, request, kept, login.person, _BLANK))

    @router.post("/counter/children/new")
    def enter(request: Request, form: Form) -> Response:
        """Only what the form itself lacks is said; what the entries come to is not."""
        try:
            with database.writing(ward.code) as unit:
                login = visiting.staff_login(unit.session, parts, parts.logins.current(unit.session, request))
                children.register(unit, parts, login, read_number(form.one("number")), _child(form))
        except Fault as fault:
            typed = entering.kept(form, _FIELDS)
            if fault.code == "login.needed":
                return ask_for(parts, "/counter/children/new?kept={i}", typed)
            if not fault.code.startswith(_OURS):
                raise
            return form_page(request, typed, fault)
        return see_other(parts.address("/counter/received"))

    return router
