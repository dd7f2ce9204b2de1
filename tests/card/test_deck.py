"""card.virtual: the deck, in this process and over loopback, and cards that survive a restart."""

import socket
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from card.certificates import Purpose
from card.container import SigningPurpose, verify_signed_by_card
from card.faults import Fault
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.deck import DeckClient, DeckServer, LocalDeck
from card.virtual.holder import sign_as_holder
from card.virtual.store import load_deck, save_card
from card.virtual.vpcd import VpcdError, VpcdSlot
from tests.card.conftest import NOW, PREPARED


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


def test_a_deck_whose_reader_is_gone_says_so_and_goes_on(card: VirtualCard) -> None:
    readers = [VpcdError("no virtual reader")]

    def lay(now: VirtualCard | None) -> None:
        if now is not None and readers:
            raise readers.pop()

    deck = LocalDeck({"花子": card}, lay)
    with DeckServer(deck, "127.0.0.1", 0) as server:
        client = DeckClient("127.0.0.1", server.port)
        with pytest.raises(Fault, match=r"card\.service_down"):
            client.insert("花子")
        assert client.inserted() is None
        client.insert("花子")
        assert client.inserted() == "花子"


def test_a_card_whose_reader_hung_up_lies_there_no_more_and_can_be_laid_again(card: VirtualCard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as driver:
        slot = VpcdSlot(port=driver.getsockname()[1])
        deck = LocalDeck({"花子": card}, slot.lay, slot.holds)
        for _ in range(2):
            deck.insert("花子")
            connection, _ = driver.accept()
            assert deck.inserted() == "花子"
            connection.close()
            until = time.monotonic() + 5
            while slot.holds() and time.monotonic() < until:
                time.sleep(0.01)
            assert deck.inserted() is None


def test_a_deck_that_is_gone_is_a_fault(card: VirtualCard) -> None:
    with DeckServer(LocalDeck({"花子": card}), "127.0.0.1", 0) as server:
        client = DeckClient("127.0.0.1", server.port)
    for ask in (client.names, client.inserted, client.remove, lambda: client.insert("花子")):
        with pytest.raises(Fault, match=r"card\.service_down"):
            ask()


@pytest.mark.parametrize("answer", [b"", b"nonsense\n", b"[]\n", b"{}\n"])
def test_an_answer_that_is_no_decks_is_a_fault(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Fault, match=r"card\.service_down"):
            DeckClient("127.0.0.1", server.getsockname()[1]).names()
        thread.join()


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
    assert (again.signature_certificate, again.printed) == (
        card.contents.signature_certificate,
        card.contents.printed,
    )


def test_a_card_of_the_next_generation_is_kept_too(
    next_card: VirtualCard, trust: Trust, tmp_path: Path
) -> None:
    save_card(next_card, tmp_path / "next.json")
    (kept,) = load_deck(tmp_path).values()
    container = sign_as_holder(kept, PREPARED, Purpose.AUTHENTICATION)
    verify_signed_by_card(container, expecting=SigningPurpose.LOGIN, prepared=PREPARED, trust=trust, now=NOW)


def test_a_childs_card_and_one_without_what_is_printed_are_kept_too(
    childs_card: VirtualCard, tmp_path: Path
) -> None:
    save_card(VirtualCard(replace(childs_card.contents, printed=None)), tmp_path / "child.json")
    (kept,) = load_deck(tmp_path).values()
    assert (kept.contents.signature_certificate, kept.contents.printed) == (None, None)
