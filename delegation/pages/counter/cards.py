"""Registering a resident by her card: the first of two staff has it read and chooses, the second confirms."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from assurance.database import Unit
from card.faults import Fault
from card.pages import LOCALES
from card.pages.forms import Posted, see_other
from delegation import notices
from delegation.counter import read_cards, registering, visiting
from delegation.counter.read_cards import Choice
from delegation.pages.counter import entering
from delegation.pages.counter.visits import LANGUAGES
from delegation.pages.staff.view import ask_for
from delegation.pages.view import Form
from delegation.parts import Parts

_NEW, _RENAMED = "new", "renamed"


def _choice(unit: Unit, parts: Parts, id_: str, form: Posted) -> Choice:
    chosen = form.one("choice")
    if chosen == _NEW:
        return registering.new_person(form.many("not_this"))
    read = read_cards.find(unit.session, parts, id_)
    if chosen == _RENAMED:
        return registering.renamed_person(unit.session, parts, read, entering.named(form, "before"))
    return registering.known_person(read, chosen)


def card_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), parts.pages, parts.database, parts.ward
    base = parts.address("")

    @router.get("/counter/cards/new")
    def ask(request: Request) -> Response:
        if entering.login_for(parts, request) is None:
            return ask_for(parts, "/counter/cards/new")
        context = {"base": base, "languages_read": LANGUAGES}
        return pages.render(request, "delegation/counter/card_new.html", context, leads_out=True)

    @router.post("/counter/cards/new")
    def to_card(request: Request, form: Form) -> Response:
        locale = form.one("language")
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            errand = registering.ask_for_card(unit, parts, login, locale if locale in LOCALES else LOCALES[0])
        context = {"address": errand.address, "jws": errand.request}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        errand.carry(response)
        return response

    @router.get("/counter/cards/done")
    def done(request: Request) -> Response:
        with database.reading(ward.code) as session:
            visiting.staff_login(session, parts, parts.logins.current(session, request))
        return pages.render(request, "delegation/counter/card_done.html", {"base": base})

    @router.get("/counter/cards/{id_}")
    def show(request: Request, id_: str) -> Response:
        if entering.login_for(parts, request) is None:
            return ask_for(parts, f"/counter/cards/{id_}")
        with database.writing(ward.code) as unit:
            read, mine = registering.look(unit, parts, parts.logins.current(unit.session, request), id_)
        context = {
            "base": base,
            "id": read.id,
            "says": read.says,
            "exact": read.card.profile is not None,
            "held": bool(read.holders),
            "known": sorted(read.known.items()),
            "choice": read.choice,
            "mine": mine,
        }
        return pages.render(request, "delegation/counter/card.html", context)

    @router.post("/counter/cards/{id_}/choose")
    def choose(request: Request, id_: str, form: Form) -> Response:
        with database.writing(ward.code) as unit:
            login = parts.logins.current(unit.session, request)
            visiting.staff_login(unit.session, parts, login)
            registering.choose(unit, parts, login, id_, _choice(unit, parts, id_, form))
        return see_other(parts.address(f"/counter/cards/{id_}"))

    @router.post("/counter/cards/{id_}/confirm")
    def confirm(request: Request, id_: str) -> Response:
        try:
            with database.writing(ward.code) as unit:
                login = parts.logins.current(unit.session, request)
                mails = registering.confirm(unit, parts, login, id_)
        except Fault as fault:
            if fault.code != "login.needed":
                raise
            return parts.step_up.ask(parts.address(f"/counter/cards/{id_}"), registering.FRESH)
        response = see_other(parts.address("/counter/cards/done"))
        response.background = notices.sending(parts, mails)
        return response

    @router.post("/counter/cards/{id_}/drop")
    def drop(request: Request, id_: str) -> Response:
        with database.writing(ward.code) as unit:
            registering.drop(unit, parts, parts.logins.current(unit.session, request), id_)
        return see_other(parts.address("/counter"))

    return router
