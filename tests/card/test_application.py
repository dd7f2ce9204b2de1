"""card.application: what a reader that speaks T=0 passes on, and answers that no card gives."""

from collections.abc import Callable

import pytest

from card.certificates import Purpose
from card.faults import Fault
from card.jpki import JpkiCard
from card.virtual.card import VirtualCard
from tests.card.conftest import PREPARED

PIN = b"1234"
READ, VERIFY, SIGN, SELECT = b"\x00\xb0", b"\x00\x20", b"\x80\x2a", b"\x00\xa4"


class T0:
    """A card whose answers come in parts of some octets, to be fetched by GET RESPONSE (ISO/IEC 7816-4)."""

    def __init__(self, card: VirtualCard, part: int) -> None:
        self._card, self._part, self._waiting = card, part, b""

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[:2] == b"\x00\xc0":
            assert (apdu[4] or 256) <= len(self._waiting)
            content, self._waiting = self._waiting[: apdu[4] or 256], self._waiting[apdu[4] or 256 :]
            return content + self._more()
        answer = self._card.process(apdu)
        self._waiting = answer[:-2]
        return self._more() if answer[-2:] == b"\x90\x00" else answer

    def _more(self) -> bytes:
        return bytes([0x61, min(self._part, len(self._waiting)) & 0xFF]) if self._waiting else b"\x90\x00"


@pytest.mark.parametrize("part", [256, 255, 100, 20])
def test_iso7816_4_response_chaining_an_answer_in_parts_is_put_together(card: VirtualCard, part: int) -> None:
    with JpkiCard(T0(card, part)) as jpki:
        made = jpki.sign(Purpose.AUTHENTICATION, bytearray(PIN), PREPARED)
    assert made.leaf_der == card.contents.authentication_certificate
    assert len(made.signature) == 256


class Exact:
    """A card that takes no Le but the exact one, and names it (ISO/IEC 7816-4 §5.6, 6Cxx)."""

    def __init__(self, card: VirtualCard) -> None:
        self._card, self.sent = card, list[bytes]()

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        answer = self._card.process(apdu)
        if apdu[:2] in {READ, SIGN} and answer[-2:] == b"\x90\x00":
            right = (len(answer) - 2) & 0xFF
            if apdu[-1] != right:
                return bytes([0x6C, right])
        return answer


def test_iso7816_4_5_6_a_wrong_length_is_asked_again_as_the_card_names_it(card: VirtualCard) -> None:
    with JpkiCard(Exact(card)) as jpki:
        assert jpki.token_label() == "JPKIAPICCTOKEN2"
        made = jpki.sign(Purpose.AUTHENTICATION, bytearray(PIN), PREPARED)
    assert made.leaf_der == card.contents.authentication_certificate


class Answering:
    """A card whose answers to one instruction are bent."""

    def __init__(self, card: VirtualCard, instruction: bytes, bend: Callable[[bytes], bytes]) -> None:
        self._card, self._instruction, self._bend = card, instruction, bend
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        answer = self._card.process(apdu)
        return self._bend(answer) if apdu.startswith(self._instruction) else answer


@pytest.mark.parametrize("instruction", [SELECT, VERIFY + b"\x00\x80\x04", VERIFY])
def test_what_asked_for_no_answer_is_never_sent_again(card: VirtualCard, instruction: bytes) -> None:
    """A PIN with another last digit would be a wrong one."""
    laid = Answering(card, instruction, lambda _: b"\x6c\x39")
    with pytest.raises(Fault), JpkiCard(laid) as jpki:
        jpki.unlock(Purpose.AUTHENTICATION, bytearray(PIN))
    assert len(set(laid.sent)) == len(laid.sent)
    assert card.contents.pin.tries_left == 3


def whole(jpki: JpkiCard) -> object:
    return jpki.certificate(Purpose.AUTHENTICATION)


@pytest.mark.parametrize(
    "bend",
    [
        lambda answer: answer[:-2] + bytes(300) + b"\x90\x00",
        lambda answer: b"\x90\x00",
        lambda answer: answer[:1],
        lambda answer: b"",
        lambda answer: b"\x30\x82\xff\xff\x90\x00",
        lambda answer: b"\x62\x82",
    ],
    ids=["more than asked for", "nothing", "cut", "silence", "a file of 64 KiB", "the end at once"],
)
def test_iso7816_4_read_binary_what_was_not_asked_for_is_no_file(
    card: VirtualCard, bend: Callable[[bytes], bytes]
) -> None:
    laid = Answering(card, READ, bend)
    with pytest.raises(Fault, match=r"card\.(failed|no_certificate)"), JpkiCard(laid) as jpki:
        whole(jpki)
    assert len(laid.sent) < 10
