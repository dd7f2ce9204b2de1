"""Linking at the bridge: one page asks for both secrets, each with tries of its own."""

import re
from html import unescape

import pytest

from card.container import SigningPurpose, ToBeSigned, prepare
from card.linking import parse, verify_link
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.deck import LocalDeck
from tests.bridge.conftest import ANSWER, BACK, ISSUER, OURS, Person, PinPage, asked
from tests.bridge.test_attempts import keep_forms
from tests.conftest import NOW

TEXT = "このカードを登録します"


def link_bytes() -> ToBeSigned:
    return prepare(
        SigningPurpose.LINK, issuer=ISSUER, audience=ANSWER, nonce=b"n" * 16, issued_at=NOW, text=TEXT
    )


def asked_to_link() -> str:
    return asked(link_bytes(), purpose=SigningPurpose.LINK, text={"ja": "別の文"})


def test_she_types_both_and_both_containers_go_back(person: Person, authority: TestAuthority) -> None:
    page = person.arrive(asked_to_link())
    assert f'<div class="reading" lang="ja">{TEXT}</div>' in page.text
    assert f'href="{BACK}"' in page.text
    done = person.type(page, "１２３４", "ａｂｃ123")
    found = re.search(r'name="container" value="([^"]+)"', done.text)
    assert found is not None
    pair = parse(unescape(found[1]))
    assert verify_link(pair, prepared=link_bytes(), trust=authority.trust(), now=NOW)
    assert person.type(page, "1234", "abc123").text == done.text


@pytest.mark.parametrize(
    ("pin", "password", "field", "left"),
    [("0000", "abc123", "pin", (2, 5)), ("1234", "wrong1", "password", (3, 4))],
)
def test_a_mistake_is_told_at_the_field_that_it_was_made_in(
    person: Person, card: VirtualCard, pin: str, password: str, field: str, left: tuple[int, int]
) -> None:
    page = person.type(person.arrive(asked_to_link()), pin, password)
    assert page.status_code == 400
    told = re.findall(r'<p class="error" id="(\w+)-error">＊暗証番号が違います。あと(\d)回', page.text)
    assert told == [(field, str(left[0] if field == "pin" else left[1]))]
    assert page.text.count('aria-invalid="true"') == 1
    assert (card.contents.pin.tries_left, card.contents.password.tries_left) == left
    assert not re.search(r"0000|wrong1|WRONG1|abc123|ABC123", page.text)
    assert "data-onward" in person.type(PinPage.read(page.text), "1234", "abc123").text


def test_the_tick_before_a_last_try_is_for_that_secret_alone(person: Person, card: VirtualCard) -> None:
    card.contents.pin.tries_left = card.contents.password.tries_left = 1
    page = person.arrive(asked_to_link())
    first = person.type(page, "1234", "abc123", tick=True)  # a tick that no page asked for
    assert (card.contents.pin.tries_left, card.contents.password.tries_left) == (1, 1)
    places = [first.text.index(f'name="{name}"') for name in ("pin", "confirm", "password")]
    assert places == sorted(places)
    second = person.type(PinPage.read(first.text), "1234", "abc123", tick=True)
    assert second.text.index('name="password"') < second.text.index('name="confirm"')
    assert (card.contents.pin.tries_left, card.contents.password.tries_left) == (3, 1)
    third = person.type(PinPage.read(second.text), "1234", "abc123", tick=True)
    assert "data-onward" in third.text


def test_what_is_no_matter_of_a_secret_is_told_above_the_form(person: Person, deck: LocalDeck) -> None:
    page = person.arrive(asked_to_link())
    deck.remove()
    told = person.type(page, "1234", "abc123").text
    assert told.index("カードが置かれていません") < told.index("<form")
    assert "aria-invalid" not in told


@pytest.mark.parametrize("typed", [("1234", "abc123"), ("0000", "abc123"), ("1234", "wrong1")])
def test_both_are_overwritten_after_their_use(
    person: Person, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, str]
) -> None:
    read = keep_forms(monkeypatch)
    person.type(person.arrive(asked_to_link()), *typed)
    assert (read[0].pin, read[0].password) == (bytearray(4), bytearray(6))


def test_a_second_password_is_refused(person: Person) -> None:
    content = b"pin=1234&password=ABC123&password=ABC124"
    assert person.http.post("/sign", content=content, headers=OURS).status_code == 400
