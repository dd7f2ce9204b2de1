"""GビズID: shown once by who runs an office, read by the ward's staff, and nobody's way in.

What answers here speaks GビズID's OpenID Connect as its guideline has it, over a real socket: an issuer with
a slash at its end, `client_secret_basic`, RS256, numbers for kinds of account.
"""

import base64
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance import business
from assurance.business import Account, Business
from assurance.database import connection_of
from assurance.events import EventName
from card.jose import SoftwareSigner, sign_compact
from idp.services import Services
from idp.upstream.configured import read_upstreams
from idp.upstream.identity import NotBelieved, read_business
from idp.upstream.provider import ClientSecretBasic, Registration, UpstreamProvider
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town, at_a_browser
from tests.upstream.conftest import PATIENCE_S, brought_back, leaves, query_of, served

SECRET = "s:cret/+ %"
SAKURA = {
    "account_type": 2,
    "corp_type": 1,
    "corporate_number": "5000012010008",
    "name": "株式会社さくら",
    "prefecture_name": "13",
}


@dataclass
class Gbizid:
    """The service.

    :param said: userinfo without `sub`.
    """

    clock: FixedClock
    issuer: str = ""
    said: dict[str, Any] = field(default_factory=lambda: dict(SAKURA))
    sub: str = "1001"
    signer: SoftwareSigner = field(default_factory=lambda: SoftwareSigner.generate("RS256"))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def metadata(self, _request: Request) -> Response:
        at = self.issuer
        return JSONResponse(
            {
                "issuer": at,
                "authorization_endpoint": f"{at}authorize",
                "token_endpoint": f"{at}token",
                "userinfo_endpoint": f"{at}userinfo",
                "jwks_uri": f"{at}.well-known/jwks.json",
            }
        )

    def jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.signer.public_jwk()]})

    def logged_in(self, address: str) -> str:
        """What its login page ends with: the address that the browser goes to."""
        asked, code = query_of(address), secrets.token_urlsafe(16)
        assert asked["scope"] == "openid profile"
        assert "acr_values" not in asked
        self.asked[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if basic != "gbiz-client:s%3Acret%2F%2B+%25" or "client_id" in form:
            return JSONResponse({"error": "unauthorized"}, 401)
        asked = self.asked.pop(form["code"], None)
        if asked is None or create_s256_code_challenge(form["code_verifier"]) != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": self.issuer, "aud": "gbiz-client", "sub": self.sub, "iat": now, "exp": now + 3600,
            "auth_time": now, "nonce": asked["nonce"], "jti": "j",
        }  # fmt: skip
        return JSONResponse(
            {
                "access_token": "token",
                "token_type": "Bearer",
                "id_token": sign_compact(claims, self.signer, typ="JWT"),
            }
        )

    def userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer token"
        return JSONResponse({"sub": self.sub, **self.said})


@pytest.fixture
def gbizid(clock: FixedClock) -> Iterator[Gbizid]:
    made = Gbizid(clock)

    def make(origin: str) -> Starlette:
        made.issuer = f"{origin}/oauth/"
        return Starlette(
            routes=[
                Route("/oauth/.well-known/openid-configuration", made.metadata),
                Route("/oauth/.well-known/jwks.json", made.jwks),
                Route("/oauth/token", made.token, methods=["POST"]),
                Route("/oauth/userinfo", made.userinfo),
            ]
        )

    with served(make):
        yield made


@pytest.fixture
def services(without_upstreams: Services, gbizid: Gbizid, clock: FixedClock) -> Iterator[Services]:
    proof = ClientSecretBasic(SECRET)
    agreed = Registration(gbizid.issuer, "gbiz-client", proof, "RS256", "", frozenset())
    upstream = UpstreamProvider("gbizid", agreed, clock, PATIENCE_S)
    yield replace(without_upstreams, gbizid=upstream)
    upstream.close()


def show(who: Resident, gbizid: Gbizid) -> Any:
    out = who.post("/account/gbizid")
    assert out.status_code == 303, out.text
    return who.get(brought_back(who, gbizid.logged_in(out.headers["location"])))


def shown_by(town: Town, who: Resident) -> Business | None:
    with town.services.database.reading(town.services.ward.code) as session:
        found = business.of_all(
            connection_of(session), town.services.vault, town.services.ward.code, [who.person]
        )
    return found[who.person].business if who.person in found else None


def test_who_runs_an_office_shows_it_and_staff_of_the_ward_read_it(
    town: Town, gbizid: Gbizid, staff: tuple[Any, ...]
) -> None:
    town.hanako.log_in()
    assert show(town.hanako, gbizid).headers["location"] == "/account/gbizid"
    page = town.hanako.get("/account/gbizid").text
    assert "株式会社さくら" in page
    assert shown_by(town, town.hanako) == Business(Account.PRIME, "5000012010008", "株式会社さくら")
    assert leaves(town.services, EventName.BUSINESS_SHOWN) == [{}]
    official = at_a_browser(town.services, town.hanako.http.app, staff[0], town.hanako.card, "")
    form = {
        "number": "1370100016", "name": "さくら介護", "until": "", "administrator": "田中花子",
        "address": "hanako@example.jp",
    }  # fmt: skip
    made = official.post("/staff/offices", **form)
    assert made.status_code == 303, made.text
    town.hanako.log_in(read_back=True)
    link = re.search(r"(/memberships/[\w-]+)", town.mail.sent[-1].body)
    assert link is not None
    assert town.hanako.post(link[1]).status_code == 303
    seen = official.get(made.headers["location"]).text
    assert "GビズID（プライム＝代表者）：株式会社さくら、番号 5000012010008" in seen
    assert "これだけでは何も認められません" in seen


def test_it_is_no_way_in(town: Town, gbizid: Gbizid) -> None:
    show(town.hanako, gbizid)
    town.hanako.http.cookies.clear()
    login = town.hanako.get("/account").headers["location"]
    assert "gbizid" not in town.hanako.get(login).text
    assert town.hanako.post("/login/gbizid", i=login.rpartition("=")[2]).status_code == 404
    assert "location" in town.hanako.get("/account/gbizid").headers


def test_an_account_speaks_for_one_person(town: Town, gbizid: Gbizid) -> None:
    show(town.hanako, gbizid)
    town.yuki.log_in()
    told = show(town.yuki, gbizid)
    assert (told.status_code, "ほかの方がすでに示しています" in told.text) == (400, True)
    assert shown_by(town, town.yuki) is None
    assert town.hanako.post("/account/gbizid/remove").status_code == 303
    assert shown_by(town, town.hanako) is None
    assert show(town.yuki, gbizid).status_code == 303


def test_what_is_shown_later_takes_the_place_of_what_was(town: Town, gbizid: Gbizid) -> None:
    show(town.hanako, gbizid)
    gbizid.sub, gbizid.said = "1002", SAKURA | {"account_type": 3, "name": "合同会社うめ"}
    show(town.hanako, gbizid)
    assert shown_by(town, town.hanako) == Business(Account.MEMBER, "5000012010008", "合同会社うめ")
    gbizid.sub = "1001"
    town.yuki.log_in()
    assert show(town.yuki, gbizid).status_code == 303, "the first account is free again"


def test_an_account_whose_business_nobody_checked_is_not_enough(town: Town, gbizid: Gbizid) -> None:
    gbizid.said = SAKURA | {"account_type": 1}
    told = show(town.hanako, gbizid)
    assert (told.status_code, "確かさに足りませんでした" in told.text) == (400, True)
    assert shown_by(town, town.hanako) is None


def test_a_login_that_is_too_old_shows_and_removes_nothing(
    town: Town, gbizid: Gbizid, clock: FixedClock
) -> None:
    out = town.hanako.post("/account/gbizid").headers["location"]
    done = brought_back(town.hanako, gbizid.logged_in(out))
    clock.advance(timedelta(seconds=119))
    town.hanako.log_in()
    clock.advance(timedelta(minutes=21))
    assert town.hanako.get(done).status_code == 400
    for asked in (
        town.hanako.get("/account/gbizid"),
        town.hanako.post("/account/gbizid"),
        town.hanako.post("/account/gbizid/remove"),
    ):
        assert asked.headers["location"].startswith("/login?i=")
    assert shown_by(town, town.hanako) is None


# What it says.


@pytest.mark.parametrize("account", [2, "2", 3, "3"])
def test_a_business_is_read_as_the_guideline_writes_it(account: Any) -> None:
    assert read_business(SAKURA | {"account_type": account, "unknown": [1]}).number == "5000012010008"
    alone = {"corp_type": 2, "corporate_number": "S00012345"}
    assert read_business(SAKURA | {"account_type": account} | alone).number == "S00012345"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("account_type", 1),
        ("account_type", None),
        ("account_type", True),
        ("corp_type", 3),
        ("corporate_number", "5000012010009"),
        ("corporate_number", "500001201000"),
        ("corporate_number", ""),
        ("corporate_number", "５０００012010008"),
        ("name", ""),
        ("name", "さくら\n"),
        ("name", "長" * 201),
    ],
)
def test_a_business_that_is_written_otherwise_is_none(claim: str, value: Any) -> None:
    said: Mapping[str, object] = SAKURA | {claim: value}
    with pytest.raises(NotBelieved) as caught:
        read_business(said)
    assert caught.value.why == claim


def test_it_is_configured_with_the_slash_that_its_issuer_ends_with(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("secret\n")
    text = (
        '[131130.gbizid]\nissuer = "https://gbiz-id.go.jp/oauth/"\nclient_id = "c"\n'
        f'secret_file = "{tmp_path}/secret"\n'
    )
    (entry,) = read_upstreams(text).values()
    assert entry.gbizid is not None
    made = entry.gbizid.provider()
    assert (made.registration.issuer, made.registration.authentication) == (
        "https://gbiz-id.go.jp/oauth/",
        ClientSecretBasic("secret"),
    )
    made.close()
    with pytest.raises(ValueError, match="without https"):
        read_upstreams(text.replace("https", "http"))
