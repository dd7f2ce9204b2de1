"""The tables of card/README.md are what happens: card × use × fault → code, and code → message."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

import card as package
from card.attributes import AttributesCard
from card.certificates import Purpose
from card.faults import Fault
from card.jpki import JpkiCard
from card.pages import LOCALES, load_catalogue
from card.virtual.card import Pin, VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from card.virtual.failing import FailingCard, Failure
from tests.card.conftest import PREPARED

README = Path(package.__file__).with_name("README.md")
BEGIN, END = "<!-- what happens -->\n", "<!-- until here -->\n"
COLUMNS = ("log in", "sign", "read what is printed")
WRONG = {"log in": b"0000", "sign": b"WRONG1", "read what is printed": b"0000"}
RIGHT = {"log in": b"1234", "sign": b"ABC123", "read what is printed": b"1234"}
SHAPELESS = b"12"
DONE = "done"


def use(reader: InProcessReader, what: str, pin: bytes) -> str:
    try:
        with reader.connect() as transport:
            if what == "read what is printed":
                with AttributesCard(transport) as printed:
                    printed.by_pin(bytearray(pin))
            else:
                purpose = Purpose.AUTHENTICATION if what == "log in" else Purpose.SIGNATURE
                with JpkiCard(transport) as jpki:
                    jpki.sign(purpose, bytearray(pin), PREPARED)
    except Fault as fault:
        return fault.code
    return DONE


def lying(card: VirtualCard | None) -> InProcessReader:
    deck = LocalDeck({} if card is None else {card.label: card})
    if card is not None:
        deck.insert(card.label)
    return InProcessReader(deck)


def left(card: VirtualCard, tries: int) -> VirtualCard:
    contents = card.contents
    assert contents.printed is not None

    def spent(pin: Pin) -> Pin:
        return replace(pin, tries_left=tries)

    printed = replace(contents.printed, pin=spent(contents.printed.pin))
    return VirtualCard(
        replace(contents, pin=spent(contents.pin), password=spent(contents.password), printed=printed)
    )


class Foreign(VirtualCard):
    """A card of somebody else's system."""

    def process(self, apdu: bytes) -> bytes:
        del apdu
        return b"\x6a\x82"


Lay = Callable[[VirtualCard, VirtualCard], VirtualCard | None]
ROWS: Mapping[str, tuple[Lay, Mapping[str, bytes]]] = {
    "a card, and its PIN": (lambda card, _: card, RIGHT),
    "no card": (lambda _card, _child: None, RIGHT),
    "another card": (lambda card, _: Foreign(card.contents), RIGHT),
    "a child's card, without a signature certificate": (lambda _, child: child, RIGHT),
    "what is no PIN": (lambda card, _: card, dict.fromkeys(COLUMNS, SHAPELESS)),
    "a wrong PIN": (lambda card, _: card, WRONG),
    "a wrong PIN, and one try is left then": (lambda card, _: left(card, 2), WRONG),
    "one try is left, and nobody said yes to it": (lambda card, _: left(card, 1), RIGHT),
    "a blocked card": (lambda card, _: left(card, 0), RIGHT),
    "pulled out in the middle": (lambda card, _: FailingCard.of(card, Failure.PULLED, 3), RIGHT),
    "an error of the card (6F00)": (lambda card, _: FailingCard.of(card, Failure.ERROR, 3), RIGHT),
    "an answer that is cut off": (lambda card, _: FailingCard.of(card, Failure.CUT, 3), RIGHT),
    "an answer that never ends": (lambda card, _: FailingCard.of(card, Failure.ENDLESS, 3), RIGHT),
}


def tables(card: VirtualCard, child: VirtualCard) -> str:
    lines = [f"| on the reader | {' | '.join(COLUMNS)} |", f"| --- |{' --- |' * len(COLUMNS)}"]
    codes: dict[str, None] = {}
    for name, (lay, pins) in ROWS.items():
        found = []
        for what in COLUMNS:
            laid = lay(VirtualCard(deepcopy(card.contents)), VirtualCard(deepcopy(child.contents)))
            found.append(use(lying(laid), what, pins[what]))
        codes.update(dict.fromkeys(code for code in found if code != DONE))
        lines.append(f"| {name} | {' | '.join(code if code == DONE else f'`{code}`' for code in found)} |")
    texts = load_catalogue(["card"])
    lines += ["", "| | what the person reads |", "| --- | --- |"]
    for code in codes:
        said = [
            texts.texts[locale][f"fault.{code}"]
            + (" " if locale == "en" else "")
            + texts.texts[locale][f"fault.{code}.next"]
            for locale in LOCALES
        ]
        lines.append(f"| `{code}` | {'<br>'.join(said)} |")
    return "\n".join(lines) + "\n"


def test_the_readme_says_what_happens(card: VirtualCard, childs_card: VirtualCard) -> None:
    """`card` with its tries unspent; a failed comparison shows the tables to be written."""
    written = README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"
    assert written == tables(card, childs_card)


@pytest.mark.parametrize("what", COLUMNS)
def test_none_of_it_spends_the_last_try(card: VirtualCard, what: str) -> None:
    laid = left(card, 1)
    assert use(lying(laid), what, WRONG[what]) == "card.last_try"
    assert use(lying(laid), what, WRONG[what]) == "card.last_try"
