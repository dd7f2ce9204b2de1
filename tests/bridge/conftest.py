"""A bridge with a virtual card on its reader, a provider that signs requests, and a person at the browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from card.bridge.app import Bridge, create_bridge
from card.bridge.enrolment import Enrolment, Pin
from card.container import SigningPurpose, ToBeSigned, prepare
from card.jose import SoftwareSigner
from card.request import CardRequest, sign_request
from card.transport import Reader
from card.virtual.card import VirtualCard
from card.virtual.deck import Deck, InProcessReader, LocalDeck
from tests.card.conftest import authority, card, printed_card
from tests.conftest import NOW, FixedClock

__all__ = ["authority", "card", "printed_card"]

ADDRESS = "http://127.0.0.1:8403"
ISSUER = "https://shibuya.id.example"
ANSWER = f"{ISSUER}/card/answer"
BACK = f"{ISSUER}/login?i=1"
KEY = SoftwareSigner.generate()
OURS = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "document"}
PIN = Pin(ISSUER, ANSWER, KEY.public_jwk())


def login_bytes() -> ToBeSigned:
    return prepare(SigningPurpose.LOGIN, issuer=ISSUER, audience=ANSWER, nonce=b"n" * 16, issued_at=NOW)


def mandate_bytes(text: str = "委任状の文") -> ToBeSigned:
    return prepare(
        SigningPurpose.MANDATE,
        issuer=ISSUER,
        audience=ANSWER,
        nonce=b"n" * 16,
        issued_at=NOW,
        text=text,
        template="t",
        content={"a": 1},
    )


def asked(to_be_signed: ToBeSigned | None = None, request_id: str = "one", **changes: Any) -> str:
    whole: dict[str, Any] = {
        "issuer": ISSUER,
        "issuer_name": {"ja": "渋谷区", "en": "Shibuya City"},
        "response_uri": ANSWER,
        "cancel_uri": BACK,
        "purpose": SigningPurpose.LOGIN,
        "state": "state",
        "to_be_signed": to_be_signed or login_bytes(),
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=5),
        "request_id": request_id,
    }
    return sign_request(CardRequest(**(whole | changes)), KEY)


def asked_for_mandate(to_be_signed: ToBeSigned | None = None) -> str:
    return asked(to_be_signed or mandate_bytes(), purpose=SigningPurpose.MANDATE, text={"ja": "別の文"})


@dataclass(frozen=True)
class PinPage:
    """What a PIN page holds that its form posts."""

    session: str
    attempt: str
    text: str

    @classmethod
    def read(cls, text: str) -> "PinPage":
        values = dict(re.findall(r'<input type="hidden" name="(session|attempt)" value="([^"]+)"', text))
        return cls(values["session"], values["attempt"], text)


class Person:
    """Someone at this computer's browser."""

    def __init__(self, http: TestClient) -> None:
        self.http = http

    def arrive(self, jws: str) -> PinPage:
        page = self.http.get("/request", params={"request": jws}, headers={"sec-fetch-site": "cross-site"})
        assert page.status_code == 200, page.text
        return PinPage.read(page.text)

    def type(
        self,
        page: PinPage,
        pin: str,
        password: str | None = None,
        *,
        tick: bool = False,
        headers: dict[str, str] = OURS,
    ) -> Any:
        form = {"session": page.session, "attempt": page.attempt, "pin": pin}
        form |= {} if password is None else {"password": password}
        return self.http.post("/sign", data=form | ({"confirm": "yes"} if tick else {}), headers=headers)


@pytest.fixture
def deck(card: VirtualCard) -> LocalDeck:
    deck = LocalDeck({card.label: card})
    deck.insert(card.label)
    return deck


Start = Callable[..., Person]


@pytest.fixture
def start(deck: LocalDeck, clock: FixedClock) -> Iterator[Start]:
    """Start a bridge with another reader or deck."""
    started: list[TestClient] = []

    def make(
        reader: Reader | None = None, shown: Deck | None = None, enrolment: Enrolment | None = None
    ) -> Person:
        bridge = Bridge(
            enrolment or Enrolment([PIN]),
            reader or InProcessReader(deck),
            clock,
            ADDRESS,
            deck=shown or deck,
            own_user_only=False,
        )
        client = TestClient(create_bridge(bridge), base_url=ADDRESS)
        started.append(client)
        return Person(client.__enter__())

    yield make
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def person(start: Start) -> Person:
    return start()
