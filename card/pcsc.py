"""A reader through PC/SC. The only importer of pyscard, which builds from source and is optional.

It is spoken to as the specification has it (PC/SC part 5), one context a use: what pyscard's classes leave to
the garbage collector speaks to a service that is gone.
"""

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from smartcard import scard

from card.faults import Fault
from card.jpki import JpkiCard
from card.transport import Transport

_LOOK_AGAIN_S: Final = 0.5
_NEW_READERS: Final = "\\\\?PnP?\\Notification"
"""The reader that is none: its state changes when another one is plugged in. macOS lacks it."""

_NO_SERVICE: Final = frozenset({scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED})
_NO_CARD: Final = frozenset({scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD})
_HEADERS: Final = {
    scard.SCARD_PROTOCOL_T0: scard.SCARD_PCI_T0,
    scard.SCARD_PROTOCOL_T1: scard.SCARD_PCI_T1,
}


def _service_fault() -> Fault:
    """Windows runs its service only while there is a reader, and to restart it helps nobody."""
    return Fault("card.no_reader" if platform.system() == "Windows" else "card.service_down")


def _card_fault(result: int) -> Fault:
    """Why there is no card to be had of a reader."""
    if result in _NO_SERVICE:
        return _service_fault()
    if result in _NO_CARD:
        return Fault("card.no_card")
    return Fault("card.in_use" if result == scard.SCARD_E_SHARING_VIOLATION else "card.removed")


class _PcscTransport:
    """A card that is held; `protocol` is what the reader and it agreed on."""

    def __init__(self, handle: int, protocol: int) -> None:
        self._handle, self._header = handle, _HEADERS[protocol]

    def transmit(self, apdu: bytes) -> bytes:
        result, answer = scard.SCardTransmit(self._handle, self._header, list(apdu))
        if result in _NO_SERVICE:
            raise _service_fault()
        if result != scard.SCARD_S_SUCCESS or not answer:  # pcscd takes a card that is gone for a silent one
            raise Fault("card.removed")
        return bytes(answer)

    def let_go(self) -> None:
        """Cut its power: that alone clears its security state."""
        scard.SCardDisconnect(self._handle, scard.SCARD_UNPOWER_CARD)


class PcscReader:
    """The My Number card that lies on one of this computer's readers and that nobody else holds.

    Among cards of other kinds, such as the badge of whoever sits there, it is found. Of two My Number cards
    none is taken: the PIN that was typed belongs to one of them, and would cost the other one a try.

    :param name_contains: part of the reader's name, where a PC has several; the others are not looked at.
    :param waits_s: how long to wait for a reader, a card, or another program to let go of it, in seconds.
    """

    def __init__(self, name_contains: str = "", *, waits_s: float = 2.0) -> None:
        self._name_contains, self._waits_s = name_contains, waits_s
        self._contexts: set[int] = set()

    def cancel(self) -> None:
        """End every wait at once, from another thread or a signal: no card was laid down."""
        for context in list(self._contexts):
            scard.SCardCancel(context)

    @contextmanager
    def connect(self) -> Iterator[Transport]:
        """Hold the card exclusively, and cut its power afterwards.

        :raises Fault: `card.service_down`, `card.no_reader`, `card.no_card`, `card.in_use`, `card.several`,
            `card.not_my_number` where several cards lie there, or `card.removed` for a mute one.
        """
        with self._context() as context:
            card = self._reach(context)
            try:
                yield card
            finally:
                card.let_go()

    @contextmanager
    def _context(self) -> Iterator[int]:
        result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        if result != scard.SCARD_S_SUCCESS:
            raise _service_fault()
        self._contexts.add(context)
        try:
            yield context
        finally:
            self._contexts.discard(context)
            scard.SCardReleaseContext(context)

    def _reach(self, context: int) -> _PcscTransport:
        """Look at every reader, and again whenever one of them changes."""
        until = time.monotonic() + self._waits_s
        while True:
            states = _states(context, self._names(context))
            reached = _only_card(context, [name for name, state in states.items() if _has_card(state)])
            if isinstance(reached, _PcscTransport):
                return reached
            names = states.keys() - {_NEW_READERS}
            refusal = reached if names else Fault("card.no_reader")
            told_of_all = _NEW_READERS in states and refusal.code != "card.in_use"
            if not _may_have_changed(context, states, until, told_of_all=told_of_all):
                raise refusal

    def _names(self, context: int) -> list[str]:
        result, names = scard.SCardListReaders(context, [])
        if result == scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        if result != scard.SCARD_S_SUCCESS:
            raise _service_fault()
        return [name for name in names if self._name_contains in name]


def _has_card(state: int) -> bool:
    return bool(state & scard.SCARD_STATE_PRESENT)


def _states(context: int, names: Sequence[str]) -> Mapping[str, int]:
    """What each reader is like now, and the one that tells of new ones, where there is it."""
    unaware = [(name, scard.SCARD_STATE_UNAWARE) for name in (*names, _NEW_READERS)]
    result, states = scard.SCardGetStatusChange(context, 0, unaware)
    if result == scard.SCARD_E_UNKNOWN_READER:
        unaware.pop()
        result, states = scard.SCardGetStatusChange(context, 0, unaware)
    if result in _NO_SERVICE:
        raise _service_fault()
    return {name: state for name, state, _ in states if not state & scard.SCARD_STATE_UNKNOWN}


def _may_have_changed(context: int, states: Mapping[str, int], until: float, *, told_of_all: bool) -> bool:
    """Wait until something is not as it was; False when the time is over or the wait was cancelled.

    :param told_of_all: whether the service tells of every change. macOS is silent on new readers, and pcscd
        on a program that lets go of a card: then another look is due after a while.
    """
    left = until - time.monotonic()
    if left <= 0:
        return False
    if not told_of_all:
        left = min(left, _LOOK_AGAIN_S)
    if not states:
        time.sleep(left)
        return True
    result, _ = scard.SCardGetStatusChange(context, round(left * 1000), list(states.items()))
    if result in _NO_SERVICE:
        raise _service_fault()
    if result == scard.SCARD_E_TIMEOUT:
        return not told_of_all
    return bool(result != scard.SCARD_E_CANCELLED)


def _only_card(context: int, names: Sequence[str]) -> _PcscTransport | Fault:
    """Hold the one card that is meant, or say what is in the way and may yet change.

    :raises Fault: `card.several` or `card.not_my_number`, which the person must see to.
    """
    refusal = Fault("card.no_card")
    with ExitStack() as held:
        cards: list[_PcscTransport] = []
        for name in names:
            reached = _hold(context, name)
            if isinstance(reached, _PcscTransport):
                held.callback(reached.let_go)
                cards.append(reached)
            elif reached.code != "card.no_card":
                refusal = reached
        if not cards:
            return refusal
        meant = cards if len(cards) == 1 else [card for card in cards if _is_my_number(card)]
        if len(meant) != 1:
            raise Fault("card.several" if meant else "card.not_my_number")
        held.pop_all()
        for card in cards:
            if card is not meant[0]:
                card.let_go()
        return meant[0]


def _hold(context: int, name: str) -> _PcscTransport | Fault:
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    result, handle, protocol = scard.SCardConnect(context, name, scard.SCARD_SHARE_EXCLUSIVE, protocols)
    return _card_fault(result) if result != scard.SCARD_S_SUCCESS else _PcscTransport(handle, protocol)


def _is_my_number(card: _PcscTransport) -> bool:
    """Judged by its application alone: what it answers to a reset varies (reference §1.3)."""
    try:
        with JpkiCard(card):
            return True
    except Fault:
        return False
