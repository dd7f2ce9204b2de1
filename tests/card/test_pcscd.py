"""The virtual card behind the real pcscd and vpcd.

Pyscard, and OpenSC's own JPKI driver, which we did not write.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from smartcard import scard
from typer.testing import CliRunner

from card.attributes import AttributesCard
from card.certificates import Purpose
from card.commands import app
from card.container import SigningPurpose, prepare, verify_signed_by_card
from card.faults import Fault
from card.jose import Flattened
from card.jpki import JpkiCard
from card.pcsc import PcscReader
from card.test_authority import TestAuthority
from card.virtual import pcscd
from card.virtual.card import CardContents, Pin, VirtualCard
from card.virtual.deck import DeckClient, LocalDeck
from card.virtual.failing import FailingCard, Failure
from card.virtual.store import save_card
from card.virtual.vpcd import DEFAULT_PORT, VpcdSlot
from tests.card.conftest import HANAKO, PREPARED


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if not pcscd.is_running() and os.geteuid() != 0:
        pytest.skip("card tests: pcscd can be started by root only, and none runs here")
    with pcscd.virtual_reader(tmp_path_factory.mktemp("pcscd")):
        yield


@pytest.fixture(scope="module")
def deck(service: None, authority: TestAuthority) -> LocalDeck:
    card = authority.issue_card(HANAKO, datetime.now(UTC))
    return LocalDeck({card.label: card}, VpcdSlot().lay)


@pytest.fixture(scope="module")
def laid(deck: LocalDeck) -> Iterator[VirtualCard]:
    """Laid once: a card that comes back before pcscd looked is an empty slot to OpenSC for a while."""
    deck.insert(deck.names()[0])
    card = deck.card()
    assert card is not None
    wait_for_card()
    yield card
    deck.remove()


def wait_for_card() -> None:
    """pcscd looks into its readers about every 400 ms."""
    with PcscReader(waits_s=10).connect():
        pass


@contextmanager
def in_its_place(deck: LocalDeck, card: VirtualCard) -> Iterator[None]:
    """Another card on the reader for a while."""
    deck.remove()
    slot = VpcdSlot()
    try:
        slot.lay(card)
        wait_for_card()
        yield
    finally:
        slot.lay(None)
        deck.insert(deck.names()[0])
        wait_for_card()


def run(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def asked(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """OpenSC right after another program let go of the card may see an empty slot; then it is asked again."""
    command = ("pkcs11-tool", "--module", opensc_module(), *arguments)
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if not re.search(rb"No slot with|CKR_TOKEN_NOT_PRESENT", done.stderr):
            break
        time.sleep(0.1)
    return done


def pkcs11(*arguments: str) -> bytes:
    done = asked(*arguments)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@dataclass(frozen=True)
class Slot:
    """One of the two tokens that OpenSC makes of a card: a key behind its own PIN."""

    index: str
    key: str
    pin: str
    certificate: Callable[[CardContents], bytes | None]
    pin_of: Callable[[CardContents], Pin]

    def login(self, pin: str) -> Sequence[str]:
        return ("--slot-index", self.index, "--login", "--pin", pin)

    def sign(self, pin: str, folder: Path) -> Sequence[str]:
        files = ("--input-file", str(folder / "input"), "--output-file", str(folder / "signature"))
        return (*self.login(pin), "--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", self.key, *files)


SLOTS = {
    "user authentication": Slot(
        "0", "01", "1234", lambda card: card.authentication_certificate, lambda card: card.pin
    ),
    "digital signature": Slot(
        "1", "02", "ABC123", lambda card: card.signature_certificate, lambda card: card.password
    ),
}
each_slot = pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)


def opensc_module() -> str:
    return next(str(path) for path in Path("/usr/lib").rglob("opensc-pkcs11.so"))


def test_pyscard_signs_through_pcscd(laid: VirtualCard) -> None:
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3
        signed = card.sign(Purpose.AUTHENTICATION, bytearray(b"1234"), PREPARED)
    assert signed.leaf_der == laid.contents.authentication_certificate
    assert len(signed.signature) == 256


def test_opensc_reads_what_is_printed_and_never_the_my_number(laid: VirtualCard) -> None:
    """As `opensc-tool` sends what it is told: the application, its PIN, both files."""
    verify = "00200080" + "04" + b"1234".hex()
    told = run(
        "opensc-tool",
        *(part for apdu in (
            "00A4040C0AD3921000310001010408", "00A4020C020011", verify,
            "00A4020C020002", "00B0000000", "00A4020C020001", "00B0000000",
        ) for part in ("-s", apdu)),
    ).decode()  # fmt: skip
    states = re.findall(r"SW1=0x(..), SW2=0x(..)", told)
    assert ["".join(state) for state in states] == [*["9000"] * 6, "6982"]
    assert "FF 20" in told
    with PcscReader().connect() as transport, AttributesCard(transport) as card:
        assert card.by_pin(bytearray(b"1234")).name == HANAKO.name


def test_opensc_lists_four_certificates_and_two_pins(laid: VirtualCard) -> None:
    certificates = run("pkcs15-tool", "--list-certificates").decode()
    assert certificates.count("X.509 Certificate [") == 4
    assert run("pkcs15-tool", "--list-pins").decode().count("PIN [") == 2


@each_slot
def test_openssl_verifies_what_opensc_signed(laid: VirtualCard, slot: Slot, tmp_path: Path) -> None:
    certificate = slot.certificate(laid.contents)
    assert certificate is not None
    (tmp_path / "input").write_bytes(b"what is signed")
    (tmp_path / "certificate").write_bytes(certificate)
    pkcs11(*slot.sign(slot.pin, tmp_path))
    key = run("openssl", "x509", "-inform", "der", "-in", str(tmp_path / "certificate"), "-noout", "-pubkey")
    (tmp_path / "key").write_bytes(key)
    told = run(
        "openssl", "dgst", "-sha256", "-verify", str(tmp_path / "key"),
        "-signature", str(tmp_path / "signature"), str(tmp_path / "input"),
    )  # fmt: skip
    assert told == b"Verified OK\n"


@each_slot
def test_a_pin_that_was_wrong_at_opensc_is_counted_and_blocks_at_last_also_for_dairi(
    laid: VirtualCard, deck: LocalDeck, authority: TestAuthority, slot: Slot
) -> None:
    """Another program that uses a card up must not surprise anyone."""
    card = authority.issue_card(HANAKO, datetime.now(UTC))
    wrong, purpose = slot.pin[::-1], [*Purpose][int(slot.index)]
    tries = slot.pin_of(card.contents).most_tries
    with in_its_place(deck, card):
        assert b"CKR_PIN_INCORRECT" in asked(*slot.login(wrong), "--list-objects").stderr
        with PcscReader().connect() as transport, JpkiCard(transport) as seen:
            assert seen.tries_left(purpose) == tries - 1
        pkcs11(*slot.login(slot.pin), "--list-objects")
        assert slot.pin_of(card.contents).tries_left == tries
        slot.pin_of(card.contents).tries_left = 1
        assert b"CKR_PIN" in asked(*slot.login(wrong), "--list-objects").stderr
        assert slot.pin_of(card.contents).tries_left == 0
        assert asked(*slot.login(slot.pin), "--list-objects").returncode != 0
        with (
            pytest.raises(Fault, match=r"card\.blocked"),
            PcscReader().connect() as transport,
            JpkiCard(transport) as blocked,
        ):
            blocked.sign(purpose, bytearray(slot.pin.encode()), PREPARED)


SELECT_JPKI = "00A4040C0AD392F000260100000001"
OPEN_PIN = (SELECT_JPKI, "00A4020C020018", "0020008004" + b"1234".hex())
SELECT_KEY = "00A4020C020017"
SIGN = f"802A0080333031300D060960864801650304020105000420{'00' * 32}00"


def raw(*apdus: str, leaves: int) -> list[str]:
    """What another program does, which ends without cutting the power, say."""
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    name = scard.SCardListReaders(context, [])[1][0]
    _, handle, _ = scard.SCardConnect(context, name, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1)
    answers = [scard.SCardTransmit(handle, scard.SCARD_PCI_T1, [*bytes.fromhex(apdu)])[1] for apdu in apdus]
    scard.SCardDisconnect(handle, leaves)
    scard.SCardReleaseContext(context)
    return [bytes(answer[-2:]).hex().upper() for answer in answers]


def test_what_another_program_verified_outlives_it_and_never_our_own_use(laid: VirtualCard) -> None:
    """The trap of the reference's §1.3, and why a use ends by leaving and by cutting the power."""
    assert set(raw(*OPEN_PIN, leaves=scard.SCARD_LEAVE_CARD)) == {"9000"}
    assert raw(SELECT_KEY, SIGN, leaves=scard.SCARD_LEAVE_CARD) == ["9000", "9000"]
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3
        assert transport.transmit(bytes.fromhex(SELECT_KEY)) == b"\x90\x00"
        assert transport.transmit(bytes.fromhex(SIGN)) == b"\x69\x82"
        for apdu in OPEN_PIN:
            transport.transmit(bytes.fromhex(apdu))
    assert raw(SELECT_KEY, leaves=scard.SCARD_LEAVE_CARD) == ["6A82"]


def test_a_use_that_ended_in_the_middle_leaves_nothing_verified(laid: VirtualCard) -> None:
    with pytest.raises(ValueError, match="middle"), PcscReader().connect() as transport:
        for apdu in OPEN_PIN:
            assert transport.transmit(bytes.fromhex(apdu)) == b"\x90\x00"
        raise ValueError("in the middle")
    assert raw(SELECT_KEY, SELECT_JPKI, SELECT_KEY, SIGN, leaves=scard.SCARD_UNPOWER_CARD) == [
        "6A82", "9000", "9000", "6982",
    ]  # fmt: skip


def test_dairi_verifies_what_opensc_signed(
    laid: VirtualCard, authority: TestAuthority, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    authority.publish_crls(now)
    prepared = prepare(
        SigningPurpose.LOGIN,
        issuer="https://op.example",
        audience="https://op.example/a",
        nonce=b"n" * 16,
        issued_at=now,
    )
    (tmp_path / "input").write_bytes(prepared.signing_input)
    objects = pkcs11("--list-objects", "--type", "cert").decode()
    assert "User Authentication" in objects
    pkcs11(*SLOTS["user authentication"].sign("1234", tmp_path))
    container = Flattened(
        prepared.protected,
        prepared.payload,
        (tmp_path / "signature").read_bytes(),
        laid.contents.authentication_certificate,
    )
    evidence = verify_signed_by_card(
        container, expecting=SigningPurpose.LOGIN, prepared=prepared, trust=authority.trust(), now=now
    )
    assert evidence.certificate.purpose is Purpose.AUTHENTICATION


def test_the_command_shows_the_card(laid: VirtualCard) -> None:
    shown = CliRunner().invoke(app, ["show"])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"tries left for the PIN +3\n", shown.output)
    assert re.search(r"tries left for the signature password +5\n", shown.output)


HOLDER = """
import sys
from card.pcsc import PcscReader
with PcscReader().connect():
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_by_another_program() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.communicate("\n", timeout=10)
        assert holder.returncode == 0


def test_a_card_that_another_program_holds_is_told(laid: VirtualCard) -> None:
    with (
        held_by_another_program(),
        pytest.raises(Fault, match=r"card\.in_use"),
        PcscReader(waits_s=0.2).connect(),
    ):
        raise AssertionError("one card, one holder")


def test_a_card_that_another_program_lets_go_of_is_taken_at_once(laid: VirtualCard) -> None:
    with held_by_another_program() as holder:
        assert holder.stdin is not None
        threading.Timer(0.3, lambda: holder.stdin.write("\n") and holder.stdin.flush()).start()
        began = time.monotonic()
        with PcscReader(waits_s=30).connect() as transport, JpkiCard(transport) as card:
            assert card.tries_left(Purpose.AUTHENTICATION) == 3
        assert 0.3 <= time.monotonic() - began < 5


@pytest.fixture
def second(service: None, laid: VirtualCard) -> Iterator[VpcdSlot]:
    """The other slot of vpcd, a reader of its own."""
    slot = VpcdSlot(port=DEFAULT_PORT + 1)
    yield slot
    slot.lay(None)


def wait_for_the_second(name: str = "00 01") -> None:
    with PcscReader(name, waits_s=10).connect():
        pass


class Badge(VirtualCard):
    """A card of somebody else's system."""

    def process(self, apdu: bytes) -> bytes:
        del apdu
        return b"\x6a\x82"


def test_a_badge_on_a_second_reader_is_passed_over(laid: VirtualCard, second: VpcdSlot) -> None:
    second.lay(Badge(laid.contents))
    wait_for_the_second()
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.certificate(Purpose.AUTHENTICATION) == laid.contents.authentication_certificate


def test_of_two_my_number_cards_none_is_taken_unless_its_reader_is_named(
    laid: VirtualCard, second: VpcdSlot, authority: TestAuthority
) -> None:
    """A PIN that was typed for one of them would cost the other a try."""
    other = authority.issue_card(HANAKO, datetime.now(UTC))
    second.lay(other)
    wait_for_the_second()
    with pytest.raises(Fault, match=r"card\.several"), PcscReader().connect():
        raise AssertionError("none is taken")
    for name, lying in (("00 00", laid), ("00 01", other)):
        with PcscReader(name).connect() as transport, JpkiCard(transport) as card:
            assert card.certificate(Purpose.AUTHENTICATION) == lying.contents.authentication_certificate


def test_a_card_that_is_laid_down_is_noticed_at_once(laid: VirtualCard, deck: LocalDeck) -> None:
    """pcscd itself looks into its virtual reader every 400 ms."""
    deck.remove()
    threading.Timer(0.5, lambda: deck.insert(deck.names()[0])).start()
    began = time.monotonic()
    with PcscReader(waits_s=30).connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3
    assert 0.5 <= time.monotonic() - began < 5


def test_a_wait_for_a_card_is_cancelled_from_another_thread(laid: VirtualCard, deck: LocalDeck) -> None:
    deck.remove()
    reader = PcscReader(waits_s=60)
    threading.Timer(0.3, reader.cancel).start()
    began = time.monotonic()
    with pytest.raises(Fault, match=r"card\.no_card"), reader.connect():
        raise AssertionError("no card, no transport")
    assert time.monotonic() - began < 5
    deck.insert(deck.names()[0])
    wait_for_card()


def test_every_context_is_released_also_after_a_failure(laid: VirtualCard) -> None:
    """Each is a connection to pcscd, of which it gives a program few."""

    def fail() -> None:
        with suppress(Fault), PcscReader("No Such Reader", waits_s=0).connect():
            raise AssertionError("no reader, no transport")
        with suppress(ValueError), PcscReader().connect():
            raise ValueError("in the middle")

    fail()
    before = psutil.Process().num_fds()
    for _ in range(20):
        fail()
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize(
    ("failure", "code"), [(Failure.PULLED, "card.removed"), (Failure.ERROR, "card.failed")]
)
def test_a_card_that_fails_before_it_answered_is_told(
    laid: VirtualCard, deck: LocalDeck, failure: Failure, code: str
) -> None:
    with in_its_place(deck, FailingCard.of(laid, failure, 4)):
        assert outcome() == code
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3


@contextmanager
def virtual_cards(folder: Path, *arguments: str) -> Iterator[DeckClient]:
    """`dairi card virtual`, and its deck."""
    command = [
        sys.executable,
        "-c",
        "from card.commands import app; app()",
        "virtual",
        "--folder",
        str(folder),
    ]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            told = re.fullmatch(r".+ lies on the virtual reader; .+:(\d+)\n", program.stdout.readline())
            assert told is not None
            yield DeckClient("127.0.0.1", int(told[1]))
        finally:
            program.terminate()
        assert program.wait(10) == 0


@pytest.mark.parametrize(
    ("failing", "code", "lies"),
    [("pulled", "card.removed", False), ("error", "card.failed", True), ("slow", None, True)],
)
def test_the_command_puts_cards_on_the_reader_that_fail_at_the_command_that_was_chosen(
    laid: VirtualCard, deck: LocalDeck, tmp_path: Path, failing: str, code: str | None, lies: bool
) -> None:
    deck.remove()
    save_card(laid, tmp_path / "card.json")
    with virtual_cards(tmp_path, "--failing", failing, "--after", "5") as cards:
        assert outcome() == code
        for _ in range(50):  # the program that was told first may be the slower one
            if (cards.inserted() is not None) == lies:
                break
            time.sleep(0.1)
        assert cards.inserted() == (laid.label if lies else None)
        cards.insert(laid.label)
        assert outcome() is None
        cards.remove()
    deck.insert(deck.names()[0])
    wait_for_card()


def outcome() -> str | None:
    try:
        with PcscReader(waits_s=10).connect() as transport, JpkiCard(transport) as card:
            card.sign(Purpose.AUTHENTICATION, bytearray(b"1234"), PREPARED)
    except Fault as fault:
        return fault.code
    return None


def test_the_command_says_what_is_missing(service: None, tmp_path: Path) -> None:
    for arguments, said in (
        (["--folder", str(tmp_path)], "no cards in"),
        (["--folder", str(tmp_path), "--failing", "melted"], "Invalid value for '--failing'"),
    ):
        told = CliRunner().invoke(app, ["virtual", *arguments])
        assert told.exit_code != 0
        assert said in told.output


def test_a_card_pulled_out_in_the_middle_is_told(laid: VirtualCard, deck: LocalDeck) -> None:
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        deck.remove()
        with pytest.raises(Fault) as told:
            card.certificate(Purpose.AUTHENTICATION)
    assert told.value.code == "card.removed"


def test_an_empty_reader_is_told(service: None) -> None:
    with pytest.raises(Fault) as told, PcscReader().connect():
        raise AssertionError("no card, no transport")
    assert told.value.code == "card.no_card"


def test_a_reader_by_another_name_is_no_reader(service: None) -> None:
    with pytest.raises(Fault) as told, PcscReader("No Such Reader").connect():
        raise AssertionError("no reader, no transport")
    assert told.value.code == "card.no_reader"


def test_a_service_that_is_down_is_told_in_a_sentence(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from card.commands import app; app()", "show"],
        env={**os.environ, "PCSCLITE_CSOCK_NAME": str(tmp_path / "nobody")},
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert shown.returncode == 1
    assert shown.stderr.splitlines() == [
        "The smart card service is not running.",
        "Restart the computer, or ask its administrator to start pcscd.",
    ]
