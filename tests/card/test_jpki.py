"""card.jpki against the virtual card in this process: status words, tries, and what a person is told."""

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from card.certificates import Purpose, read_certificate
from card.faults import Fault
from card.jpki import JpkiCard
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck

PIN, PASSWORD = b"1234", b"ABC123"


def sign(
    card: VirtualCard, purpose: Purpose, pin: bytes, *, confirm: bool = False
) -> tuple[bytes, list[bytes]]:
    deck = LocalDeck({card.label: card})
    deck.insert(card.label)
    with InProcessReader(deck).connect() as transport, JpkiCard(transport) as jpki:
        return jpki.sign(purpose, bytearray(pin), [b"abc", b"def"], confirm_last_try=confirm)


def fault(card: VirtualCard, purpose: Purpose, pin: bytes, *, confirm: bool = False) -> Fault:
    with pytest.raises(Fault) as refusal:
        sign(card, purpose, pin, confirm=confirm)
    return refusal.value


@pytest.mark.parametrize(("purpose", "pin"), [(Purpose.AUTHENTICATION, PIN), (Purpose.SIGNATURE, PASSWORD)])
def test_both_keys_sign_and_the_certificate_verifies_it(
    card: VirtualCard, purpose: Purpose, pin: bytes
) -> None:
    der, signatures = sign(card, purpose, pin)
    key = read_certificate(der).x509.public_key()
    for signature, signed in zip(signatures, (b"abc", b"def"), strict=True):
        key.verify(signature, signed, PKCS1v15(), SHA256())  # type: ignore[union-attr, call-arg] # an RSA key


def test_a_wrong_pin_says_how_many_tries_are_left_and_a_right_one_resets_them(card: VirtualCard) -> None:
    assert fault(card, Purpose.AUTHENTICATION, b"0000").values["tries_left"] == 2
    sign(card, Purpose.AUTHENTICATION, PIN)
    assert fault(card, Purpose.AUTHENTICATION, b"0000").values["tries_left"] == 2


def test_the_last_try_needs_the_persons_word(card: VirtualCard) -> None:
    for _ in range(2):
        fault(card, Purpose.AUTHENTICATION, b"0000")
    assert fault(card, Purpose.AUTHENTICATION, b"0000").code == "card.last_try"
    assert card.contents.pin.tries_left == 1
    sign(card, Purpose.AUTHENTICATION, PIN, confirm=True)


def test_a_blocked_card_stays_blocked_also_for_the_right_pin(card: VirtualCard) -> None:
    for _ in range(2):
        fault(card, Purpose.AUTHENTICATION, b"0000")
    assert fault(card, Purpose.AUTHENTICATION, b"0000", confirm=True).code == "card.blocked"
    assert fault(card, Purpose.AUTHENTICATION, PIN).code == "card.blocked"
    sign(card, Purpose.SIGNATURE, PASSWORD)


def test_the_signature_password_takes_five_tries(card: VirtualCard) -> None:
    left = [fault(card, Purpose.SIGNATURE, b"WRONG1").values.get("tries_left") for _ in range(4)]
    assert left == [4, 3, 2, 1]


@pytest.mark.parametrize("pin", [b"", b"123", b"12345", b"12a4", "１２３４".encode()])
def test_what_is_no_pin_costs_no_try(card: VirtualCard, pin: bytes) -> None:
    assert fault(card, Purpose.AUTHENTICATION, pin).code == "card.pin_shape"
    assert card.contents.pin.tries_left == 3


def test_the_signature_certificate_is_closed_before_its_password(card: VirtualCard) -> None:
    deck = LocalDeck({"a": card})
    deck.insert("a")
    with InProcessReader(deck).connect() as transport, JpkiCard(transport) as jpki:
        assert read_certificate(jpki.certificate(Purpose.AUTHENTICATION)).attributes is None
        with pytest.raises(Fault, match=r"card\.failed"):
            jpki.certificate(Purpose.SIGNATURE)


def test_selecting_the_application_again_logs_out(card: VirtualCard) -> None:
    select = bytes.fromhex("00A4040C0AD392F000260100000001")
    for apdu in (select, bytes.fromhex("00A4020C020018"), b"\x00\x20\x00\x80\x04" + PIN):
        assert card.process(apdu) == b"\x90\x00"
    card.process(select)
    card.process(bytes.fromhex("00A4020C020017"))
    assert card.process(bytes.fromhex("802A0080") + b"\x01a\x00") == b"\x69\x82"


def test_the_use_ends_by_leaving_the_application(card: VirtualCard) -> None:
    sign(card, Purpose.AUTHENTICATION, PIN)
    assert card.process(bytes.fromhex("00A4020C020017")) == b"\x6a\x82"


def test_a_card_pulled_out_is_told(card: VirtualCard) -> None:
    deck = LocalDeck({"a": card})
    deck.insert("a")
    with InProcessReader(deck).connect() as transport, JpkiCard(transport) as jpki:
        deck.remove()
        with pytest.raises(Fault, match=r"card\.removed"):
            jpki.certificate(Purpose.AUTHENTICATION)


def test_an_empty_reader_is_told() -> None:
    with pytest.raises(Fault, match=r"card\.no_card"), InProcessReader(LocalDeck({})).connect():
        raise AssertionError("no card, no transport")


@pytest.mark.parametrize(
    ("apdu", "status"),
    [
        ("00A4040C05A000000003", "6A82"),
        ("00A40200020018", "6A86"),
        ("00", "6700"),
        ("00FF0000", "6D00"),
        ("00A40000", "9000"),
    ],
)
def test_the_virtual_card_answers_true_status_words(card: VirtualCard, apdu: str, status: str) -> None:
    assert card.process(bytes.fromhex(apdu)).hex().upper() == status


def test_reading_past_the_end_of_a_file_is_6b00(card: VirtualCard) -> None:
    card.process(bytes.fromhex("00A4040C0AD392F000260100000001"))
    card.process(bytes.fromhex("00A4020C02000A"))
    assert card.process(bytes.fromhex("00B07FFF00")) == b"\x6b\x00"
    assert card.process(bytes.fromhex("00B0000004"))[:2] == b"\x30\x82"
