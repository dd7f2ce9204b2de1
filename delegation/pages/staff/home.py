"""What a staff member may do here, who has which role, and who looked at whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fastapi import APIRouter
from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from assurance import roles
from assurance.roles import Role
from card.dates import ward_day
from delegation.pages.staff.view import ask_for, names_of, staff_login
from delegation.parts import Parts
from delegation.staffing import staff, staff_looks
from delegation.staffing.tables import LookRow


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that someone has or had.

    :param last: its last ward day; None for one without an end.
    :param runs: it counts now.
    """

    person: str
    name: str
    role: str
    since: datetime
    last: date | None
    runs: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A staff member looked at a person."""

    at: datetime
    by: str
    person: str
    what: str


def _roles(session: Session, parts: Parts) -> Sequence[HeldRole]:
    rows, now = roles.roles_in(session, parts.ward.code), parts.clock.now()
    names = names_of(session, parts, {row.person for row in rows})
    return [
        HeldRole(
            row.person,
            names.get(row.person, ""),
            row.role,
            row.since,
            None if row.until is None else ward_day(row.until - timedelta(microseconds=1)),
            runs=row.until is None or now < row.until,
        )
        for row in rows
    ]


def _looks(session: Session, parts: Parts, rows: Sequence[LookRow]) -> Sequence[Look]:
    names = names_of(session, parts, {person for row in rows for person in (row.by, row.person)})
    return [Look(row.at, names.get(row.by, ""), names.get(row.person, ""), row.what) for row in rows]


def home_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward.code
    base = parts.address("")

    @router.get("/staff")
    def home(request: Request) -> Response:
        login = staff_login(parts, request, staff.ANY)
        if login is None:
            return ask_for(parts, "/staff")
        with database.reading(ward) as session:
            held = staff.roles_now(session, ward, login.person, parts.clock.now())
        context = {
            "base": base,
            "roles": sorted(held),
            "admin": bool(held & staff.ADMIN),
            "counter": Role.STAFF in held,
            "reviews": bool(held & staff.REVIEWERS),
        }
        return pages.render(
            request, "delegation/staff/home.html", context | {"looks": bool(held & staff.LOOKS)}
        )

    @router.get("/staff/roles")
    def show_roles(request: Request) -> Response:
        login = staff_login(parts, request, staff.LOOKS)
        if login is None:
            return ask_for(parts, "/staff/roles")
        with database.reading(ward) as session:
            held = staff.roles_now(session, ward, login.person, parts.clock.now())
            context = {
                "base": base,
                "roles": _roles(session, parts),
                "me": login.person,
                "admin": bool(held & staff.ADMIN),
            }
        return pages.render(request, "delegation/staff/roles.html", context)

    @router.get("/staff/looks")
    def show_looks(request: Request) -> Response:
        login = staff_login(parts, request, staff.LOOKS)
        if login is None:
            return ask_for(parts, "/staff/looks")
        by = request.query_params.get("by", "")
        with database.reading(ward) as session:
            who = staff_looks.lookers(session, ward)
            names = names_of(session, parts, set(who))
            context = {
                "base": base,
                "looks": _looks(session, parts, staff_looks.looks(session, ward, by)),
                "by": by,
                "who": [(person, names.get(person, "")) for person in who],
            }
        return pages.render(request, "delegation/staff/looks.html", context)

    return router
