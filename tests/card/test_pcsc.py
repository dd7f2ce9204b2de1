"""card.pcsc: what each trouble of the PC/SC service is to a person (PC/SC part 5)."""

from collections.abc import Callable, Sequence

import pytest
from smartcard.Exceptions import (
    CardConnectionException,
    CardServiceNotFoundException,
    CardServiceStoppedException,
    NoCardException,
)
from smartcard.Exceptions import ListReadersException as UnlistedException
from smartcard.pcsc.PCSCExceptions import EstablishContextException, ListReadersException
from smartcard.scard import (
    SCARD_E_NO_SERVICE,
    SCARD_E_NO_SMARTCARD,
    SCARD_E_SERVICE_STOPPED,
    SCARD_E_SHARING_VIOLATION,
    SCARD_W_UNRESPONSIVE_CARD,
)

from card import pcsc
from card.faults import FAULTS, Fault
from card.pcsc import PcscReader

EMPTY = NoCardException("Unable to connect", hresult=SCARD_E_NO_SMARTCARD)
HELD = CardConnectionException("Unable to connect", hresult=SCARD_E_SHARING_VIOLATION)
MUTE = CardConnectionException("Unable to connect", hresult=SCARD_W_UNRESPONSIVE_CARD)
STOPPED = CardConnectionException("Unable to connect", hresult=SCARD_E_SERVICE_STOPPED)
NO_SERVICE = CardConnectionException("Failed to establish context", hresult=SCARD_E_NO_SERVICE)


class FakeConnection:
    """A connection that fails as pyscard's do."""

    def __init__(self, refusal: Exception | None, broken: Exception | None) -> None:
        self._refusal, self._broken = refusal, broken
        self.released = False

    def connect(self, **_: object) -> None:
        if self._refusal is not None:
            raise self._refusal

    def transmit(self, apdu: list[int]) -> tuple[list[int], int, int]:
        if self._broken is not None:
            raise self._broken
        return apdu, 0x90, 0x00

    def disconnect(self) -> None:
        raise CardConnectionException("Failed to disconnect")

    def release(self) -> None:
        self.released = True


class FakeDevice:
    """A reader by name."""

    def __init__(
        self,
        name: str,
        refusal: Exception | None = None,
        *,
        broken: Exception | None = None,
        no_context: Exception | None = None,
    ) -> None:
        self.name, self._no_context = name, no_context
        self.connection = FakeConnection(refusal, broken)

    def __str__(self) -> str:
        return self.name

    def createConnection(self) -> FakeConnection:  # noqa: N802 - pyscard's name
        if self._no_context is not None:
            raise self._no_context
        return self.connection


Plug = Callable[[Sequence[FakeDevice] | Exception], None]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    def make(found: Sequence[FakeDevice] | Exception) -> None:
        def readers() -> Sequence[FakeDevice]:
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(pcsc, "readers", readers)
        monkeypatch.setattr(pcsc, "_SETTLES_S", 0.0)

    return make


def told() -> str:
    with pytest.raises(Fault) as refused, PcscReader().connect():
        raise AssertionError("no card, no transport")
    assert refused.value.code in FAULTS
    return refused.value.code


@pytest.mark.parametrize(
    "error",
    [
        EstablishContextException(SCARD_E_NO_SERVICE),
        CardServiceStoppedException(hresult=SCARD_E_SERVICE_STOPPED),
        CardServiceNotFoundException(hresult=SCARD_E_NO_SERVICE),
        ListReadersException(SCARD_E_NO_SERVICE),
        UnlistedException(SCARD_E_NO_SERVICE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_service_that_is_down_is_told(plug: Plug, error: Exception) -> None:
    plug(error)
    assert told() == "card.service_down"
    assert FAULTS["card.service_down"].status == 503


def test_a_computer_without_a_reader_is_told(plug: Plug) -> None:
    plug([])
    assert told() == "card.no_reader"


@pytest.mark.parametrize(
    ("device", "code"),
    [
        (FakeDevice("A", EMPTY), "card.no_card"),
        (FakeDevice("A", HELD), "card.in_use"),
        (FakeDevice("A", MUTE), "card.removed"),
        (FakeDevice("A", STOPPED), "card.service_down"),
        (FakeDevice("A", no_context=NO_SERVICE), "card.service_down"),
    ],
    ids=["empty", "held", "mute", "stopped", "no context"],
)
def test_a_reader_that_gives_no_card_says_why(plug: Plug, device: FakeDevice, code: str) -> None:
    plug([device])
    assert told() == code


@pytest.mark.parametrize("first", [EMPTY, HELD, MUTE], ids=["empty", "held", "mute"])
def test_the_other_readers_are_tried(plug: Plug, first: Exception) -> None:
    plug([FakeDevice("A", first), FakeDevice("B")])
    with PcscReader().connect() as transport:
        assert transport.transmit(b"\x00") == b"\x00\x90\x00"


def test_a_held_card_is_told_also_where_another_reader_is_empty(plug: Plug) -> None:
    plug([FakeDevice("A", HELD), FakeDevice("B", EMPTY)])
    assert told() == "card.in_use"


@pytest.mark.parametrize(
    ("error", "code"),
    [(EMPTY, "card.removed"), (MUTE, "card.removed"), (NO_SERVICE, "card.service_down")],
    ids=["gone", "mute", "service stopped"],
)
def test_trouble_in_the_middle_is_told_and_the_card_let_go(plug: Plug, error: Exception, code: str) -> None:
    device = FakeDevice("A", broken=error)
    plug([device])
    with pytest.raises(Fault, match=code.replace(".", r"\.")), PcscReader().connect() as transport:
        transport.transmit(b"\x00")
    assert device.connection.released
