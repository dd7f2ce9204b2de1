"""What goes wrong with a card, at every single command: the person is told, the card none the worse."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from card.attributes import AttributesCard
from card.certificates import Purpose
from card.container import SigningPurpose, verify_signed_by_card
from card.faults import CardRejected, Fault
from card.signing import sign_on
from card.trust import Trust
from card.virtual import failing
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from card.virtual.failing import FailingCard, Failure
from tests.card.conftest import HANAKO, NOW, PREPARED

TOLD = {"card.removed", "card.no_card", "card.failed", "card.no_certificate", "card.not_my_number"}
MANY = 100

Use = Callable[[InProcessReader, Trust], bool]


def authenticate(reader: InProcessReader, trust: Trust) -> bool:
    """Whether what the card signed counts."""
    container = sign_on(reader, PREPARED, Purpose.AUTHENTICATION, bytearray(b"1234"))
    try:
        verify_signed_by_card(
            container,
            expecting=SigningPurpose.LOGIN,
            prepared=PREPARED,
            trust=trust,
            now=NOW + timedelta(seconds=5),
        )
    except CardRejected:
        return False
    return True


def sign(reader: InProcessReader, trust: Trust) -> bool:
    del trust
    container = sign_on(reader, PREPARED, Purpose.SIGNATURE, bytearray(b"ABC123"))
    return len(container.signature) in {96, 256}


def read_printed(reader: InProcessReader, trust: Trust) -> bool:
    del trust
    with reader.connect() as transport, AttributesCard(transport) as card:
        return card.by_pin(bytearray(b"1234")).name == HANAKO.name


USES = {"authenticate": authenticate, "sign": sign, "read what is printed": read_printed}


def on_a_reader(card: VirtualCard) -> InProcessReader:
    deck = LocalDeck({card.label: card})
    deck.insert(card.label)
    return InProcessReader(deck)


def commands_of(card: VirtualCard, use: Use, trust: Trust) -> int:
    counting = FailingCard.of(card, Failure.SLOW, MANY)
    assert use(on_a_reader(counting), trust)
    return counting.answered


def tries(card: VirtualCard) -> list[int]:
    contents = card.contents
    assert contents.printed is not None
    return [pin.tries_left for pin in (contents.pin, contents.password, contents.printed.pin)]


def outcome(use: Use, card: VirtualCard, trust: Trust) -> str:
    try:
        return "done" if use(on_a_reader(card), trust) else "refused"
    except Fault as fault:
        return fault.code


def expected(failure: Failure, *, leaving: bool) -> set[str]:
    """Leaving the card comes when all was done, so that nobody waits for it."""
    if failure is Failure.SLOW or leaving:
        return {"done"}
    comes_through = failure in {Failure.GARBAGE, Failure.OVERSIZED}
    return {"done", "refused", *TOLD} if comes_through else TOLD


@pytest.fixture(params=["card", "next_card"], ids=["RSA", "P-384"])
def any_card(request: pytest.FixtureRequest) -> VirtualCard:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, VirtualCard)
    return found


@pytest.mark.parametrize("failure", Failure)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_failure_at_any_command_is_told_or_harmless_and_spends_no_try(
    any_card: VirtualCard, trust: Trust, use: Use, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage that comes through is refused by whoever verifies it."""
    monkeypatch.setattr(failing, "_SLOW_S", 0.001)
    card = any_card
    commands = commands_of(card, use, trust)
    for after in range(commands):
        found = outcome(use, FailingCard.of(card, failure, after), trust)
        assert found in expected(failure, leaving=after == commands - 1), after
        assert tries(card) == [3, 5, 3]
        assert outcome(use, card, trust) == "done"


def test_iso7816_4_5_1_an_answer_that_never_ends_is_given_up(card: VirtualCard, trust: Trust) -> None:
    laid = FailingCard.of(card, Failure.ENDLESS, 0)
    with pytest.raises(Fault):
        authenticate(on_a_reader(laid), trust)
    assert laid.answered < MANY


def test_a_card_that_was_pulled_works_when_it_is_laid_down_again(card: VirtualCard, trust: Trust) -> None:
    laid = FailingCard.of(card, Failure.PULLED, 3)
    deck = LocalDeck({laid.label: laid})
    deck.insert(laid.label)
    with pytest.raises(Fault, match=r"card\.removed"):
        authenticate(InProcessReader(deck), trust)
    assert deck.inserted() is None
    deck.insert(laid.label)
    assert authenticate(InProcessReader(deck), trust)
