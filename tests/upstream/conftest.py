"""Two residents of a ward that offers the national app, and its stand-in, which lies when it is told to."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import uvicorn
from sqlmodel import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assurance.events import EventName
from assurance.levels import AAL, IAL, Level
from assurance.wards import Ward
from card.jose import SoftwareSigner
from delegation.audit.leaf import Leaf
from delegation.audit.tables import LeafRow
from deploy.sandbox.national.app import create_app as create_national
from deploy.sandbox.national.provider import Client, Grant, NationalApp, Phone
from idp import sessions
from idp.services import Services
from idp.upstream.provider import PrivateKeyJwt, Registration, UpstreamProvider
from tests.assurance.conftest import authority, cards, linked, staff, thresholds
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town, town
from tests.idp.conftest import app, mail, new_system, portal
from tests.idp.conftest import services as without_upstreams
from tests.idp.steps import begun
from tests.shipped import THRESHOLDS

__all__ = [
    "app", "authority", "cards", "linked", "mail", "new_system", "portal", "staff", "thresholds", "town",
    "without_upstreams",
]  # fmt: skip

PHONES = {
    "hanako": Phone("田中\u3000花子", "19780503", "2", "東京都渋谷区１－１"),
    "yuki": Phone("田中\u3000由紀", "19880503", "2", "東京都渋谷区１－１"),
    "namesake": Phone("田中\u3000花子", "19780504", "2", "東京都渋谷区１－１"),
    "brother": Phone("田中\u3000花子", "19780503", "1", "東京都渋谷区１－１"),
}
PATIENCE_S = 30.0
"""So long that a busy machine is no slow upstream."""
SHORT_S, SLOW_S = 2.0, 6.0
"""Where one is slow."""


class National(NationalApp):
    """The stand-in, with what it says instead.

    :param claims: changes the ID token's.
    :param signing: makes the ID token.
    :param told: changes userinfo.
    :param about: changes the metadata.
    """

    claims: Callable[[dict[str, object]], dict[str, object]] = staticmethod(dict)
    signing: Callable[[Mapping[str, object]], str] | None = None
    told: Callable[[dict[str, object]], dict[str, object]] = staticmethod(dict)
    about: Callable[[dict[str, object]], dict[str, object]] = staticmethod(dict)

    def id_claims(self, grant: Grant, access_token: str) -> dict[str, object]:
        return self.claims(super().id_claims(grant, access_token))

    def sign(self, claims: Mapping[str, object]) -> str:
        return super().sign(claims) if self.signing is None else self.signing(claims)

    def userinfo(self, access_token: str) -> Mapping[str, object]:
        return self.told(dict(super().userinfo(access_token)))

    def metadata(self) -> dict[str, object]:
        return self.about(super().metadata())


class Line:
    """The way to it, on which things happen.

    :param says: what answers instead, by the last part of the path.
    """

    def __init__(self, service: ASGIApp) -> None:
        self.service, self.says, self.asked = service, dict[str, ASGIApp](), list[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].rpartition("/")[2]
        self.asked.append(name)
        await self.says.get(name, self.service)(scope, receive, send)


def says(status: int, body: str = "", **headers: str) -> ASGIApp:
    return Response(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def served(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """An application on a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        origin = f"http://127.0.0.1:{held.getsockname()[1]}"
        config = uvicorn.Config(
            make(origin), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]})
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield origin
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def ward_key() -> SoftwareSigner:
    return SoftwareSigner.generate()


@pytest.fixture
def national(clock: FixedClock, ward: Ward, ward_key: SoftwareSigner) -> National:
    clients = {
        "RP1": Client("RP1", f"{ward.issuer}/app/back", ward_key.public_jwk()),
        "RP2": Client("RP2", "https://setagaya.id.example/app/back", ward_key.public_jwk()),
    }
    return National("", SoftwareSigner.generate(), clients, PHONES, b"s" * 32, clock)


@pytest.fixture
def line(national: National) -> Iterator[Line]:
    made = Line(create_national(national, slow_s=SLOW_S))

    def make(origin: str) -> ASGIApp:
        national.issuer = origin + national.issuer
        return made

    with served(make):
        yield made


def client_of(
    issuer: str,
    signer: SoftwareSigner,
    clock: FixedClock,
    patience_s: float = PATIENCE_S,
    **changes: Any,
) -> UpstreamProvider:
    registration = Registration(
        issuer, "RP1", PrivateKeyJwt(signer), "ES256", "aal3 crl", frozenset({"aal3", "crl"})
    )
    return UpstreamProvider("app", replace(registration, **changes), clock, patience_s)


@pytest.fixture
def patience_s() -> float:
    return PATIENCE_S


@pytest.fixture
def upstream(
    line: Line, national: National, ward_key: SoftwareSigner, clock: FixedClock, patience_s: float
) -> Iterator[UpstreamProvider]:
    made = client_of(national.issuer, ward_key, clock, patience_s)
    yield made
    made.close()


@pytest.fixture
def services(without_upstreams: Services, upstream: UpstreamProvider) -> Services:
    return replace(without_upstreams, app=upstream)


# What a person does.


def at_login(who: Resident) -> str:
    """The interaction of someone whom the account page asks who they are."""
    who.http.cookies.clear()
    return begun(who.get("/account"))


def sent_out(who: Resident, i: str) -> str:
    """The address at the national app."""
    answer = who.post("/login/app", i=i)
    assert answer.status_code == 303, answer.text
    address: str = answer.headers["location"]
    return address


def on_the_phone(address: str, phone: str, answer: str = "yes") -> str:
    """Choose on the stand-in's page, in whichever browser; the address that it sends that browser to."""
    with httpx2.Client() as browser:
        page = browser.get(address)
        found = re.search(r'name="id" value="([^"]+)"', page.text)
        assert found is not None, page.text
        gone = browser.post(address, data={"id": found[1], "answer": f"{answer}.{phone}"})
    assert gone.status_code == 302, gone.text
    return gone.headers["location"]


def path_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def brought_back(who: Resident, callback: str) -> str:
    """The page after the callback, which is not opened yet."""
    answer = who.get(path_of(callback))
    assert answer.status_code == 303, answer.text
    address: str = answer.headers["location"]
    return address


def log_in(who: Resident, phone: str, answer: str = "yes", i: str | None = None) -> Any:
    """All of it; where the last page leads."""
    i = at_login(who) if i is None else i
    return who.get(brought_back(who, on_the_phone(sent_out(who, i), phone, answer)))


def link(who: Resident, phone: str, answer: str = "yes") -> Any:
    """Add the app to the account of whoever is logged in."""
    assert who.get("/account/app").status_code == 200
    out = who.post("/account/app")
    assert out.status_code == 303, out.text
    return who.get(brought_back(who, on_the_phone(out.headers["location"], phone, answer)))


def linked_and_counting(town: Town, clock: FixedClock) -> None:
    """Hanako added her app more than three days ago."""
    assert link(town.hanako, "hanako").headers["location"] == "/account"
    clock.advance(THRESHOLDS.linked_at_home_waits)


# What is known of it.


def leaves(services: Services, name: EventName) -> Sequence[dict[str, Any]]:
    """The clear fields of a kind of event."""
    with services.database.reading(services.ward.code) as session:
        found = [Leaf.parse(row.content) for row in session.exec(select(LeafRow)).all()]
    return [dict(leaf.clear) for leaf in found if leaf.event == name]


def level_of(who: Resident) -> Level | None:
    """What this browser's login reaches."""
    sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in who.http.cookies.jar)
    request = Request({"type": "http", "headers": [(b"cookie", sent.encode())]})
    with who.services.database.reading(who.services.ward.code) as session:
        login = sessions.current(session, who.services, request)
    return None if login is None else login.assurance.level


IN_FULL = Level(IAL.SUBSTANTIAL, AAL.HARDWARE)
WAITING = Level(IAL.SUBSTANTIAL, AAL.MULTI)
