"""Every kind of identifier and token, each as it comes about."""

import html
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlmodel import select

from assurance.tables import ChallengeRow
from card.jose import b64url_encode, unverified_claims
from delegation.audit.tables import HeadRow, LeafRow
from idp.keys import KeyPurpose
from idp.tables import LoginSessionRow
from tests.delegation.conftest import Resident
from tests.idp.conftest import authorize, returned
from tests.idp.steps import answer_to, asked_of_card, begun
from tests.idp.wall.sides import SCOPE, SECRET, Side, Value, hidden
from tests.idp.wall.staff_kinds import STAFF_KINDS


def interaction(side: Side) -> Value:
    browser = side.browser()
    return Value(begun(authorize(browser, side.portal, scope=SCOPE)), side.cookies(browser))


def code(side: Side) -> Value:
    return Value(returned(authorize(side.logged_in("hanako").http, side.portal))["code"])


def browser(side: Side) -> Value:
    """The secret by which an interaction knows its browser."""
    return Value(next(iter(interaction(side).cookies.values())))


def logout(side: Side) -> Value:
    hanako = side.logged_in("hanako")
    i = hidden(hanako.get("/end-session").text, "i")
    return Value(i, {f"i-{i}": side.cookies(hanako.http)[f"i-{i}"]})


def kept(side: Side) -> Value:
    """An interaction that keeps what was typed."""
    writer = hidden(side.logged_in("hanako").get("/grants/new").text, "writer")
    resident = side.anonymous()
    asked = resident.propose(side.town.yuki, writer=writer)
    return Value(begun(asked), side.cookies(resident.http))


def asked(side: Side) -> tuple[Resident, str, str]:
    """A person who is sent to the bridge: interaction, and the request for her card."""
    resident = side.anonymous()
    i = begun(authorize(resident.http, side.portal))
    return resident, i, asked_of_card(resident, i)


def card_answer(side: Side) -> dict[str, str]:
    resident, _, jws = asked(side)
    return answer_to(resident, jws)


def brought(side: Side) -> Value:
    """An interaction in which the card's answer waits."""
    resident, i, jws = asked(side)
    resident.http.post("/card/answer", data=answer_to(resident, jws), headers={"origin": "null"})
    return Value(i, side.cookies(resident.http))


def answer_handle(side: Side) -> Value:
    waiting = brought(side)
    return Value(waiting.cookies[f"a-{waiting.text}"])


def passkey_form(resident: Resident, path: str) -> tuple[str, str]:
    """The challenge of a page that asks for a passkey, and the options for the authenticator."""
    page = resident.get(path).text
    found = re.search(r'data-options="([^"]*)"', page)
    assert found is not None, page
    return hidden(page, "challenge"), html.unescape(found[1])


def passkey(side: Side) -> Value:
    """A registered passkey, by the id that its owner removes it with."""
    hanako = side.logged_in("hanako")
    challenge, options = passkey_form(hanako, "/account/passkeys/new")
    side.device = side.device.but(credential_id=secrets.token_bytes(32))
    added = hanako.post("/account/passkeys/new", challenge=challenge, response=side.device.create(options))
    assert added.status_code == 303, added.text
    return Value(re.findall(r'name="id" value="([^"]*)"', hanako.get("/account").text)[-1])


def credential(side: Side) -> Value:
    side.once("passkey", lambda: passkey(side))
    return Value(b64url_encode(side.device.credential_id))


def to_register(side: Side) -> Value:
    return Value(passkey_form(side.logged_in("hanako"), "/account/passkeys/new")[0])


def to_authenticate(side: Side) -> Value:
    resident = side.anonymous()
    i = begun(authorize(resident.http, side.portal))
    return Value(passkey_form(resident, f"/login/passkey?i={i}")[0])


def read_back(side: Side) -> tuple[dict[str, str], dict[str, str]]:
    """The form of a code that was mailed to the invited address, and the browser that may post it."""

    def make() -> tuple[dict[str, str], dict[str, str]]:
        yuki = side.logged_in("yuki")
        page = yuki.post(f"/invitations/{side.proposed()[1]}/mail").text
        form = {"challenge": hidden(page, "challenge"), "code": side.town.mail.code()}
        return form, side.cookies(yuki.http)

    made: tuple[dict[str, str], dict[str, str]] = side.once("read back", make)
    with side.services.database.reading(side.services.ward.code) as session:
        used = session.get_one(ChallengeRow, (side.services.ward.code, made[0]["challenge"])).used_at
    if used is not None:
        side.spend("read back")
        return read_back(side)
    return made


def known_browser(side: Side) -> Value:
    resident = side.anonymous()
    i, own = begun(authorize(resident.http, side.portal)), side.new_address()
    resident.post("/login/email", i=i, address=own)
    resident.post("/login/email/code", i=i, code=side.town.mail.code())
    return Value(side.cookies(resident.http)["mail"])


def decide(side: Side) -> Value:
    form = {"grant_type": "client_credentials", "scope": "decide"}
    return Value(side.portal.post("/token", form).json()["access_token"])


def claim(token: str, *path: str) -> Value:
    found: Any = unverified_claims(token)
    for name in path:
        found = found[name]
    return Value(str(found))


def document(side: Side, name: str) -> Value:
    found = side.logged_in("hanako").get(f"/grants/{side.grant('active')}/{name}")
    assert found.status_code == 200, found.text
    return Value(found.text)


def receipt(side: Side) -> Value:
    return document(side, "receipt")


def mandate(side: Side) -> Value:
    side.grant("active")
    side.number()
    return document(side, "mandate")


def row(side: Side, statement: Any) -> Value:
    """What no page shows, from its table."""
    with side.services.database.reading(side.services.ward.code) as session:
        return Value(str(session.exec(statement).first()))


def of_ward(side: Side, table: Any, column: Any) -> Value:
    return row(side, select(column).where(table.ward == side.services.ward.code).order_by(column.desc()))


KINDS: Final[Mapping[str, Callable[[Side], Value]]] = {
    "client": lambda side: Value(side.portal.client.client_id),
    "secret": lambda side: Value(f"{side.desk.client.client_id}:{SECRET}"),
    "proof": lambda side: Value(side.portal.assertion(aud=side.shown_at)),
    "code": code,
    "access": lambda side: Value(side.tokens()["access_token"]),
    "identity": lambda side: Value(side.tokens()["id_token"]),
    "refresh": lambda side: Value(side.tokens()["refresh_token"]),
    "delegated": lambda side: Value(side.delegated()["access_token"]),
    "delegated refresh": lambda side: Value(side.delegated()["refresh_token"]),
    "delegate's identity": lambda side: Value(side.delegated()["id_token"]),
    "decide": decide,
    "sub": lambda side: claim(side.delegated()["access_token"], "act", "sub"),
    "principal": lambda side: claim(side.delegated()["access_token"], "sub"),
    "jti": lambda side: claim(side.tokens()["access_token"], "jti"),
    "handle": lambda side: Value(side.delegated()["authorization_details"][0]["grant"]),
    "login": lambda side: Value(side.cookies(side.logged_in("hanako").http)["login"]),
    "login row": lambda side: of_ward(side, LoginSessionRow, LoginSessionRow.id),
    "person": lambda side: Value(side.town.hanako.person),
    "interaction": interaction,
    "browser": browser,
    "logout": logout,
    "kept": kept,
    "brought": brought,
    "answer": answer_handle,
    "state": lambda side: Value(card_answer(side)["state"]),
    "container": lambda side: Value(card_answer(side)["container"]),
    "card request": lambda side: Value(asked(side)[2]),
    "known browser": known_browser,
    "proposed": lambda side: Value(side.proposed()[0]),
    "invitation": lambda side: Value(side.proposed()[1]),
    "proposal": lambda side: Value(side.proposed()[2]),
    "read back": lambda side: Value(read_back(side)[0]["challenge"]),
    "accepted": lambda side: Value(side.grant("accepted")),
    "digits": lambda side: Value(side.town.digits(side.grant("accepted"))),
    "compared": lambda side: Value(side.grant("compared")),
    "active": lambda side: Value(side.grant("active")),
    "receipt": receipt,
    "mandate": mandate,
    "passkey": passkey,
    "credential": credential,
    "to register": to_register,
    "to authenticate": to_authenticate,
    "kid": lambda side: Value(side.services.keys.signer(KeyPurpose.TOKEN).kid),
    "size": lambda side: of_ward(side, HeadRow, HeadRow.size),
    "leaf": lambda side: Value(str(int(of_ward(side, HeadRow, HeadRow.size).text) - 1)),
    "writer": lambda side: of_ward(side, LeafRow, LeafRow.writer),
    **STAFF_KINDS,
}


_LASTING: Final = frozenset({"identity", "delegate's identity", "decide", "sub", "principal", "handle"})
"""What is the same however often it is shown, and takes long to come by."""


def one_of(side: Side, kind: str) -> Value:
    """A value of a kind, which nobody used before unless using it changes nothing."""
    if kind not in _LASTING:
        return KINDS[kind](side)
    made: Value = side.once(kind, lambda: KINDS[kind](side))
    return made
