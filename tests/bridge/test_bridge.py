"""The bridge: what a person at it sees, from the request to the container that goes back."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape

import pytest

from card.certificates import Purpose
from card.container import SigningPurpose, prepare, verify_signed_by_card
from card.faults import Fault
from card.jose import Flattened
from card.test_authority import TestAuthority
from card.transport import Transport
from card.virtual.card import VirtualCard
from card.virtual.deck import DeckClient, LocalDeck
from tests.bridge.conftest import (
    ANSWER,
    BACK,
    OURS,
    Person,
    PinPage,
    Start,
    asked,
    asked_for_mandate,
    login_bytes,
    mandate_bytes,
)
from tests.conftest import NOW, FixedClock


def test_a_person_types_her_pin_and_the_container_goes_back(person: Person, authority: TestAuthority) -> None:
    to_be_signed = login_bytes()
    done = person.type(person.arrive(asked(to_be_signed)), "１２３４")
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


def test_she_reads_the_text_that_she_signs_in_its_language(person: Person) -> None:
    page = person.arrive(asked_for_mandate(mandate_bytes("百円<b>")))
    assert '<div class="reading" lang="ja">百円&lt;b&gt;</div>' in page.text
    assert "別の文" not in page.text
    done = person.type(page, "abc123")
    assert "data-onward" in done.text


@pytest.mark.parametrize(
    ("browser", "tag", "title", "who"),
    [
        ("vi-VN,vi;q=0.9", "vi", "Hãy nhập mã số bí mật", "Shibuya City"),
        ("zh-TW,zh;q=0.9", "zh-Hans", "请输入密码", "渋谷区"),
        ("ko", "ko", "비밀번호를 입력해 주세요", "Shibuya City"),
        ("pt-BR,en;q=0.5", "en", "Enter your PIN", "Shibuya City"),
        ("pt-BR", "ja", "暗証番号を入力してください", "渋谷区"),
    ],
)
def test_the_page_speaks_the_browser_s_language(
    person: Person, browser: str, tag: str, title: str, who: str
) -> None:
    page = person.http.get("/request", params={"request": asked()}, headers={"accept-language": browser})
    assert f'<html lang="{tag}">' in page.text
    assert f"<h1>{title}</h1>" in page.text
    assert who in page.text


def test_easy_japanese_is_chosen_on_the_page(person: Person) -> None:
    page = person.http.get("/request", params={"request": asked()})
    link = re.search(r'href="([^"]+)" lang="ja-x-easy"', page.text)
    assert link is not None
    easy = person.http.get(f"/ask{unescape(link[1])}")
    assert "<h1>暗証番号（あんしょうばんごう）を 入れて ください</h1>" in easy.text


def test_a_request_by_form_comes_in_too(person: Person) -> None:
    page = person.http.post("/request", data={"request": asked()}, headers={"origin": "null"})
    assert "data-onward" in person.type(PinPage.read(page.text), "1234").text


def test_bytes_of_another_issuer_are_not_signed_and_the_way_back_is_offered(person: Person) -> None:
    bank = prepare(
        SigningPurpose.LOGIN,
        issuer="https://bank.example",
        audience="https://bank.example/answer",
        nonce=b"n" * 16,
        issued_at=NOW,
    )
    page = person.http.get("/request", params={"request": asked(bank)})
    assert (page.status_code, f'href="{BACK}"' in page.text) == (400, True)
    assert 'name="pin"' not in page.text


def test_a_wrong_pin_shows_the_page_again_and_how_many_tries_are_left(person: Person) -> None:
    page = person.type(person.arrive(asked()), "0000")
    assert page.status_code == 400
    assert "あと2回入力できます" in page.text
    assert "もう一度、ゆっくり入力してください" in page.text
    assert "0000" not in page.text
    assert "data-onward" in person.type(PinPage.read(page.text), "1234").text


def test_tries_are_counted_in_words_that_fit_every_number(person: Person) -> None:
    headers = OURS | {"accept-language": "en"}
    page = person.type(person.arrive(asked()), "0000", headers=headers)
    assert "Tries left: 2." in page.text
    page = person.type(PinPage.read(page.text), "0000", headers=headers)
    assert "One more mistake blocks your card." in page.text


def test_before_the_last_try_nobody_is_told_to_just_type_again(person: Person) -> None:
    page = person.arrive(asked())
    for _ in range(2):
        last = person.type(page, "0000")
        page = PinPage.read(last.text)
    assert "あと1回間違えると、カードがロックされます" in last.text
    assert "ゆっくり" not in last.text
    assert 'name="confirm"' in last.text
    assert "data-onward" in person.type(page, "1234", tick=True).text


def test_the_last_try_needs_a_tick(person: Person, card: VirtualCard) -> None:
    card.contents.pin.tries_left = 1
    page = person.type(person.arrive(asked()), "1234")
    assert "あと1回間違えると、カードがロックされます" in page.text
    assert card.contents.pin.tries_left == 1
    assert "data-onward" in person.type(PinPage.read(page.text), "1234", tick=True).text


class Troubled:
    """A reader on which nothing works."""

    def __init__(self, code: str) -> None:
        self._code = code

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        raise Fault(self._code)
        yield  # type: ignore[unreachable] # makes it a generator


@pytest.mark.parametrize(
    ("code", "status", "sentence", "next_step"),
    [
        ("card.service_down", 503, "カードを読むための仕組みが動いていません", "パソコンを再起動するか"),
        ("card.no_reader", 400, "カードの読み取り機が見つかりません", "読み取り機をパソコンにつないで"),
        ("card.no_card", 400, "カードが置かれていません", "マイナンバーカードを読み取り機に置いて"),
        ("card.in_use", 400, "ほかのソフトがカードを使っています", "ほかのソフトを閉じて"),
        ("card.removed", 400, "読み取りの途中でカードが離れました", "カードを置いたまま"),
        ("card.not_my_number", 400, "マイナンバーカードではないようです", "マイナンバーカードを置いて"),
        ("card.no_certificate", 400, "必要な電子証明書が入っていません", "区の窓口で"),
        ("card.failed", 400, "カードをうまく読み取れませんでした", "カードを置き直して"),
    ],
)
def test_trouble_with_the_reader_is_a_sentence_and_a_next_step_above_the_form(
    start: Start, code: str, status: int, sentence: str, next_step: str
) -> None:
    person = start(Troubled(code))
    page = person.type(person.arrive(asked()), "1234")
    assert (page.status_code, page.headers.get("retry-after")) == (status, "5" if status == 503 else None)
    assert sentence in page.text
    assert next_step in page.text
    assert f'href="{BACK}"' in page.text
    assert 'name="pin"' in page.text


def test_a_blocked_card_is_a_sentence_and_a_next_step(person: Person, card: VirtualCard) -> None:
    card.contents.pin.tries_left = 0
    page = person.type(person.arrive(asked()), "1234")
    assert "続けて間違えたため、カードがロックされています" in page.text
    assert "区の窓口で、ロックを解除できます" in page.text
    assert f'href="{BACK}"' in page.text


def test_an_empty_reader_is_told_and_a_card_laid_down_forgets_it(person: Person, deck: LocalDeck) -> None:
    page = person.arrive(asked())
    deck.remove()
    told = person.type(page, "1234")
    assert "カードが置かれていません" in told.text
    form = {"session": page.session, "card": deck.names()[0]}
    laid = person.http.post("/card", data=form, headers=OURS)
    assert laid.status_code == 200
    assert "カードが置かれていません" not in laid.text
    assert "data-onward" in person.type(PinPage.read(laid.text), "1234").text


def test_what_is_no_pin_never_reaches_the_card(person: Person, card: VirtualCard) -> None:
    page = person.type(person.arrive(asked()), "12a4")
    assert "まだカードには送っていません" in page.text
    assert card.contents.pin.tries_left == 3


def test_a_request_is_taken_in_once_and_the_way_back_is_offered(person: Person) -> None:
    jws = asked()
    person.arrive(jws)
    again = person.http.get("/request", params={"request": jws})
    assert again.status_code == 400
    assert "すでに使われています" in again.text
    assert f'href="{BACK}"' in again.text


@pytest.mark.parametrize("when", ["before the page", "before the PIN"])
def test_a_request_ends_and_the_way_back_is_offered(person: Person, clock: FixedClock, when: str) -> None:
    if when == "before the page":
        clock.advance(timedelta(minutes=5))
        late = person.http.get("/request", params={"request": asked()})
    else:
        page = person.arrive(asked())
        clock.advance(timedelta(minutes=5))
        late = person.type(page, "1234")
    assert late.status_code == 400
    assert "時間が過ぎました" in late.text
    assert f'href="{BACK}"' in late.text


def test_a_page_that_nobody_knows_is_told(person: Person) -> None:
    told = person.http.get("/ask", params={"t": "nobody"})
    assert (told.status_code, "もう使えません" in told.text) == (400, True)


def test_a_deck_without_its_reader_is_told(start: Start, deck: LocalDeck) -> None:
    def no_reader(_: object) -> None:
        raise OSError("no virtual reader")

    person = start(shown=LocalDeck({name: deck.card() for name in deck.names()}, no_reader))  # type: ignore[misc] # there is a card
    told = person.http.post("/card", data={"card": deck.names()[0]}, headers=OURS)
    assert (told.status_code, told.headers["retry-after"]) == (503, "5")
    assert person.http.post("/card", data={"card": "nobody"}, headers=OURS).status_code == 200


def test_a_deck_that_is_gone_is_told(start: Start) -> None:
    person = start(shown=DeckClient("127.0.0.1", 1))
    for told in (person.http.get("/"), person.http.post("/card", data={"card": "x"}, headers=OURS)):
        assert (told.status_code, told.headers["retry-after"]) == (503, "5")
        assert "仕組みが動いていません" in told.text
