"""card.virtual: the deck, in this process and over loopback, and cards that survive a restart."""

import stat
from pathlib import Path

import pytest

from card.virtual.card import VirtualCard
from card.virtual.deck import DeckClient, DeckServer, LocalDeck
from card.virtual.store import load_deck, save_card


def test_a_deck_is_moved_from_another_process(card: VirtualCard) -> None:
    laid: list[str | None] = []
    deck = LocalDeck({"花子": card, "由紀": card}, lambda now: laid.append(now and now.label))
    with DeckServer(deck, "127.0.0.1", 0) as server:
        client = DeckClient("127.0.0.1", server.port)
        assert (client.names(), client.inserted()) == (["花子", "由紀"], None)
        client.insert("由紀")
        assert (client.inserted(), deck.inserted()) == ("由紀", "由紀")
        with pytest.raises(KeyError):
            client.insert("太郎")
        client.remove()
        assert client.inserted() is None
    assert laid == [card.label, None]


def test_a_card_keeps_its_keys_and_its_spent_tries(card: VirtualCard, tmp_path: Path) -> None:
    path = tmp_path / "hanako.json"
    save_card(card, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = load_deck(tmp_path)[card.label]
    kept.process(bytes.fromhex("00A4040C0AD392F000260100000001"))
    kept.process(bytes.fromhex("00A4020C020018"))
    assert kept.process(b"\x00\x20\x00\x80\x040000") == b"\x63\xc2"
    again = load_deck(tmp_path)[card.label].contents
    assert again.pin.tries_left == 2
    assert again.authentication_certificate == card.contents.authentication_certificate
