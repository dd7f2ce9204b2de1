"""A ward's application over both databases, a registered ward system, and a resident's browser."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from assurance import people
from assurance.batch import Batch
from assurance.database import Database
from assurance.evidence import Authentication, CardAuthentication
from assurance.mail import Mail
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.sealed import Vault
from assurance.wards import Ward
from card.jose import SoftwareSigner, b64url_encode, sign_compact
from card.test_authority import TestAuthority
from idp import sessions
from idp.app import create_app
from idp.clients import Client
from idp.cookies import Cookie
from idp.keys import KeyPurpose, load_keys
from idp.registration import register_client
from idp.services import Services
from idp.token.lookups import Lookups
from idp.token.presented import AccessTokens
from tests.conftest import NOW, FixedClock
from tests.registered import registered
from tests.shipped import PAGES, PROCEDURES, RULES, THRESHOLDS

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLBACK = "https://portal.example/callback"
AFTER_LOGOUT = "https://portal.example/bye"


class KeptMail:
    """Keeps what would be sent; SMTP itself is tested in the sandbox."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.sent.append(mail)

    def code(self) -> str:
        found = re.search(r"\b(\d{6})\b", self.sent[-1].body)
        assert found is not None
        return found[1]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture
def mail() -> KeptMail:
    return KeptMail()


@pytest.fixture
def services(
    database: Database, vault: Vault, ward: Ward, clock: FixedClock, authority: TestAuthority, mail: KeptMail
) -> Services:
    keys, batch = load_keys(database, vault, ward.code, NOW), Batch(database)
    return Services(
        ward=ward,
        bridge_url="http://127.0.0.1:8403",
        database=database,
        batch=batch,
        vault=vault,
        clock=clock,
        pages=PAGES,
        keys=keys,
        trust=authority.trust(),
        procedures=PROCEDURES,
        thresholds=THRESHOLDS,
        mailer=mail,
        rules=RULES,
        lookups=Lookups(ward.code, batch, clock, vault),
        tokens=AccessTokens(ward.issuer, keys.key_set(KeyPurpose.TOKEN), clock),
    )


@dataclass(frozen=True)
class WardSystem:
    """The client's side: its key, its requests."""

    client: Client
    signer: SoftwareSigner
    services: Services
    http: TestClient

    def assertion(self, **changes: Any) -> str:
        now = int(self.services.clock.now().timestamp())
        claims = {
            "iss": self.client.client_id,
            "sub": self.client.client_id,
            "aud": self.services.ward.issuer,
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 60,
        }
        return sign_compact(claims | changes, self.signer, typ="JWT")

    def post(self, path: str, form: Mapping[str, str]) -> Any:
        proof = {"client_assertion_type": ASSERTION, "client_assertion": self.assertion()}
        return self.http.post(path, data=proof | dict(form))


@pytest.fixture
def app(services: Services) -> Any:
    return create_app([services])


@pytest.fixture
def browser(app: Any, services: Services) -> Iterator[TestClient]:
    with TestClient(app, base_url=services.ward.origin, follow_redirects=False) as client:
        yield client


@pytest.fixture
def new_system(app: Any, services: Services) -> Callable[..., WardSystem]:
    def make(client_id: str, *, delegation_aware: bool = True, reads_cards: bool = False) -> WardSystem:
        signer = SoftwareSigner.generate()
        client = Client(
            client_id=client_id,
            name={"ja": "介護保険 申請ポータル", "en": "Care insurance portal"},
            redirect_uris=(CALLBACK,),
            post_logout_redirect_uris=(AFTER_LOGOUT,),
            auth_method="private_key_jwt",
            sector=client_id,
            audience=f"https://{client_id}.example",
            scopes=frozenset({"openid", "profile", "email", "kaigo", "decide"}),
            procedures=frozenset({"kaigo.nintei.renew", "kaigo.plan.notify", "kaigo.card.reissue"}),
            delegation_aware=delegation_aware,
            reads_cards=reads_cards,
            jwks={"keys": [signer.public_jwk()]},
        )
        with services.database.writing(services.ward.code) as unit:
            register_client(unit, client, services.procedures, services.clock.now())
        http = TestClient(app, base_url=services.ward.origin, follow_redirects=False)
        return WardSystem(client, signer, services, http)

    return make


@pytest.fixture
def portal(new_system: Callable[..., WardSystem]) -> WardSystem:
    return new_system("portal")


LogIn = Callable[..., PersonId]


@pytest.fixture
def log_in(services: Services, browser: TestClient) -> LogIn:
    """Make a proven person and log the browser in as them."""

    def run(evidence: Authentication | None = None, name: str = "田中\u3000花子") -> PersonId:
        profile = Profile(name, date(1948, 5, 3), "2", "東京都渋谷区１－１")
        now = services.clock.now()
        with services.database.writing(services.ward.code) as unit:
            person = people.create_person(unit, services.vault, now)
            proof = NewProof("counter_card", profile)
            people.record_proof(unit, services.vault, services.thresholds, person, proof, now)
            request = Request({"type": "http", "headers": []})
            shown = evidence or CardAuthentication(now, revocation_checked=True)
            held = registered(unit, services.vault, person, shown)
            _, cookie = sessions.begin(unit, services, request, person, held)
        keep(browser, cookie, services)
        return person

    return run


def keep(browser: TestClient, cookie: Cookie, services: Services) -> None:
    browser.cookies.set(cookie.name, cookie.value, domain=services.ward.rp_id)


VERIFIER = "v" * 50


def challenge(verifier: str = VERIFIER) -> str:
    return b64url_encode(hashlib.sha256(verifier.encode("ascii")).digest())


def authorize(browser: TestClient, portal: WardSystem, **changes: str | None) -> Any:
    """Ask for a code, and go on until something other than our own pages is reached."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": portal.client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "s1",
        "nonce": "n1",
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }
    asked = {name: value for name, value in (parameters | changes).items() if value is not None}
    answer = browser.get("/authorize", params=asked)
    while answer.status_code == 303 and answer.headers["location"].startswith("/authorize"):
        answer = browser.get(answer.headers["location"])
    return answer


def returned(answer: Any) -> dict[str, str]:
    """What a redirect to the client carries."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def redeem(portal: WardSystem, code: str, **changes: str) -> Any:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return portal.post("/token", form | changes)


def later(services: Services, by: timedelta) -> Services:
    """The same application, as of later."""
    return replace(services, clock=FixedClock(services.clock.now() + by))
