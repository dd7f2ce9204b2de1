"""The bridge: one page, one attempt. Nothing that a hand or a browser repeats costs a try."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from card.bridge import app
from card.bridge.form import SigningForm, read_form
from card.faults import Fault
from card.transport import Transport
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from tests.bridge.conftest import OURS, Person, PinPage, Start, asked


def test_a_second_click_costs_no_second_try(person: Person, card: VirtualCard) -> None:
    page = person.arrive(asked())
    answers = [person.type(page, "0000") for _ in range(3)]
    assert card.contents.pin.tries_left == 2
    assert ["あと2回" in answer.text for answer in answers] == [True, True, True]


def test_a_second_click_after_success_leads_on(person: Person) -> None:
    page = person.arrive(asked())
    first, second = person.type(page, "1234"), person.type(page, "1234")
    assert "data-onward" in first.text
    assert second.text == first.text


def test_rfc9110_15_4_4_a_reload_posts_nothing_again(person: Person, card: VirtualCard) -> None:
    answer = person.type(person.arrive(asked()), "0000")
    assert [step.status_code for step in answer.history] == [303]
    assert answer.request.method == "GET"
    assert person.http.get(str(answer.url)).text == answer.text
    assert card.contents.pin.tries_left == 2


def test_the_onward_page_can_be_reloaded(person: Person) -> None:
    answer = person.type(person.arrive(asked()), "1234")
    assert person.http.get(str(answer.url)).text == answer.text


def test_the_page_in_another_language_is_the_same_attempt(person: Person) -> None:
    page = person.arrive(asked())
    english = person.http.get("/ask", params={"t": page.session, "lang": "en"})
    assert PinPage.read(english.text).attempt == page.attempt


def test_an_attempt_that_nobody_made_up_touches_no_card(person: Person, card: VirtualCard) -> None:
    page = person.arrive(asked())
    for attempt in ("", "x", "あ"):
        person.type(PinPage(page.session, attempt, ""), "0000")
    assert card.contents.pin.tries_left == 3


class SlowReader:
    """A reader that lets the test press again while the card is at work."""

    def __init__(self, deck: LocalDeck) -> None:
        self._inner = InProcessReader(deck)
        self.busy, self.go_on = threading.Event(), threading.Event()
        self.uses = 0

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        self.uses += 1
        self.busy.set()
        assert self.go_on.wait(10)
        with self._inner.connect() as transport:
            yield transport


@pytest.mark.parametrize(("pin", "says"), [("0000", "あと2回"), ("1234", "data-onward")])
def test_two_clicks_at_one_moment_are_one_attempt(
    start: Start, deck: LocalDeck, card: VirtualCard, pin: str, says: str
) -> None:
    reader = SlowReader(deck)
    person = start(reader)
    page = person.arrive(asked())
    with ThreadPoolExecutor(2) as hands:
        first = hands.submit(person.type, page, pin)
        assert reader.busy.wait(10)
        second = hands.submit(person.type, page, pin)
        done, _ = wait([second], timeout=0.3)
        reader.go_on.set()
        answers = [first.result(10), second.result(10)]
    assert not done
    assert [says in answer.text for answer in answers] == [True, True]
    assert reader.uses == 1
    assert card.contents.pin.tries_left == (3 if pin == "1234" else 2)


def keep_forms(monkeypatch: pytest.MonkeyPatch) -> list[SigningForm]:
    """What the bridge read, to look at its PIN afterwards."""
    read: list[SigningForm] = []

    def kept(body: bytes) -> SigningForm:
        read.append(read_form(body))
        return read[-1]

    monkeypatch.setattr(app, "read_form", kept)
    return read


@pytest.mark.parametrize("session", ["", "nobody"])
def test_the_pin_is_overwritten_also_where_nothing_is_signed(
    person: Person, monkeypatch: pytest.MonkeyPatch, session: str
) -> None:
    read = keep_forms(monkeypatch)
    assert person.type(PinPage(session, "x", ""), "1234").status_code == 400
    assert read[0].pin == bytearray(4)


@pytest.mark.parametrize("pin", ["1234", "0000"])
def test_the_pin_is_overwritten_after_its_use(
    person: Person, monkeypatch: pytest.MonkeyPatch, pin: str
) -> None:
    read = keep_forms(monkeypatch)
    person.type(person.arrive(asked()), pin)
    assert read[0].pin == bytearray(4)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("１２３４", b"1234"), (" 12 34　", b"1234"), ("abc123", b"ABC123"), ("ＡＢｃ１２３", b"ABC123")],
)
def test_full_width_and_small_letters_are_forgiven(typed: str, sent: bytes) -> None:
    form = read_form(f"session=a%20b&attempt=c&confirm=yes&pin={quote(typed)}&other=1".encode())
    assert (form.session, form.attempt, form.confirm, bytes(form.pin)) == ("a b", "c", True, sent)


def test_two_pins_are_refused(person: Person) -> None:
    with pytest.raises(Fault, match=r"request\.repeated"):
        read_form(b"pin=1234&pin=5678")
    page = person.http.post("/sign", content=b"pin=1234&pin=5678", headers=OURS)
    assert page.status_code == 400


def test_a_body_without_end_is_refused(person: Person) -> None:
    assert person.http.post("/sign", content=b"x" * 70000, headers=OURS).status_code == 413
    too_large = person.http.post("/request", data={"request": "x" * 70000}, headers={"origin": "null"})
    assert too_large.status_code == 413
