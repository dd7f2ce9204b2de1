"""The fuzzer's targets, without the fuzzer: over their seeds and what a few bent octets make of them."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.targets import Target, targets

NAMES = ("certificate", "parts", "container", "request", "claims", "token", "jwk", "printed")


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Target]:
    return targets(tmp_path_factory.mktemp("fuzz"))


def bent(seed: bytes, chance: Random) -> bytes:
    octets = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        where = chance.randrange(len(octets))
        match chance.randrange(3):
            case 0:
                octets[where] = chance.randrange(256)
            case 1:
                del octets[where : where + chance.randint(1, 8)]
            case 2:
                octets[where:where] = octets[: chance.randint(1, 8)]
        octets = octets or bytearray(seed)
    return bytes(octets)


@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::cryptography.utils.CryptographyDeprecationWarning"
)
@pytest.mark.parametrize("name", NAMES)
def test_only_declared_faults_come_out(every: Mapping[str, Target], name: str) -> None:
    chance = Random(20261124)  # noqa: S311 - the same every time
    for seed in every[name].seeds:
        every[name].run(seed)
        for _ in range(300 // len(every[name].seeds)):
            every[name].run(bent(seed, chance))
    every[name].run(b"")


def test_every_target_is_tried(every: Mapping[str, Target]) -> None:
    assert tuple(every) == NAMES


def test_a_foreign_exception_is_seen(every: Mapping[str, Target], monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(der: bytes) -> None:
        raise TypeError(der)

    monkeypatch.setattr("tests.fuzz.targets.read_certificate", breaks)
    with pytest.raises(TypeError):
        every["certificate"].run(Path(__file__).read_bytes())
