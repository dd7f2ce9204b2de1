"""Changes that wait for a signature, and one of them: read it, and sign it with one's own card."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance.login import Login
from card.faults import Fault
from delegation.pages.staff.view import ask_for, names_of, staff_login
from delegation.parts import Parts
from delegation.staffing import change_signing, changes, staff
from delegation.staffing.tables import ChangeRow

_SAID: Final = frozenset({"change.signed", "change.done", "change.expired"})
"""Why one does not sign that the page says by itself."""


@dataclass(frozen=True, slots=True)
class ListedChange:
    """A change in the list.

    :param mine: the reader proposed it.
    """

    id: str
    kind: str
    person: str
    proposed_at: datetime
    expires_at: datetime
    signatures: int
    mine: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, and when."""

    name: str
    at: datetime


def _state(row: ChangeRow, login: Login, now: datetime) -> str:
    if row.done_at is not None:
        return "done"
    if row.expires_at <= now:
        return "expired"
    if row.signatures == 0:
        return "unsigned"
    return "waiting_other" if row.proposed_by == login.person else "waiting_you"


def _refusal(session: Session, parts: Parts, row: ChangeRow, login: Login) -> Fault | None:
    """Why this reader does not sign now."""
    try:
        change_signing.check_signing(session, parts, row, login)
    except Fault as fault:
        return fault
    return None


def _listed(session: Session, parts: Parts, login: Login) -> Sequence[ListedChange]:
    rows = changes.open_changes(session, parts.ward.code, login.person, parts.clock.now())
    names = names_of(session, parts, {row.person for row in rows})
    return [
        ListedChange(
            row.id,
            row.kind,
            names.get(row.person, ""),
            row.proposed_at,
            row.expires_at,
            row.signatures,
            mine=row.proposed_by == login.person,
        )
        for row in rows
    ]


def change_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward.code
    base = parts.address("")

    @router.get("/staff/changes")
    def show_all(request: Request) -> Response:
        login = staff_login(parts, request, staff.ADMIN)
        if login is None:
            return ask_for(parts, "/staff/changes")
        with database.reading(ward) as session:
            context = {"base": base, "changes": _listed(session, parts, login)}
        return pages.render(request, "delegation/staff/changes.html", context)

    @router.get("/staff/changes/{id_}")
    def show(request: Request, id_: str) -> Response:
        login, locale = staff_login(parts, request, staff.ADMIN), pages.locale(request)
        if login is None:
            return ask_for(parts, f"/staff/changes/{id_}")
        with database.reading(ward) as session:
            row = changes.find(session, ward, id_, login.person)
            signed = change_signing.approvals_of(session, row)
            names = names_of(session, parts, {approval.by for approval in signed})
            refusal = _refusal(session, parts, row, login)
            said = refusal is None or refusal.code in _SAID
            context = {
                "base": base,
                "id": row.id,
                "kind": row.kind,
                "person": row.person,
                "state": _state(row, login, parts.clock.now()),
                "text": change_signing.text_of(session, parts, row, locale),
                "signatures": [Signature(names.get(found.by, ""), found.at) for found in signed],
                "expires_at": row.expires_at,
                "may_sign": refusal is None,
                "refusal": None if said or refusal is None else pages.fault_texts(locale, refusal),
            }
        return pages.render(request, "delegation/staff/change.html", context, leads_out=True)

    @router.post("/staff/changes/{id_}/sign")
    def to_card(request: Request, id_: str) -> Response:
        with database.writing(ward) as unit:
            login = parts.logins.current(unit.session, request)
            errand = change_signing.ask_for_signature(unit, parts, login, id_, pages.locale(request))
        context = {"address": errand.address, "jws": errand.request}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        errand.carry(response)
        return response

    return router
