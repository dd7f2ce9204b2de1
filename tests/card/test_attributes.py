"""card.attributes: what is printed, by PIN or by what is printed itself, and never the 個人番号."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card import attributes
from card.attributes import AttributesCard, PrintedAttributes
from card.faults import Fault
from card.jpki import JpkiCard
from card.test_authority import Holder, TestAuthority, printed_attributes
from card.virtual.card import Pin, Printed, VirtualCard
from card.virtual.holder import lay_down
from tests.card.conftest import HANAKO, NOW

PIN = b"1234"
OPEN = bytes.fromhex("00A4040C0AD3921000310001010408")
SELECT_MY_NUMBER, SELECT_ATTRIBUTES = bytes.fromhex("00A4020C020001"), bytes.fromhex("00A4020C020002")
READ = bytes.fromhex("00B0000000")
HANAKOS = PrintedAttributes(HANAKO.name, HANAKO.address, HANAKO.birth_date, HANAKO.sex)


def printed(card: VirtualCard) -> Printed:
    assert card.contents.printed is not None
    return card.contents.printed


def by_pin(card: VirtualCard, pin: bytes = PIN, *, confirm: bool = False) -> PrintedAttributes:
    with lay_down(card).connect() as transport, AttributesCard(transport) as laid:
        return laid.by_pin(bytearray(pin), confirm_last_try=confirm)


def by_number_b(card: VirtualCard, number: bytes) -> PrintedAttributes:
    with lay_down(card).connect() as transport, AttributesCard(transport) as laid:
        return laid.by_number_b(bytearray(number))


def fault(ask: Callable[[], object]) -> str:
    with pytest.raises(Fault) as refusal:
        ask()
    return refusal.value.code


@contextmanager
def suppress_failed() -> Iterator[None]:
    """Nothing else than that fault gets past it."""
    try:
        yield
    except Fault as fault:
        if fault.code != "card.failed":
            raise


def holding(card: VirtualCard, content: bytes) -> VirtualCard:
    """The same card with another file."""
    return VirtualCard(replace(card.contents, printed=replace(printed(card), attributes=content)))


def test_the_four_attributes_open_by_the_pin_and_by_what_is_printed(card: VirtualCard) -> None:
    assert by_pin(card) == HANAKOS
    number = printed(card).number_b.value
    assert number[:6] == b"230503"  # 昭和23年5月3日
    assert by_number_b(card, number) == HANAKOS


def test_a_long_address_is_read_whole(authority: TestAuthority) -> None:
    holder = replace(HANAKO, address="東京都渋谷区宇田川町１－１\u3000" + "\U00020bb7野マンション" * 40)
    assert by_pin(authority.issue_card(holder, NOW)).address == holder.address


def test_tries_are_told_and_the_last_one_needs_the_persons_word(card: VirtualCard) -> None:
    with lay_down(card).connect() as transport, AttributesCard(transport) as laid:
        assert laid.tries_left() == 3
    assert fault(lambda: by_pin(card, b"12a4")) == "card.pin_shape"
    assert [fault(lambda: by_pin(card, b"0000")) for _ in range(3)] == [
        "card.wrong_pin", "card.wrong_pin_last", "card.last_try",
    ]  # fmt: skip
    assert fault(lambda: by_pin(card, b"0000", confirm=True)) == "card.blocked"
    assert fault(lambda: by_pin(card)) == "card.blocked"
    assert by_number_b(card, printed(card).number_b.value) == HANAKOS


def test_what_is_printed_takes_ten_tries(card: VirtualCard) -> None:
    wrong = b"0" * 14
    assert fault(lambda: by_number_b(card, wrong)) == "card.wrong_pin"
    assert printed(card).number_b.tries_left == 9
    assert fault(lambda: by_number_b(card, b"1234")) == "card.pin_shape"


@pytest.mark.parametrize("file", [0x0001, 0x0014, 0x0012, 0x0000])
def test_the_my_number_and_what_opens_it_are_refused_before_the_card(card: VirtualCard, file: int) -> None:
    """番号法 19条, 20条."""
    sent: list[bytes] = []

    class Listening:
        def transmit(self, apdu: bytes) -> bytes:
            sent.append(apdu)
            return card.process(apdu)

    with AttributesCard(Listening()) as laid:
        asked = len(sent)
        with pytest.raises(ValueError, match="個人番号"):
            laid._select(file)
        assert len(sent) == asked


def test_no_virtual_card_holds_a_my_number(card: VirtualCard) -> None:
    for apdu in (OPEN, bytes.fromhex("00A4020C020011"), b"\x00\x20\x00\x80\x04" + PIN, SELECT_MY_NUMBER):
        assert card.process(apdu) == b"\x90\x00"
    assert card.process(READ) == b"\x69\x82"


def test_the_file_is_closed_without_either_and_each_application_has_its_own_state(card: VirtualCard) -> None:
    for apdu in (OPEN, SELECT_ATTRIBUTES):
        assert card.process(apdu) == b"\x90\x00"
    assert card.process(READ) == b"\x69\x82"
    with lay_down(card).connect() as transport:
        with AttributesCard(transport) as laid:
            laid.by_pin(bytearray(PIN))
        with JpkiCard(transport) as jpki:
            assert jpki.token_label()
        for apdu in (OPEN, SELECT_ATTRIBUTES):
            transport.transmit(apdu)
        assert transport.transmit(READ) == b"\x69\x82"


def test_a_card_without_the_application_is_told(card: VirtualCard) -> None:
    bare = VirtualCard(replace(card.contents, printed=None))
    assert fault(lambda: by_pin(bare)) == "card.not_my_number"


def test_an_unknown_day_of_birth_is_none_and_an_unknown_sex_is_nine(card: VirtualCard) -> None:
    whole = printed_attributes(replace(HANAKO, sex="3"))
    found = by_pin(holding(card, whole.replace(b"19480503", b"19480500")))
    assert (found.birth_date, found.sex) == (None, "9")


WHOLE = printed_attributes(HANAKO)
BROKEN = {
    "nothing": b"",
    "another file": b"\xff\x10" + WHOLE[2:],
    "cut off": WHOLE[:-1],
    "a value that is longer than the file": WHOLE.replace(b"\xdf\x25\x01", b"\xdf\x25\x02"),
    "no sex": WHOLE.replace(b"\xdf\x25", b"\xdf\x2f"),
    "two sexes": WHOLE.replace(b"\xdf\x21", b"\xdf\x25"),
    "no text": WHOLE.replace("田".encode(), b"\xff\xff\xff"),
    "no date": WHOLE.replace(b"19480503", b"19481503"),
    "a length in three octets": b"\xff\x20\x83\x00\x00\x10" + WHOLE[3:],
    "a length of sixty thousand": b"\xff\x20\x82\xff\xff" + WHOLE[3:],
    "an indefinite length": b"\xff\x20\x80" + WHOLE[3:],
}


@pytest.mark.parametrize("what", BROKEN)
def test_iso7816_4_5_2_a_file_that_is_none_is_a_failed_read(card: VirtualCard, what: str) -> None:
    assert fault(lambda: by_pin(holding(card, BROKEN[what]))) == "card.failed"


@given(content=st.binary(max_size=300), head=st.sampled_from([b"", b"\xff\x20", b"\xff\x20\x82\x01\x00"]))
def test_whatever_the_file_holds_is_read_or_a_fault(
    printed_card: VirtualCard, content: bytes, head: bytes
) -> None:
    kept = Printed(head + content, Pin(PIN, 3, 3), Pin(b"0" * 14, 10, 10))
    card = VirtualCard(replace(printed_card.contents, printed=kept))
    with suppress_failed():
        by_pin(card)


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    address=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    born=st.dates(date(1900, 1, 1), date(2026, 1, 1)),
)
def test_what_an_issuer_wrote_is_what_is_read(
    printed_card: VirtualCard, name: str, address: str, born: date
) -> None:
    holder = Holder(name, born, "1", address)
    content = printed_attributes(holder)
    assert attributes._read_attributes(content) == PrintedAttributes(name, address, born, "1")
