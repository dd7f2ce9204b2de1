"""card.virtual.card: it behaves as a real one, line by line of the reference's §1, by APDU alone."""

from collections.abc import Callable

import pytest

from card.virtual.card import CardContents, Pin, VirtualCard

JPKI = "00A4040C0AD392F000260100000001"
TEXT = "00A4040C0AD3921000310001010408"
SURFACE = "00A4040C0AD3921000310001010402"
LEAVE = "00A4040C07A0000001510000"
MASTER_FILE = "00A40000"
AUTH_CERTIFICATE, SIGN_CERTIFICATE, TOKEN_INFO, PRESENCE = "000A", "0001", "0006", "0008"
AUTH_CA, SIGN_CA, AUTH_KEY, AUTH_PIN, SIGN_KEY, SIGN_PIN = "000B", "0002", "0017", "0018", "001A", "001B"
TEXT_PIN, NUMBER_A, NUMBER_B, MY_NUMBER, ATTRIBUTES = "0011", "0014", "0015", "0001", "0002"
READ, TRIES = "00B0000000", "00200080"
DIGEST_INFO = "3031300D060960864801650304020105000420" + "00" * 32
SIGN = f"802A008033{DIGEST_INFO}00"


def file(name: str) -> str:
    return f"00A4020C02{name}"


def verify(pin: bytes) -> str:
    return f"00200080{len(pin):02X}{pin.hex()}"


AUTH_OPEN = (JPKI, file(AUTH_PIN), verify(b"1234"))
SIGN_OPEN = (JPKI, file(SIGN_PIN), verify(b"ABC123"))
TEXT_OPEN = (TEXT, file(TEXT_PIN), verify(b"1234"))


def states(card: VirtualCard, *apdus: str) -> list[str]:
    return [card.process(bytes.fromhex(apdu))[-2:].hex().upper() for apdu in apdus]


def last(card: VirtualCard, *apdus: str) -> str:
    return states(card, *apdus)[-1]


@pytest.mark.parametrize(
    ("apdus", "status"),
    [
        ((JPKI,), "9000"),
        ((TEXT,), "9000"),
        ((SURFACE,), "6A82"),
        ((LEAVE,), "9000"),
        ((MASTER_FILE,), "9000"),
        ((file(AUTH_KEY),), "6A82"),
        ((JPKI, file("00FF")), "6A82"),
        ((JPKI, "00A40200020018"), "6A86"),
        ((JPKI, "00A4010C020018"), "6A86"),
        *(((JPKI, file(free), READ), "9000") for free in (
            AUTH_CERTIFICATE, AUTH_CA, SIGN_CA, TOKEN_INFO, PRESENCE,
        )),
        ((JPKI, file(SIGN_CERTIFICATE), READ), "6982"),
        ((*AUTH_OPEN, file(SIGN_CERTIFICATE), READ), "6982"),
        ((*SIGN_OPEN, file(SIGN_CERTIFICATE), READ), "9000"),
        ((JPKI, READ), "6986"),
        ((JPKI, file(AUTH_KEY), READ), "6986"),
        ((JPKI, file(AUTH_PIN), READ), "6986"),
        ((JPKI, file(AUTH_CERTIFICATE), "00B07FFF00"), "6B00"),
        ((JPKI, file(AUTH_CERTIFICATE), "00B00000"), "6700"),
        ((JPKI, file(AUTH_CERTIFICATE), "00B00000000800"), "6700"),
        ((JPKI, file(AUTH_KEY), SIGN), "6982"),
        ((*AUTH_OPEN, SIGN), "6986"),
        ((*AUTH_OPEN, file(AUTH_KEY), SIGN), "9000"),
        ((*AUTH_OPEN, file(SIGN_KEY), SIGN), "6982"),
        ((*SIGN_OPEN, file(AUTH_KEY), SIGN), "6982"),
        ((*SIGN_OPEN, file(SIGN_KEY), SIGN), "9000"),
        ((*AUTH_OPEN, file(AUTH_KEY), "802A0280" + "20" + "00" * 32 + "00"), "6A86"),
        ((*AUTH_OPEN, file(AUTH_KEY), "802A0480" + "20" + "00" * 32 + "00"), "6A86"),
        ((*AUTH_OPEN, file(AUTH_KEY), "802A0080" + "F6" + "00" * 246 + "00"), "6985"),
        ((*AUTH_OPEN, file(AUTH_KEY), "802A008000"), "6700"),
        ((*AUTH_OPEN, file(AUTH_KEY), "802A00803300"), "6700"),
        ((JPKI, file(AUTH_PIN), "0020008004313233"), "6700"),
        ((JPKI, file(AUTH_PIN), "0020000004" + b"1234".hex()), "6A86"),
        ((JPKI, file(AUTH_KEY), verify(b"1234")), "6986"),
        ((TEXT, file(ATTRIBUTES), READ), "6982"),
        ((*TEXT_OPEN, file(ATTRIBUTES), READ), "9000"),
        ((*TEXT_OPEN, file(MY_NUMBER), READ), "6982"),
        ((TEXT, file(NUMBER_A)), "6A82"),
        (("00",), "6700"),
        (("00FF0000",), "6D00"),
        (("90A4040C",), "6E00"),
        ((JPKI, "00C0000000"), "6D00"),
    ],
)  # fmt: skip
def test_status_words(card: VirtualCard, apdus: tuple[str, ...], status: str) -> None:
    """ISO/IEC 7816-4 §5.6."""
    *before, found = states(card, *apdus)
    assert (set(before) <= {"9000"}, found) == (True, status)


def auth(contents: CardContents) -> Pin:
    return contents.pin


def sign(contents: CardContents) -> Pin:
    return contents.password


def text(contents: CardContents) -> Pin:
    assert contents.printed is not None
    return contents.printed.pin


def number_b(contents: CardContents) -> Pin:
    assert contents.printed is not None
    return contents.printed.number_b


@pytest.mark.parametrize(
    ("application", "name", "pin_of", "most"),
    [
        (JPKI, AUTH_PIN, auth, 3),
        (JPKI, SIGN_PIN, sign, 5),
        (TEXT, TEXT_PIN, text, 3),
        (TEXT, NUMBER_B, number_b, 10),
    ],
)
def test_wrong_pins_count_down_to_63c0_and_every_later_one_is_6984(
    card: VirtualCard, application: str, name: str, pin_of: Callable[[CardContents], Pin], most: int
) -> None:
    right = pin_of(card.contents).value
    wrong = verify(b"0" * len(right))
    assert states(card, application, file(name), TRIES) == ["9000", "9000", f"63C{most:X}"]
    assert states(card, wrong, TRIES, verify(right), TRIES) == [
        f"63C{most - 1:X}", f"63C{most - 1:X}", "9000", f"63C{most:X}",
    ]  # fmt: skip
    assert states(card, *[wrong] * most) == [f"63C{left:X}" for left in range(most - 1, -1, -1)]
    assert states(card, wrong, verify(right), verify(right), TRIES) == ["6984", "6984", "6984", "63C0"]
    card.power_off()
    assert states(card, application, file(name), verify(right)) == ["9000", "9000", "6984"]
    others = {auth, sign, text, number_b} - {pin_of}
    assert all(pin(card.contents).tries_left == pin(card.contents).most_tries for pin in others)


@pytest.mark.parametrize(
    ("between", "status"),
    [
        ((), "9000"),
        ((TRIES,), "9000"),
        ((MASTER_FILE,), "9000"),
        ((file(AUTH_CERTIFICATE), READ), "9000"),
        ((SURFACE,), "9000"),
        ((verify(b"0000"),), "6982"),
        ((JPKI,), "6982"),
        ((TEXT, JPKI), "6982"),
        ((LEAVE, JPKI), "6982"),
    ],
)
def test_what_is_verified_lasts_until_an_application_is_selected_or_a_pin_is_wrong(
    card: VirtualCard, between: tuple[str, ...], status: str
) -> None:
    assert last(card, *AUTH_OPEN, *between, file(AUTH_KEY), SIGN) == status


def test_leaving_the_application_leaves_no_file_to_select(card: VirtualCard) -> None:
    assert states(card, *AUTH_OPEN, LEAVE, file(AUTH_KEY)) == [*["9000"] * 4, "6A82"]


def test_a_file_that_cannot_be_selected_leaves_the_last_one(card: VirtualCard) -> None:
    assert states(card, JPKI, file(AUTH_CERTIFICATE), file("00FF"), READ) == ["9000", "9000", "6A82", "9000"]


def test_a_child_has_no_key_no_password_and_no_certificate_for_signatures(childs_card: VirtualCard) -> None:
    for name in (SIGN_CERTIFICATE, SIGN_KEY, SIGN_PIN):
        assert last(childs_card, JPKI, file(name)) == "6A82"
    assert last(childs_card, JPKI, file(SIGN_CA), READ) == "9000"


def test_the_token_info_is_160_octets_with_its_label(card: VirtualCard) -> None:
    states(card, JPKI, file(TOKEN_INFO))
    content = card.process(bytes.fromhex(READ))[:-2]
    assert (len(content), content[:32]) == (160, b"JPKIAPICCTOKEN2".ljust(32))


def test_the_end_of_a_file_comes_short(card: VirtualCard) -> None:
    states(card, JPKI, file(TOKEN_INFO))
    answer = card.process(bytes.fromhex("00B0009000"))
    assert (len(answer), answer[-2:]) == (160 - 0x90 + 2, b"\x90\x00")


@pytest.mark.parametrize(
    ("content", "status"), [("00" * 48, "9000"), (DIGEST_INFO, "6985"), ("00" * 32, "6985"), ("", "6700")]
)
def test_a_p384_key_takes_a_sha_384_digest_alone(next_card: VirtualCard, content: str, status: str) -> None:
    command = f"802A0080{len(content) // 2:02X}{content}" + ("00" if content else "")
    assert last(next_card, *AUTH_OPEN, file(AUTH_KEY), command) == status
