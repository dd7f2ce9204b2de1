"""The bridge's gate: whom it answers at all, on every path."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from card.bridge.app import Bridge, create_bridge
from card.bridge.enrolment import Enrolment
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from tests.bridge.conftest import ADDRESS, ISSUER, OURS, Person, asked
from tests.conftest import FixedClock

PATHS = ("/", "/request", "/ask", "/static/dairi.css", "/static/nothing.js", "/favicon.ico", "/sign", "/none")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-site", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "same-origin", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"},
        {"origin": "http://localhost:8400"},
        {"origin": "null"},
        {},
        OURS | {"host": "evil.example:8403"},
    ],
)
def test_no_other_page_can_burn_a_persons_tries(
    person: Person, card: VirtualCard, headers: dict[str, str]
) -> None:
    page = person.arrive(asked())
    assert person.type(page, "0000", headers=headers).status_code == 403
    assert card.contents.pin.tries_left == 3


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8403"},
        {"host": "evil.example:8403"},
        {"host": "127.0.0.1"},
        {"host": "["},
        {"sec-fetch-dest": "iframe"},
        {"sec-fetch-dest": "object"},
    ],
    ids=lambda headers: next(iter(headers.values())),
)
def test_a_frame_or_a_rebound_name_gets_nothing_on_any_path(
    person: Person, path: str, headers: dict[str, str]
) -> None:
    answer = person.http.get(path, headers=headers)
    assert answer.status_code == 403
    assert "ほかのページからは操作できません" in answer.text


@pytest.mark.parametrize("destination", ["style", "script", "font", "image"])
def test_our_pages_get_their_style_and_scripts_and_nothing_else_that_way(
    person: Person, destination: str
) -> None:
    headers = {"sec-fetch-dest": destination, "sec-fetch-site": "same-origin"}
    assert person.http.get("/static/dairi.css", headers=headers).status_code == 200
    assert person.http.get("/", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/none"), ("GET", "/sign"), ("GET", "/static/none.css"), ("POST", "/ask")]
)
def test_rfc9110_15_5_5_a_page_that_is_none_is_told(person: Person, method: str, path: str) -> None:
    answer = person.http.request(method, path, headers=OURS)
    assert (answer.status_code, "このページはありません" in answer.text) == (404, True)


def test_a_form_that_cannot_be_read_is_told(person: Person) -> None:
    headers = {"origin": "null", "content-type": "multipart/form-data; boundary=x"}
    answer = person.http.post("/request", content=b"--x\r\nnonsense", headers=headers)
    assert (answer.status_code, "読み取れませんでした" in answer.text) == (400, True)


def test_programs_of_other_users_are_refused(deck: LocalDeck, clock: FixedClock) -> None:
    bridge = Bridge(Enrolment([]), InProcessReader(deck), clock, ADDRESS)
    with TestClient(create_bridge(bridge), base_url=ADDRESS, client=("127.0.0.1", 1)) as stranger:
        for path in PATHS:
            assert stranger.get(path).status_code == 403


def test_pages_cannot_be_framed_and_run_no_inline_script(person: Person) -> None:
    page = person.http.get("/")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "<script>" not in page.text


def test_the_pin_page_posts_to_the_bridge_alone(person: Person) -> None:
    page = person.http.get("/request", params={"request": asked()})
    assert "form-action 'self'" in page.headers["content-security-policy"]
    onward = person.type(person.arrive(asked(request_id="another")), "1234")
    assert "form-action" not in onward.headers["content-security-policy"]


def test_fetch_standard_no_page_elsewhere_reads_what_the_bridge_says(person: Person) -> None:
    """No CORS, with whatever is asked for beforehand; what a page elsewhere sends is refused besides."""
    asking = {"origin": ISSUER, "access-control-request-method": "POST",
              "access-control-request-private-network": "true"}  # fmt: skip
    for path in PATHS:
        answers = [person.http.options(path, headers=asking), person.http.get(path, headers=OURS)]
        answers.append(person.http.get(path, headers={"origin": ISSUER}))
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control-")], path
        assert answers[0].status_code in {403, 404, 405}


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"origin": ISSUER}, OURS])
def test_rfc6455_4_2_2_the_bridge_opens_no_web_socket(person: Person, headers: dict[str, str]) -> None:
    """RFC 6455 knows no same-origin rule, so what opens none needs none."""
    for path in PATHS:
        with pytest.raises(WebSocketDisconnect), person.http.websocket_connect(path, headers=headers):
            pass
