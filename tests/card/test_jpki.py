"""card.jpki against the virtual card in this process: status words, tries, and what a person is told."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from card.certificates import Purpose, read_certificate
from card.faults import Fault
from card.jose import Flattened
from card.jpki import JpkiCard, _raw
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from card.virtual.holder import lay_down
from tests.card.conftest import HANAKO, NOW, PREPARED

PIN, PASSWORD = b"1234", b"ABC123"
OPEN = bytes.fromhex("00A4040C0AD392F000260100000001")
SELECT_PIN, SELECT_KEY = bytes.fromhex("00A4020C020018"), bytes.fromhex("00A4020C020017")
VERIFY, SIGN = b"\x00\x20\x00\x80\x04" + PIN, bytes.fromhex("802A0080") + b"\x01a\x00"


def sign(card: VirtualCard, purpose: Purpose, pin: bytes, *, confirm: bool = False) -> Flattened:
    with lay_down(card).connect() as transport, JpkiCard(transport) as jpki:
        return jpki.sign(purpose, bytearray(pin), PREPARED, confirm_last_try=confirm)


def fault(card: VirtualCard, purpose: Purpose, pin: bytes, *, confirm: bool = False) -> Fault:
    with pytest.raises(Fault) as refusal:
        sign(card, purpose, pin, confirm=confirm)
    return refusal.value


@pytest.mark.parametrize(("purpose", "pin"), [(Purpose.AUTHENTICATION, PIN), (Purpose.SIGNATURE, PASSWORD)])
def test_both_keys_sign_and_the_certificate_verifies_it(
    card: VirtualCard, purpose: Purpose, pin: bytes
) -> None:
    made = sign(card, purpose, pin)
    key = read_certificate(made.leaf_der).x509.public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(made.signature, PREPARED.signing_input, PKCS1v15(), SHA256())


@pytest.mark.parametrize(("purpose", "pin"), [(Purpose.AUTHENTICATION, PIN), (Purpose.SIGNATURE, PASSWORD)])
def test_rfc7518_3_4_both_keys_of_the_next_card_sign_with_sha_384(
    next_card: VirtualCard, purpose: Purpose, pin: bytes
) -> None:
    made = sign(next_card, purpose, pin)
    key = read_certificate(made.leaf_der).x509.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    r, s = (int.from_bytes(made.signature[part : part + 48], "big") for part in (0, 48))
    key.verify(encode_dss_signature(r, s), made.signing_input, ECDSA(SHA384()))


@given(r=st.integers(1, 2**384 - 1), s=st.integers(1, 2**384 - 1))
def test_rfc7518_3_4_either_form_of_an_ecdsa_signature_becomes_joses(r: int, s: int) -> None:
    raw = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    assert _raw(raw) == raw
    assert _raw(encode_dss_signature(r, s)) == raw


@pytest.mark.parametrize(
    "answer",
    [b"", b"0", bytes(95), bytes(97), encode_dss_signature(2**384, 1), encode_dss_signature(1, 1) + b"0"],
)
def test_rfc3279_2_2_3_what_is_neither_form_is_a_failed_card(answer: bytes) -> None:
    with pytest.raises(Fault, match=r"card\.failed"):
        _raw(answer)


def test_the_card_is_given_the_command_that_every_implementation_gives(card: VirtualCard) -> None:
    """The vector of the reference, §1.2: SHA-256 of "abc"."""
    sent: list[bytes] = []

    class Listening:
        def transmit(self, apdu: bytes) -> bytes:
            sent.append(apdu)
            return card.process(apdu)

    with JpkiCard(Listening()) as jpki:
        jpki.unlock(Purpose.AUTHENTICATION, bytearray(PIN))
        jpki._select(0x0017)
        jpki._sign("RS256", b"abc")
        assert sent[-1].hex().upper() == (
            "802A0080333031300D060960864801650304020105000420"
            "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00"
        )


def test_a_key_that_no_my_number_card_has_signs_nothing(card: VirtualCard, authority: TestAuthority) -> None:
    key = generate_private_key(SECP256R1())
    leaf = authority.issue(Purpose.AUTHENTICATION, HANAKO, key.public_key(), NOW).public_bytes(Encoding.DER)
    other = VirtualCard(replace(card.contents, authentication_certificate=leaf))
    assert fault(other, Purpose.AUTHENTICATION, PIN).code == "card.path"


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


def test_the_wrong_pin_before_the_last_try_is_told_apart(card: VirtualCard) -> None:
    told = [fault(card, Purpose.AUTHENTICATION, b"0000").code for _ in range(2)]
    assert told == ["card.wrong_pin", "card.wrong_pin_last"]


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
    with lay_down(card).connect() as transport, JpkiCard(transport) as jpki:
        assert read_certificate(jpki.certificate(Purpose.AUTHENTICATION)).attributes is None
        with pytest.raises(Fault, match=r"card\.failed"):
            jpki.certificate(Purpose.SIGNATURE)


def test_selecting_the_application_again_logs_out(card: VirtualCard) -> None:
    for apdu in (OPEN, SELECT_PIN, VERIFY):
        assert card.process(apdu) == b"\x90\x00"
    card.process(OPEN)
    card.process(SELECT_KEY)
    assert card.process(SIGN) == b"\x69\x82"


def test_a_card_tells_what_it_is_and_which_certificates_it_has(
    card: VirtualCard, childs_card: VirtualCard
) -> None:
    with lay_down(card).connect() as transport, JpkiCard(transport) as jpki:
        assert jpki.token_label() == "JPKIAPICCTOKEN2"
        assert jpki.purposes() == set(Purpose)
        for purpose, ca in (
            (Purpose.AUTHENTICATION, card.contents.authentication_ca),
            (Purpose.SIGNATURE, card.contents.signature_ca),
        ):
            assert jpki.ca_certificate(purpose) == ca
    with lay_down(childs_card).connect() as transport, JpkiCard(transport) as jpki:
        assert jpki.purposes() == {Purpose.AUTHENTICATION}


def test_a_childs_card_says_that_it_cannot_sign_and_spends_no_try(childs_card: VirtualCard) -> None:
    assert fault(childs_card, Purpose.SIGNATURE, PASSWORD).code == "card.no_certificate"
    sign(childs_card, Purpose.AUTHENTICATION, PIN)
    assert childs_card.contents.password.tries_left == 5


class ChattyCard:
    """A real card that answers an empty VERIFY with 9000 while its PIN is verified (reference §1.2)."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card
        self._verified = False

    def transmit(self, apdu: bytes) -> bytes:
        if apdu == b"\x00\x20\x00\x80" and self._verified:
            return b"\x90\x00"
        answer = self._card.process(apdu)
        if apdu == VERIFY:
            self._verified = answer == b"\x90\x00"
        elif apdu[:3] == b"\x00\xa4\x04":
            self._verified = False
        return answer


def test_iso7816_4_11_6_6_a_verified_card_is_not_taken_for_a_blocked_one(card: VirtualCard) -> None:
    transport = ChattyCard(card)
    with JpkiCard(transport) as jpki:
        for apdu in (SELECT_PIN, VERIFY):
            assert transport.transmit(apdu) == b"\x90\x00"
        assert jpki.tries_left(Purpose.AUTHENTICATION) == 3
        transport.transmit(SELECT_KEY)
        assert transport.transmit(SIGN) == b"\x69\x82"
        assert len(jpki.sign(Purpose.AUTHENTICATION, bytearray(PIN), PREPARED).signature) == 256


def test_a_card_that_never_says_its_tries_is_told(card: VirtualCard) -> None:
    class Stubborn(ChattyCard):
        def transmit(self, apdu: bytes) -> bytes:
            return b"\x90\x00" if apdu == b"\x00\x20\x00\x80" else super().transmit(apdu)

    with JpkiCard(Stubborn(card)) as jpki, pytest.raises(Fault, match=r"card\.failed"):
        jpki.tries_left(Purpose.AUTHENTICATION)


def test_a_reader_cuts_the_power_also_after_a_failure(card: VirtualCard) -> None:
    with pytest.raises(ValueError, match="in the middle"), lay_down(card).connect() as transport:
        for apdu in (OPEN, SELECT_PIN, VERIFY, SELECT_KEY):
            transport.transmit(apdu)
        raise ValueError("in the middle")
    assert card.process(SELECT_KEY) == b"\x6a\x82"


def test_the_use_ends_by_leaving_the_application(card: VirtualCard) -> None:
    sign(card, Purpose.AUTHENTICATION, PIN)
    assert card.process(SELECT_KEY) == b"\x6a\x82"


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
    card.process(OPEN)
    card.process(bytes.fromhex("00A4020C02000A"))
    assert card.process(bytes.fromhex("00B07FFF00")) == b"\x6b\x00"
    assert card.process(bytes.fromhex("00B0000004"))[:2] == b"\x30\x82"
