"""Someone who lays her card down and knows its PIN: for the sandbox's seed and for tests."""

from card.certificates import Purpose
from card.container import ToBeSigned
from card.jose import Flattened
from card.signing import sign_on
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck


def lay_down(card: VirtualCard) -> InProcessReader:
    """A reader with this card on it."""
    deck = LocalDeck({card.label: card})
    deck.insert(card.label)
    return InProcessReader(deck)


def sign_as_holder(card: VirtualCard, prepared: ToBeSigned, certificate: Purpose) -> Flattened:
    """Sign with a virtual card and its own PIN or password, by the very code that a real one is used with."""
    secret = card.contents.pin if certificate is Purpose.AUTHENTICATION else card.contents.password
    return sign_on(lay_down(card), prepared, certificate, bytearray(secret.value))
