"""A paper mandate: each of two staff enters it; both see the same page afterwards, whatever came of it."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.procedures import Action
from card.dates import add_months, ward_day
from card.faults import Fault
from card.pages.forms import Posted, see_other
from delegation import notices
from delegation.counter import attesting, visiting
from delegation.counter.dual_entry import read_number
from delegation.counter.papers import PROOFS, Paper, ProofSeen
from delegation.grant import Basis
from delegation.pages import keeping
from delegation.pages.counter import entering
from delegation.pages.staff.view import ask_for
from delegation.pages.view import Form
from delegation.parts import Parts

_FIELDS: Final = (
    "number", "basis", "principal_name", "principal_birth", "delegate_name", "delegate_birth", "last",
    "proof",
)  # fmt: skip
_GROUPS: Final = ("procedure", "action", "custody")
_BLANK: Final[Mapping[str, object]] = {**dict.fromkeys(_FIELDS, ""), **dict.fromkeys(_GROUPS, ())}
_OURS: Final = ("grant.", "paper.")


def _paper(parts: Parts, form: Posted) -> Paper:
    if form.one("basis") not in set(PROOFS):
        raise Fault("grant.nothing_chosen")
    return Paper(
        basis=Basis(form.one("basis")),
        principal=entering.named(form, "principal"),
        delegate=entering.named(form, "delegate"),
        procedures=entering.procedures(parts, form),
        actions=entering.actions(form),
        last=entering.day(form, "last", "grant.date"),
        proof=entering.proof(form),
        custody=bool(form.many("custody")),
    )


def paper_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward

    def form_page(request: Request, typed: Mapping[str, Any], error: Fault | None = None) -> Response:
        locale, today = pages.locale(request), ward_day(parts.clock.now())

        def text(key: str) -> str:
            return pages.text(locale, key)

        offered = {entry.id: entry for basis in PROOFS for entry in parts.procedures.delegable(basis)}
        context = {
            "base": parts.address(""),
            "typed": typed,
            "error": None if error is None else pages.fault_texts(locale, error),
            "bases": [(str(basis), text(f"delegation.basis.{basis}"), None) for basis in PROOFS],
            "procedures": [(id_, entry.name[locale], None) for id_, entry in offered.items()],
            "actions": [(str(action), text(f"delegation.action.{action}"), None) for action in Action],
            "proofs": [(str(proof), text(f"delegation.proof.{proof}"), None) for proof in ProofSeen],
            "custody": [("yes", text("delegation.counter.paper.custody_yes"), None)],
            "earliest": today.isoformat(),
            "latest": add_months(today, 12).isoformat(),
        }
        status = 200 if error is None else 400
        return pages.render(request, "delegation/counter/paper.html", context, status=status)

    @router.get("/counter/papers/new")
    def ask(request: Request, kept: str = "") -> Response:
        login = entering.login_for(parts, request)
        if login is None:
            return ask_for(parts, "/counter/papers/new")
        return form_page(request, keeping.typed_by(parts, request, kept, login.person, _BLANK))

    @router.post("/counter/papers/new")
    def enter(request: Request, form: Form) -> Response:
        """Only what the form itself lacks is said; what the entries come to is not."""
        try:
            with database.writing(ward.code) as unit:
                login = visiting.staff_login(unit.session, parts, parts.logins.current(unit.session, request))
                number, paper = read_number(form.one("number")), _paper(parts, form)
                mails = attesting.register(unit, parts, login, number, paper)
        except Fault as fault:
            typed = entering.kept(form, _FIELDS, _GROUPS)
            if fault.code == "login.needed":
                return ask_for(parts, "/counter/papers/new?kept={i}", typed)
            if not fault.code.startswith(_OURS):
                raise
            return form_page(request, typed, fault)
        response = see_other(parts.address("/counter/received"))
        response.background = notices.sending(parts, mails)
        return response

    @router.get("/counter/received")
    def received(request: Request) -> Response:
        with database.reading(ward.code) as session:
            visiting.staff_login(session, parts, parts.logins.current(session, request))
        return pages.render(request, "delegation/counter/received.html", {"base": parts.address("")})

    return router
