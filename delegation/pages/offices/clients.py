"""Whom an office acts for, and through whom: handing over, confirming, ending."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import see_other
from delegation import notices, registry, usability
from delegation.grant import CurrentState
from delegation.offices import designating
from delegation.pages.offices.view import name_of
from delegation.pages.view import Form
from delegation.parts import Parts
from delegation.tables import GrantRow


@dataclass(frozen=True, slots=True)
class ClientView:
    """A principal of an office.

    :param next: who acts from `next_from` on, where a hand-over is announced.
    """

    grant: str
    principal: str
    state: CurrentState
    last: date
    acting: str
    acting_person: str | None
    next: str
    next_from: datetime | None


def client_views(session: Session, parts: Parts, rows: Sequence[GrantRow]) -> list[ClientView]:
    """The principals of an office."""
    now, found = parts.clock.now(), list[ClientView]()
    for row in rows:
        coming, acting = designating.to_come(session, row, now), registry.delegate_of(session, row, now)
        found.append(
            ClientView(
                row.id,
                name_of(session, parts, row.principal),
                usability.state_now(session, row, now),
                date.fromisoformat(row.last),
                name_of(session, parts, acting),
                acting,
                "" if coming is None else name_of(session, parts, coming.person),
                None if coming is None else coming.works_from,
            )
        )
    return found


def client_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), parts.database, parts.ward

    @router.post("/offices/{office}/grants/{grant}/hand-over")
    def hand_over(request: Request, office: str, grant: str, form: Form) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            mails = designating.hand_over(unit, parts, login, office, grant, form.one("member"))
        response = see_other(parts.address(f"/offices/{office}"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/offices/{office}/grants/{grant}/confirm")
    def confirm(request: Request, office: str, grant: str) -> Response:
        with database.writing(ward.code) as unit:
            designating.confirm(unit, parts, parts.logins.current(unit.session, request), grant, office)
        return see_other(parts.address(f"/offices/{office}"))

    @router.post("/offices/{office}/grants/{grant}/end")
    def end(request: Request, office: str, grant: str) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            mails = designating.end_for_office(unit, parts, login, office, grant)
        response = see_other(parts.address(f"/offices/{office}"))
        response.background = notices.sending(parts, mails)
        return response

    return router
