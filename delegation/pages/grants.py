"""A person's grants: the list, one of them, the receipt, the mandate."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from card.faults import Fault
from delegation import mandate_file, receipts, registry
from delegation.assured import TWO_FACTORS
from delegation.offices import asking
from delegation.pages.view import activity, login_for, view
from delegation.parts import Parts


def one_page(parts: Parts, request: Request, id_: str, error: Fault | None = None) -> Response:
    """The page of one grant."""
    pages, ward = parts.pages, parts.ward.code
    login = login_for(parts, request, TWO_FACTORS)
    if login is None:
        return parts.step_up.ask(parts.address(f"/grants/{id_}"), TWO_FACTORS)
    with parts.database.reading(ward) as session:
        row = registry.find(session, ward, id_, login.person, parts.clock.now())
        context = {
            "base": parts.address(""),
            "grant": view(session, parts, row, login.person),
            "activity": activity(session, parts, row),
            "error": None if error is None else " ".join(pages.fault_texts(pages.locale(request), error)),
        }
    return pages.render(request, "delegation/grant.html", context, status=200 if error is None else 400)


def grant_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, database, ward = APIRouter(), parts.database, parts.ward

    @router.get("/grants")
    def show_all(request: Request) -> Response:
        login = login_for(parts, request, TWO_FACTORS)
        if login is None:
            return parts.step_up.ask(parts.address("/grants"), TWO_FACTORS)
        with database.reading(ward.code) as session:
            given = registry.given_by(session, ward.code, login.person)
            held = registry.held_by(session, ward.code, login.person, parts.clock.now())
            context = {
                "base": parts.address(""),
                "given": [view(session, parts, row, login.person) for row in given],
                "asked": asking.asked_of(session, parts, login.person),
                "held": [view(session, parts, row, login.person) for row in held],
            }
        return parts.pages.render(request, "delegation/list.html", context)

    @router.get("/grants/{id_}")
    def show(request: Request, id_: str) -> Response:
        return one_page(parts, request, id_)

    @router.get("/grants/{id_}/receipt")
    def receipt(request: Request, id_: str) -> Response:
        login = login_for(parts, request, TWO_FACTORS)
        if login is None:
            return parts.step_up.ask(parts.address(f"/grants/{id_}"), TWO_FACTORS)
        with database.reading(ward.code) as session:
            row = registry.find(session, ward.code, id_, login.person, parts.clock.now())
            made = receipts.receipt(session, parts, row, login.person)
        headers = {"Content-Disposition": 'attachment; filename="receipt.jwt"', "Cache-Control": "no-store"}
        return Response(made, media_type="application/jwt", headers=headers)

    @router.get("/grants/{id_}/mandate")
    def mandate(request: Request, id_: str) -> Response:
        login = login_for(parts, request, TWO_FACTORS)
        if login is None:
            return parts.step_up.ask(parts.address(f"/grants/{id_}"), TWO_FACTORS)
        with database.reading(ward.code) as session:
            row = registry.find_as_principal(session, ward.code, id_, login.person, parts.clock.now())
            document = mandate_file.export(session, parts, row)
        name = 'attachment; filename="mandate.json"'
        return JSONResponse(document, headers={"Content-Disposition": name, "Cache-Control": "no-store"})

    return router
