"""The bridge: whom it answers, what it refuses, and what a person at it sees."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
from starlette.testclient import TestClient

from card.bridge.app import Bridge, create_bridge
from card.certificates import Purpose
from card.container import SigningPurpose, ToBeSigned, prepare, verify_signed_by_card
from card.jose import Flattened, KeySet, SoftwareSigner
from card.request import CardRequest, EnrolledIssuer, RequestItem, sign_request
from card.test_authority import TestAuthority
from card.virtual.deck import InProcessReader, LocalDeck
from tests.card.conftest import HANAKO
from tests.conftest import NOW, FixedClock

ADDRESS = "http://127.0.0.1:8403"
ISSUER = "https://shibuya.id.example"
ANSWER = f"{ISSUER}/card/answer"
KEY = SoftwareSigner.generate()
OURS = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "document"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture
def deck(authority: TestAuthority) -> LocalDeck:
    card = authority.issue_card(HANAKO, NOW)
    deck = LocalDeck({card.label: card})
    deck.insert(card.label)
    return deck


@pytest.fixture
def browser(deck: LocalDeck, clock: FixedClock) -> Iterator[TestClient]:
    enrolled = {ISSUER: EnrolledIssuer(ISSUER, ANSWER, KeySet([KEY.verification_key()]))}
    bridge = Bridge(enrolled, InProcessReader(deck), clock, ADDRESS, deck=deck, own_user_only=False)
    with TestClient(create_bridge(bridge), base_url=ADDRESS) as client:
        yield client


def login_bytes() -> ToBeSigned:
    return prepare(SigningPurpose.LOGIN, issuer=ISSUER, audience=ANSWER, nonce=b"n" * 16, issued_at=NOW)


def asked(to_be_signed: ToBeSigned, request_id: str = "one") -> str:
    request = CardRequest(
        issuer=ISSUER,
        issuer_name={"ja": "渋谷区", "en": "Shibuya City"},
        response_uri=ANSWER,
        cancel_uri=ISSUER,
        purpose=SigningPurpose.LOGIN,
        state="state",
        items=(RequestItem(Purpose.AUTHENTICATION, to_be_signed),),
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        request_id=request_id,
    )
    return sign_request(request, KEY)


def open_page(browser: TestClient, jws: str) -> str:
    page = browser.get("/request", params={"request": jws}, headers={"sec-fetch-site": "cross-site"})
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert page.status_code == 200, page.text
    assert found is not None
    return found[1]


def test_a_person_types_her_pin_and_the_container_goes_back(
    browser: TestClient, authority: TestAuthority
) -> None:
    to_be_signed = login_bytes()
    token = open_page(browser, asked(to_be_signed))
    done = browser.post("/sign", data={"token": token, "pin": "１２３４"}, headers=OURS)
    assert f'action="{ANSWER}"' in done.text
    container = re.search(r'name="container" value="([^"]+)"', done.text)
    assert container is not None
    evidence = verify_signed_by_card(
        Flattened.parse(unescape(container[1])),
        expecting=SigningPurpose.LOGIN,
        prepared=to_be_signed,
        trust=authority.trust(),
        now=NOW,
    )
    assert evidence.certificate.purpose is Purpose.AUTHENTICATION


def test_a_wrong_pin_keeps_the_page_and_says_how_many_tries_are_left(browser: TestClient) -> None:
    token = open_page(browser, asked(login_bytes()))
    page = browser.post(
        "/sign", data={"token": token, "pin": "0000"}, headers=OURS | {"accept-language": "en"}
    )
    assert page.status_code == 400
    assert "You have 2 tries left" in page.text
    assert "0000" not in page.text
    assert browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS).status_code == 200


def test_the_last_try_needs_a_tick(browser: TestClient) -> None:
    token = open_page(browser, asked(login_bytes()))
    for _ in range(2):
        browser.post("/sign", data={"token": token, "pin": "0000"}, headers=OURS)
    page = browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS)
    assert 'name="confirm"' in page.text
    done = browser.post("/sign", data={"token": token, "pin": "1234", "confirm": "yes"}, headers=OURS)
    assert "data-onward" in done.text


def test_a_request_is_answered_once(browser: TestClient) -> None:
    jws = asked(login_bytes())
    token = open_page(browser, jws)
    assert browser.get("/request", params={"request": jws}).status_code == 400
    browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS)
    assert browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS).status_code == 400


def test_a_request_ends(browser: TestClient, clock: FixedClock) -> None:
    token = open_page(browser, asked(login_bytes()))
    clock.advance(timedelta(minutes=5))
    assert browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-site", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "same-origin", "sec-fetch-dest": "iframe"},
        {"origin": "http://localhost:8400"},
        {"origin": "null"},
        {},
        OURS | {"host": "evil.example:8403"},
    ],
)
def test_no_other_page_can_burn_a_persons_tries(
    browser: TestClient, deck: LocalDeck, headers: dict[str, str]
) -> None:
    token = open_page(browser, asked(login_bytes()))
    assert browser.post("/sign", data={"token": token, "pin": "0000"}, headers=headers).status_code == 403
    card = deck.card()
    assert card is not None
    assert card.contents.pin.tries_left == 3


def test_a_frame_or_a_foreign_host_gets_nothing(browser: TestClient) -> None:
    jws = asked(login_bytes())
    for headers in ({"sec-fetch-dest": "iframe"}, {"host": "localhost:8403"}):
        assert browser.get("/request", params={"request": jws}, headers=headers).status_code == 403


def test_programs_of_other_users_are_refused(deck: LocalDeck, clock: FixedClock) -> None:
    bridge = Bridge({}, InProcessReader(deck), clock, ADDRESS)
    with TestClient(create_bridge(bridge), base_url=ADDRESS, client=("127.0.0.1", 1)) as stranger:
        assert stranger.get("/").status_code == 403


def test_pages_cannot_be_framed_and_run_no_inline_script(browser: TestClient) -> None:
    page = browser.get("/")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "<script>" not in page.text


def test_an_empty_reader_is_told_in_a_sentence(browser: TestClient, deck: LocalDeck) -> None:
    token = open_page(browser, asked(login_bytes()))
    deck.remove()
    page = browser.post("/sign", data={"token": token, "pin": "1234"}, headers=OURS)
    assert "カードが置かれていません" in page.text
