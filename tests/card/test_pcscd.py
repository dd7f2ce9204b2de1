"""The virtual card behind the real pcscd and vpcd.

Pyscard, and OpenSC's own JPKI driver, which we did not write.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
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
from card.virtual.card import VirtualCard
from card.virtual.deck import LocalDeck
from card.virtual.failing import FailingCard, Failure
from card.virtual.vpcd import VpcdSlot
from tests.card.conftest import HANAKO


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
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(Fault), PcscReader().connect():
            return
        time.sleep(0.05)
    raise AssertionError("the card was not seen")


def run(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def pkcs11(*arguments: str) -> bytes:
    """OpenSC right after another program let go of the card may see an empty slot; then it is asked again."""
    command = ("pkcs11-tool", "--module", opensc_module(), *arguments)
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if b"No slot with a token" not in done.stderr:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def opensc_module() -> str:
    return next(str(path) for path in Path("/usr/lib").rglob("opensc-pkcs11.so"))


def test_pyscard_signs_through_pcscd(laid: VirtualCard) -> None:
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3
        certificate, signature = card.sign(Purpose.AUTHENTICATION, bytearray(b"1234"), b"abc")
    assert certificate == laid.contents.authentication_certificate
    assert len(signature) == 256


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
    pkcs11(
        "--sign", "--mechanism", "SHA256-RSA-PKCS", "--pin", "1234", "--id", "01",
        "--input-file", str(tmp_path / "input"), "--output-file", str(tmp_path / "signature"),
    )  # fmt: skip
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


def test_a_card_that_another_program_holds_is_told(laid: VirtualCard) -> None:
    with PcscReader().connect(), pytest.raises(Fault) as told, PcscReader().connect():
        raise AssertionError("one card, one holder")
    assert told.value.code == "card.in_use"


@pytest.mark.parametrize(
    ("failure", "code"), [(Failure.PULLED, "card.removed"), (Failure.ERROR, "card.failed")]
)
def test_a_card_that_fails_before_it_answered_is_told(
    laid: VirtualCard, deck: LocalDeck, failure: Failure, code: str
) -> None:
    deck.remove()
    slot = VpcdSlot()
    slot.lay(FailingCard.of(laid, failure, 4))
    wait_for_card()
    with pytest.raises(Fault) as told, PcscReader().connect() as transport, JpkiCard(transport) as card:
        card.sign(Purpose.AUTHENTICATION, bytearray(b"1234"), b"abc")
    assert told.value.code == code
    slot.lay(None)
    deck.insert(deck.names()[0])
    wait_for_card()
    with PcscReader().connect() as transport, JpkiCard(transport) as card:
        assert card.tries_left(Purpose.AUTHENTICATION) == 3


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
