"""What a person at a browser does, step by step."""

import re
from typing import Any

from starlette.requests import Request
from starlette.testclient import TestClient

from assurance.evidence import Authentication
from assurance.person import PersonId
from card.container import SigningPurpose, ToBeSigned
from card.countersignature import countersign
from card.jose import SoftwareSigner, unverified_claims
from card.linking import link_on, to_json
from card.request import CardRequest, EnrolledIssuer, read_request
from card.virtual.card import VirtualCard
from card.virtual.holder import lay_down, sign_as_holder
from idp import interactions
from idp.card_requests import answer_uri
from idp.keys import KeyPurpose
from idp.login.flow import complete
from idp.services import Services
from tests.delegation.conftest import Resident
from tests.idp.conftest import KeptMail, WardSystem, redeem, returned
from tests.registered import registered


def begun(answer: Any) -> str:
    """The interaction that a request opened, at the login page."""
    found = re.fullmatch(r"/login\?i=([0-9a-f]{32})", answer.headers["location"])
    assert found is not None, answer.headers["location"]
    return found[1]


def follow(browser: TestClient, answer: Any) -> Any:
    """Go on until something other than a redirect to one of our own pages is reached."""
    while answer.status_code == 303 and answer.headers["location"].startswith("/"):
        answer = browser.get(answer.headers["location"])
    return answer


def by_mail(browser: TestClient, services: Services, mail: KeptMail, i: str, address: str) -> Any:
    own = {"origin": services.ward.origin}
    browser.post("/login/email", data={"i": i, "address": address}, headers=own)
    return follow(browser, browser.post("/login/email/code", data={"i": i, "code": mail.code()}, headers=own))


def asked_of_card(resident: Resident, i: str) -> str:
    """The request that the bridge gets."""
    request: str = resident.post("/login/card", i=i).headers["location"].partition("?request=")[2]
    return request


def complete_by(
    browser: TestClient, services: Services, i: str, person: PersonId, evidence: Authentication
) -> None:
    """Finish the login of an interaction as every method does."""
    sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
    request = Request({"type": "http", "headers": [(b"cookie", sent.encode())]})
    with services.database.writing(services.ward.code) as unit:
        interaction = interactions.load(unit.session, services, request, i)
        held = registered(unit, services.vault, person, evidence)
        answer = complete(unit, services, request, interaction, person, held)
    for line in answer.headers.getlist("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        browser.cookies.set(name, value, domain=services.ward.rp_id)


def identity(system: WardSystem, answer: Any) -> Any:
    """What the ID token says that an authorization response leads to."""
    return unverified_claims(redeem(system, returned(answer)["code"]).json()["id_token"])


def at_bridge(services: Services, jws: str) -> CardRequest:
    """What the bridge reads."""
    pinned = EnrolledIssuer(
        services.ward.issuer, answer_uri(services), services.keys.key_set(KeyPurpose.REQUEST)
    )
    asked = read_request(jws, {pinned.issuer: pinned}, services.clock.now())
    assert isinstance(asked, CardRequest)
    return asked


def answer_to(
    resident: Resident, jws: str, made: ToBeSigned | None = None, key: SoftwareSigner | None = None
) -> dict[str, str]:
    """What the bridge posts.

    :param made: the bytes that the card signs in the place of those that were asked for.
    :param key: of a bridge that says that it is enrolled.
    """
    asked = at_bridge(resident.services, jws)
    signed, certificate = asked.to_be_signed, asked.certificate
    if made is not None:
        signed, (certificate,) = made, SigningPurpose(str(made.claims()["purpose"])).certificates
    container = sign_as_holder(resident.card, signed, certificate).to_json()
    form = {"state": asked.state, "container": container}
    if key is not None:
        form["countersignature"] = countersign(asked, container, key, resident.services.clock.now())
    return form


def bring(resident: Resident, form: dict[str, str]) -> Any:
    """The bridge's form, in the resident's browser; where it leads is not gone to yet."""
    return resident.http.post("/card/answer", data=form, headers={"origin": "null"})


def asked_to_link(resident: Resident) -> str:
    """The request to link a card that the account page sends to the bridge."""
    page = resident.post("/account/card")
    found = re.search(r'name="request" value="([^"]+)"', page.text)
    assert found is not None, (page.status_code, page.headers.get("location"), page.text)
    return found[1]


def link_answer(resident: Resident, jws: str, card: VirtualCard) -> dict[str, str]:
    """What the bridge posts after both secrets of a card."""
    asked, contents = at_bridge(resident.services, jws), card.contents
    secrets = bytearray(contents.pin.value), bytearray(contents.password.value)
    pair = link_on(lay_down(card), asked.to_be_signed, *secrets)
    return {"state": asked.state, "container": to_json(pair)}


def link(resident: Resident, card: VirtualCard) -> Any:
    """Link a card at home, from the account page to what the person reads in the end."""
    form = link_answer(resident, asked_to_link(resident), card)
    return resident.http.get(bring(resident, form).headers["location"])
