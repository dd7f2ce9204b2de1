"""Linking a card at home: out to the bridge, and back with what both of its keys signed."""

from typing import Final

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from assurance import linking
from assurance.database import Unit
from assurance.events import EventName
from assurance.levels import FRESH_TWO_FACTORS
from assurance.linking import LinkedCard
from assurance.mail import hand_over
from assurance.notices import Notice, notices_of
from assurance.wards import ward_name
from card.container import CardEvidence, SigningPurpose
from card.faults import CardRejected, Fault
from card.pages.forms import see_other
from idp import card_requests, interactions, sessions
from idp.answers import Brought
from idp.faults import answer
from idp.login.flow import ask_to_log_in
from idp.services import Services

LINK: Final = "link"
"""The kind of interaction that ends with a card linked."""


def linking_routes(services: Services) -> APIRouter:
    """The pages of one ward."""
    router, pages, database, ward = APIRouter(), services.pages, services.database, services.ward
    home, here = services.address("/account"), services.address("/account/card")

    def refused(request: Request, fault: Fault) -> Response:
        if fault.code in {"login.needed", "linking.too_weak"}:
            return ask_to_log_in(services, here, FRESH_TWO_FACTORS)
        return answer(pages, request, fault, back=home)

    @router.get("/account/card")
    def ask(request: Request) -> Response:
        now = services.clock.now()
        try:
            with database.reading(ward.code) as session:
                login = sessions.required(session, services, request)
                linking.check_may_link(session, services.vault, login, now)
                card = linking.card_of(session, ward.code, login.person, now)
                gone = linking.over(session, services.vault, ward.code, login.person, services.trust, now)
        except Fault as fault:
            return refused(request, fault)
        hours = services.thresholds.linked_at_home_waits_hours
        context = {"base": services.address(""), "hours": hours, "lives": card is not None and not gone}
        return pages.render(request, "idp/account/card.html", context)

    @router.post("/account/card")
    def to_card(request: Request) -> Response:
        locale = pages.locale(request)
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                linking.check_may_link(unit.session, services.vault, login, services.clock.now())
                id_, cookie = interactions.open_interaction(
                    unit,
                    services,
                    LINK,
                    return_to=home,
                    requirement=FRESH_TWO_FACTORS,
                    payload={"person": login.person},
                    otherwise=here,
                )
                jws = card_requests.ask(
                    unit,
                    services,
                    id_,
                    SigningPurpose.LINK,
                    cancel_to=here,
                    locale=locale,
                    text=pages.text(locale, "idp.link.text", ward=ward_name(ward.code, locale)),
                )
        except Fault as fault:
            return refused(request, fault)
        context = {"address": f"{services.bridge_url}/request", "jws": jws}
        response = pages.render(request, "delegation/to_card.html", context, leads_out=True)
        cookie.set_on(response)
        return response

    @router.post("/account/card/withdraw")
    def withdraw(request: Request) -> Response:
        now = services.clock.now()
        try:
            with database.writing(ward.code) as unit:
                login = sessions.required(unit.session, services, request)
                linking.withdraw(unit, login, now)
                mails = notices_of(
                    unit.session, services.vault, pages, ward, login.person, Notice.CARD_WITHDRAWN, now
                )
        except Fault as fault:
            if fault.code in {"login.needed", "linking.too_weak"}:
                return ask_to_log_in(services, home, FRESH_TWO_FACTORS)
            return answer(pages, request, fault, back=home)
        response = see_other(home)
        response.background = BackgroundTask(hand_over, services.mailer, mails)
        return response

    return router


def linked(services: Services, request: Request, brought: Brought) -> Response:
    """Link the card that answered to the person who asked for it, in her own login.

    A login that is no longer fresh costs no second use of the card: the answer waits for the next.
    """
    ward, now = services.ward, services.clock.now()
    judged = card_requests.judge_link(services, brought)
    with services.database.reading(ward.code) as session:
        login = sessions.current(session, services, request)
        try:
            gone = linking.over(
                session, services.vault, ward.code, brought.interaction.payload["person"], services.trust, now
            )
        except CardRejected as unavailable:
            gone, judged = (), unavailable
    if login is None or not login.assurance.meets(FRESH_TWO_FACTORS, now):
        waiting = card_requests.let_wait(services, brought)
        back = services.address(f"/card/done?i={brought.interaction.id}")
        response = ask_to_log_in(services, back, FRESH_TWO_FACTORS)
        waiting.set_on(response)
        return response

    def link(unit: Unit, both: tuple[CardEvidence, CardEvidence]) -> Response:
        login = sessions.required(unit.session, services, request)
        if login.person != brought.interaction.payload["person"]:
            raise Fault("linking.too_weak")
        counts_from = linking.link_at_home(
            unit, services.vault, services.thresholds, login, LinkedCard(*both), gone, now
        )
        mails = notices_of(
            unit.session,
            services.vault,
            services.pages,
            ward,
            login.person,
            Notice.CARD_LINKED,
            now,
            until=counts_from,
        )
        response = see_other(brought.interaction.return_to)
        response.background = BackgroundTask(hand_over, services.mailer, mails)
        return response

    return card_requests.settle(
        services,
        request,
        brought,
        judged,
        link,
        refusal=EventName.CARD_LINKING_REFUSED,
        back=services.address("/account/card"),
        ends=True,
    )
