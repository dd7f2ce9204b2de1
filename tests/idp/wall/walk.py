"""What identifies something at each route. A route that is missing here fails the test.

An entry is one line: where an identifier stands, and of which kind it is there. Everything else of the
request is one's own and good, so that nothing but that one place decides its answer.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from card.dates import ward_day
from tests.delegation.conftest import Resident
from tests.idp.conftest import AFTER_LOGOUT, CALLBACK, VERIFIER, authorize, challenge
from tests.idp.steps import answer_to, asked_of_card, begun
from tests.idp.wall.counter_walk import COUNTER
from tests.idp.wall.entry import COMES_ALONG, Entry, Fields, Own, entry
from tests.idp.wall.kinds import one_of, passkey_form, read_back
from tests.idp.wall.office_walk import OFFICES
from tests.idp.wall.sides import SCOPE, Side
from tests.idp.wall.staff_walk import STAFF


def _passkey(side: Side, resident: Resident) -> Own:
    one_of(side, "credential")
    i = begun(authorize(resident.http, side.portal))
    named, options = passkey_form(resident, f"/login/passkey?i={i}")
    return Own(
        {"i": i, "challenge": named, "response": side.device.get(options)}, side.cookies(resident.http)
    )


def _new_passkey(side: Side, resident: Resident) -> Own:
    named, options = passkey_form(resident, "/account/passkeys/new")
    device = side.device.but(credential_id=secrets.token_bytes(32))
    return Own({"challenge": named, "response": device.create(options)})


def _mailed(side: Side, resident: Resident) -> Own:
    i = begun(authorize(resident.http, side.portal))
    resident.post("/login/email", i=i, address=side.new_address())
    return Own({"i": i, "code": side.town.mail.code()}, side.cookies(resident.http))


def _signed(side: Side, resident: Resident) -> Own:
    i = begun(authorize(resident.http, side.portal))
    form = answer_to(resident, asked_of_card(resident, i))
    return Own(dict(form), side.cookies(resident.http))


def _read(side: Side, _: Resident) -> Own:
    _, handle, proposal = side.proposed()
    return Own({"handle": handle, "proposal": proposal})


def _read_back(side: Side, _: Resident) -> Own:
    handle = side.proposed()[1]
    form, cookies = read_back(side)
    return Own({"handle": handle} | form, cookies)


def _proposed(side: Side, _: Resident) -> Own:
    last = ward_day(side.services.clock.now()) + timedelta(days=30)
    form = {"name": "田中由紀", "address": "", "procedure": ["kaigo.nintei.renew"], "action": ["file"]}
    return Own(form | {"last": last.isoformat()})


def _numbered(side: Side, _: Resident) -> Own:
    size = one_of(side, "size").text
    return Own({"old": "1", "leaf": str(int(size) - 1), "size": size})


_CODE: Final = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
_AUTHORIZE: Final = Entry(
    {"client_id": "client", "id_token_hint": ("delegate's identity", "identity"), "details": "handle"},
    who="yuki",
    fixed={
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": SCOPE,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
    },
)
_END_SESSION: Final = Entry(
    {"id_token_hint": ("identity", "delegate's identity"), "client_id": "client"},
    who="hanako",
    fixed={"post_logout_redirect_uri": AFTER_LOGOUT},
    alike=frozenset({"login"}),  # without one there is nothing to end, with the hinted one nothing to ask
)
_TOKENS: Final = (
    "access",
    "delegated",
    "refresh",
    "delegated refresh",
    "identity",
    "decide",
    "code",
    "receipt",
)
_QUESTION: Final = Entry(
    {
        "bearer": ("decide", "access", "delegated"),
        "context.token": ("delegated", "access", "identity", "decide", "receipt"),
        "subject.id": ("sub", "person"),
        "resource.properties.principal": ("principal", "sub", "person"),
    },
    fixed={
        "subject.type": "person",
        "action.name": "file",
        "resource.type": "procedure",
        "resource.id": "kaigo.nintei.renew",
    },
)

WALK: Final[Mapping[str, tuple[Entry, ...]]] = {
    # Of no ward, or the same for everybody.
    "GET /health/live": (entry(),),
    "GET /health/ready": (entry(),),
    "GET /.well-known/openid-configuration": (entry(),),
    "GET /.well-known/oauth-authorization-server": (entry(),),
    "GET /.well-known/authzen-configuration": (entry(),),
    "GET /jwks.json": (entry(),),
    "GET /": (entry(),),
    # For systems.
    "GET /authorize": (_AUTHORIZE,),
    "POST /authorize": (_AUTHORIZE,),
    "POST /token": (
        Entry({"code": "code", "assertion": "proof"}, fixed=_CODE),
        Entry(
            {"refresh_token": ("refresh", "delegated refresh"), "assertion": "proof"},
            fixed={"grant_type": "refresh_token"},
        ),
        Entry({"basic": "secret"}, fixed={"grant_type": "client_credentials", "scope": "decide"}),
    ),
    "POST /introspect": (Entry({"token": _TOKENS, "assertion": "proof"}),),
    "POST /revoke": (Entry({"token": _TOKENS, "assertion": "proof"}, alike=frozenset({"token"})),),
    "GET /userinfo": (entry(bearer=("access", "delegated", "decide")),),
    "POST /userinfo": (entry(bearer=("access", "delegated", "decide")),),
    "POST /access/v1/evaluation": (_QUESTION,),
    "GET /end-session": (_END_SESSION,),
    "POST /end-session": (_END_SESSION,),
    "GET /audit/checkpoint": (entry(),),
    "GET /audit/inclusion": (entry(own=_numbered, leaf="leaf", size="size"),),
    "GET /audit/consistency": (entry(own=_numbered, old="size", size="size"),),
    # Logging in, and going on.
    "GET /login": (entry(i="interaction"),),
    "POST /login/card": (entry(i="interaction"),),
    "POST /card/answer": (entry(own=_signed, state="state", container="container"),),
    "GET /card/done": (entry(i="brought", answer="answer"),),
    "GET /login/passkey": (entry(i="interaction"),),
    "POST /login/passkey": (
        entry(own=_passkey, i="interaction", challenge="to authenticate", credential="credential"),
    ),
    "GET /login/email": (entry(i="interaction"),),
    "POST /login/email": (Entry({"i": "interaction"}, fixed={"address": "hanako@example.jp"}),),
    "GET /login/email/code": (entry(i="interaction"),),
    "POST /login/email/code": (entry(own=_mailed, i="interaction"),),
    "GET /authorize/resume": (entry("yuki", i="interaction"),),
    "POST /authorize/act": (entry("yuki", i="interaction", acting="active"),),
    "GET /authorize/unread": (
        Entry({"i": "interaction"}, who="yuki", alike=frozenset({"login"})),  # who asked may say no
    ),
    "POST /authorize/read": (entry("yuki", i="interaction"),),
    "GET /end-session/confirm": (entry("hanako", i="logout"),),
    "POST /end-session/confirm": (entry("hanako", i="logout", alike="login"),),
    # The account.
    "GET /account": (entry("hanako"),),
    "GET /account/raise": (entry(),),
    "GET /account/passkeys/new": (entry("hanako"),),
    "POST /account/passkeys/new": (entry("hanako", own=_new_passkey, challenge="to register"),),
    "POST /account/passkeys/remove": (entry("hanako", id="passkey"),),
    "GET /account/card": (entry("hanako"),),
    "POST /account/card": (entry("hanako"),),
    "POST /account/card/withdraw": (entry("hanako"),),
    "POST /logout": (entry("hanako", alike="login"),),
    # Grants.
    "GET /grants": (entry("hanako"),),
    "GET /grants/new": (entry("hanako", kept="kept"),),
    "POST /grants/new": (entry("hanako", own=_proposed),),
    "GET /grants/{id_}": (entry("hanako", id_="active"),),
    "GET /grants/{id_}/receipt": (entry("hanako", id_="active"),),
    "GET /grants/{id_}/mandate": (entry("hanako", id_="active"),),
    "POST /grants/{id_}/digits": (entry("hanako", id_="accepted"),),
    "GET /grants/{id_}/sign": (entry("hanako", id_="compared"),),
    "POST /grants/{id_}/sign": (entry("hanako", id_="compared"),),
    "GET /grants/{id_}/end": (entry("hanako", id_="active"),),
    "POST /grants/{id_}/end": (entry("hanako", id_="proposed", spends="proposed"),),
    "POST /grants/{id_}/pause": (entry("hanako", id_="active"),),
    "POST /grants/{id_}/resume": (entry("hanako", id_="active"),),
    "POST /grants/pause-all": (entry("hanako"),),
    "GET /invitations/{handle}": (entry("yuki", handle="invitation"),),
    "GET /invitations/{handle}/confirm": (entry("yuki", handle="invitation", alike="handle login"),),
    "POST /invitations/{handle}/accept": (
        entry("yuki", own=_read, handle="invitation", proposal="proposal", spends="proposed"),
    ),
    "POST /invitations/{handle}/decline": (entry("yuki", handle="invitation", spends="proposed"),),
    "POST /invitations/{handle}/mail": (entry("yuki", handle="invitation"),),
    "POST /invitations/{handle}/code": (
        entry("yuki", own=_read_back, handle="invitation", challenge="read back", alike="handle"),
    ),
    "GET /records": (entry("hanako", before="leaf", alike="before"),),
    **COUNTER,
    **OFFICES,
    **STAFF,
}


def own_request(side: Side, of: Entry) -> tuple[Fields, dict[str, str]]:
    """What stands in each place of a request that is one's own throughout, and the browser's cookies."""
    resident = side.logged_in(of.who) if of.who else side.anonymous()
    made = Own({}) if of.own is None else of.own(side, resident)
    fields, cookies = {**of.fixed, **made.fields}, side.cookies(resident.http) | made.cookies
    for place, kinds in of.places.items():
        if place not in {*made.fields, *COMES_ALONG}:
            value = one_of(side, kinds if isinstance(kinds, str) else kinds[0])
            fields[place] = value.text
            cookies |= value.cookies
    return fields, cookies
