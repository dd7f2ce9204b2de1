"""card.pcsc: what each trouble of the PC/SC service is to a person (PC/SC part 5).

What a real service does is in test_pcscd; here it does what ours cannot be made to: readers that come and go,
cards that are mute, and Windows and macOS.
"""

import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from smartcard import scard

from card import pcsc
from card.faults import FAULTS, Fault
from card.jpki import APPLICATION
from card.pcsc import PcscReader

EMPTY, PRESENT, MUTE = scard.SCARD_STATE_EMPTY, scard.SCARD_STATE_PRESENT, scard.SCARD_STATE_MUTE
NEW_READERS = "\\\\?PnP?\\Notification"
OURS, FOREIGN = b"\x90\x00", b"\x6a\x82"


@dataclass
class Lying:
    """A reader, and what the card on it does.

    :param refuses: what connecting to it ends with.
    :param breaks: what a command to it ends with.
    :param answer: of its JPKI application, when that is selected.
    """

    refuses: int = scard.SCARD_S_SUCCESS
    breaks: int = scard.SCARD_S_SUCCESS
    answer: bytes = OURS
    state: int = PRESENT


@dataclass
class Service:
    """A PC/SC service, to the calls that card.pcsc makes; constants are the true ones.

    :param later: what lies there from the first wait on, if anything changes then.
    :param down: what every call ends with.
    :param tells_of_new: whether it knows the reader that is none.
    """

    readers: dict[str, Lying] = field(default_factory=dict)
    later: dict[str, Lying] | None = None
    down: int = scard.SCARD_S_SUCCESS
    dies_waiting: int = scard.SCARD_S_SUCCESS
    tells_of_new: bool = True
    held: list[str] = field(default_factory=list)
    let_go: list[str] = field(default_factory=list)
    contexts: int = 0
    waits: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(scard, name)

    def pass_time(self) -> None:
        if self.later is not None:
            self.readers, self.later = self.later, None

    def SCardEstablishContext(self, _: int) -> tuple[int, int]:  # noqa: N802 - as PC/SC has it
        self.contexts += self.down == scard.SCARD_S_SUCCESS
        return self.down, 1

    def SCardReleaseContext(self, _: int) -> int:  # noqa: N802
        self.contexts -= 1
        return scard.SCARD_S_SUCCESS

    def SCardListReaders(self, *_: object) -> tuple[int, list[str]]:  # noqa: N802
        return (scard.SCARD_S_SUCCESS if self.readers else scard.SCARD_E_NO_READERS_AVAILABLE), [
            *self.readers
        ]

    def SCardGetStatusChange(  # noqa: N802
        self, _: int, timeout: int, asked: Sequence[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        if timeout:
            self.waits.append(timeout)
            if self.dies_waiting:
                return self.dies_waiting, []
            if self.later is None:
                return scard.SCARD_E_TIMEOUT, []
            self.pass_time()
        if not self.tells_of_new and NEW_READERS in dict(asked):
            return scard.SCARD_E_UNKNOWN_READER, [(name, 0, []) for name, _ in asked]
        states = {name: lying.state for name, lying in self.readers.items()} | {NEW_READERS: 0}
        return scard.SCARD_S_SUCCESS, [(name, states[name], []) for name, _ in asked if name in states]

    def SCardConnect(self, _: int, name: str, *how: int) -> tuple[int, str, int]:  # noqa: N802
        assert how[0] == scard.SCARD_SHARE_EXCLUSIVE
        if self.readers[name].refuses == scard.SCARD_S_SUCCESS:
            self.held.append(name)
        return self.readers[name].refuses, name, scard.SCARD_PROTOCOL_T1

    def SCardTransmit(self, name: str, _: object, apdu: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        lying = self.readers[name]
        return lying.breaks, [*(lying.answer if bytes(apdu).endswith(APPLICATION) else OURS)]

    def SCardDisconnect(self, name: str, disposition: int) -> int:  # noqa: N802
        assert disposition == scard.SCARD_UNPOWER_CARD
        self.let_go.append(name)
        return scard.SCARD_S_SUCCESS


Plug = Callable[..., Service]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    def make(*lying: Lying, **how: Any) -> Service:
        service = Service({name: each for name, each in zip("ABC", lying, strict=False)}, **how)
        monkeypatch.setattr(pcsc, "scard", service)
        monkeypatch.setattr(time, "sleep", lambda _: service.pass_time())
        return service

    return make


def told(name: str = "", waits_s: float = 0.01) -> str:
    with pytest.raises(Fault) as refused, PcscReader(name, waits_s=waits_s).connect():
        raise AssertionError("no card, no transport")
    assert refused.value.code in FAULTS
    return refused.value.code


NOTHING = Lying(state=EMPTY)
HELD = Lying(refuses=scard.SCARD_E_SHARING_VIOLATION)
SILENT = Lying(refuses=scard.SCARD_W_UNRESPONSIVE_CARD, state=PRESENT | MUTE)
TAKEN_AWAY = Lying(refuses=scard.SCARD_E_NO_SMARTCARD)
STOPPED = Lying(refuses=scard.SCARD_E_SERVICE_STOPPED)
BADGE = Lying(answer=FOREIGN)
NO_SERVICE = [scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED]


@pytest.mark.parametrize("result", NO_SERVICE)
def test_a_service_that_is_down_is_told(plug: Plug, result: int) -> None:
    plug(down=result)
    assert told() == "card.service_down"
    assert FAULTS["card.service_down"].status == 503


@pytest.mark.parametrize("result", NO_SERVICE)
def test_a_service_that_goes_down_while_we_wait_is_told(plug: Plug, result: int) -> None:
    service = plug(NOTHING, dies_waiting=result)
    assert told() == "card.service_down"
    assert service.contexts == 0


@pytest.mark.parametrize("result", NO_SERVICE)
def test_on_windows_no_service_is_no_reader(plug: Plug, monkeypatch: pytest.MonkeyPatch, result: int) -> None:
    """Its service stops with the last reader (Windows 8, What's New in Smart Cards)."""
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    plug(down=result)
    assert told() == "card.no_reader"


@pytest.mark.parametrize(
    ("lying", "code"),
    [
        ([], "card.no_reader"),
        ([NOTHING], "card.no_card"),
        ([TAKEN_AWAY], "card.no_card"),
        ([HELD], "card.in_use"),
        ([SILENT], "card.removed"),
        ([STOPPED], "card.service_down"),
        ([HELD, NOTHING], "card.in_use"),
        ([NOTHING, HELD], "card.in_use"),
        ([BADGE, BADGE], "card.not_my_number"),
        ([Lying(), Lying()], "card.several"),
        ([BADGE, Lying(), Lying()], "card.several"),
    ],
)
def test_readers_that_give_no_card_say_why_and_everything_is_let_go(
    plug: Plug, lying: list[Lying], code: str
) -> None:
    service = plug(*lying)
    assert told() == code
    assert (service.contexts, sorted(service.let_go)) == (0, sorted(service.held))


@pytest.mark.parametrize(
    "others",
    [[NOTHING], [HELD], [SILENT], [TAKEN_AWAY], [BADGE], [NOTHING, BADGE]],
    ids=["empty", "held", "mute", "taken away", "a badge", "empty and a badge"],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_my_number_card_is_found_among_other_readers(
    plug: Plug, others: list[Lying], first: bool
) -> None:
    meant = Lying()
    service = plug(*([meant, *others] if first else [*others, meant]))
    name = next(name for name, lying in service.readers.items() if lying is meant)
    with PcscReader(waits_s=0).connect() as transport:
        assert transport.transmit(b"\x00") == OURS
        assert service.let_go == [held for held in service.held if held != name]
    assert (service.contexts, sorted(service.let_go)) == (0, sorted(service.held))


def test_a_card_alone_is_taken_as_it_is_also_a_foreign_one(plug: Plug) -> None:
    """What it lacks is said by whoever asks it for an application."""
    plug(BADGE)
    with PcscReader().connect() as transport:
        assert transport.transmit(b"\x00\xa4\x04\x0c\x0a" + APPLICATION) == FOREIGN


def test_only_readers_of_the_name_are_looked_at(plug: Plug) -> None:
    service = plug(Lying(), Lying())
    with PcscReader("B").connect():
        assert service.held == ["B"]
    assert told("Z") == "card.no_reader"


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (scard.SCARD_W_REMOVED_CARD, "card.removed"),
        (scard.SCARD_W_UNRESPONSIVE_CARD, "card.removed"),
        (scard.SCARD_E_NO_SERVICE, "card.service_down"),
    ],
)
def test_trouble_in_the_middle_is_told_and_the_card_let_go(plug: Plug, result: int, code: str) -> None:
    service = plug(Lying(breaks=result))
    with pytest.raises(Fault, match=code.replace(".", r"\.")), PcscReader().connect() as transport:
        transport.transmit(b"\x00")
    assert (service.contexts, service.let_go) == (0, ["A"])


@pytest.mark.parametrize("before", [[], [NOTHING], [HELD], [SILENT]])
@pytest.mark.parametrize("tells_of_new", [True, False], ids=["Linux and Windows", "macOS"])
def test_what_comes_while_we_wait_is_taken(plug: Plug, before: list[Lying], tells_of_new: bool) -> None:
    service = plug(*before, tells_of_new=tells_of_new)
    service.later = {"A": Lying()}
    with PcscReader(waits_s=5).connect():
        assert service.held == ["A"]
    assert len(service.waits) <= 1


def test_macos_tells_of_no_new_reader_so_they_are_listed_again(plug: Plug) -> None:
    service = plug(NOTHING, tells_of_new=False)
    assert told(waits_s=0.05) == "card.no_card"
    assert all(wait <= 500 for wait in service.waits)
    assert len(service.waits) > 1


def test_pcscd_may_not_tell_of_a_card_that_is_let_go_so_it_is_looked_at_again(plug: Plug) -> None:
    service = plug(HELD)
    assert told(waits_s=0.05) == "card.in_use"
    assert all(wait <= 500 for wait in service.waits)
    assert len(service.waits) > 1


def test_a_wait_is_over_when_its_time_is(plug: Plug) -> None:
    service = plug(NOTHING)
    assert told(waits_s=0.05) == "card.no_card"
    (wait,) = service.waits
    assert wait <= 50


def test_a_cancelled_wait_is_over_at_once(plug: Plug) -> None:
    service = plug(NOTHING, dies_waiting=scard.SCARD_E_CANCELLED)
    assert told(waits_s=60) == "card.no_card"
    assert len(service.waits) == 1


def test_there_is_nothing_to_cancel_when_nobody_waits(plug: Plug) -> None:
    service = plug(Lying())
    reader = PcscReader()
    with reader.connect():
        pass
    cancelled: list[int] = []
    service.SCardCancel = cancelled.append  # type: ignore[attr-defined] # as PC/SC has it
    thread = threading.Thread(target=reader.cancel)
    thread.start()
    thread.join()
    assert cancelled == []
