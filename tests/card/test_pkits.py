"""Path and list rules against NIST's PKITS, whose certificates and lists we did not write.

Its certificates have none of the profile's policies, so they enter below `check_path`'s first two rules.
"""

import re
import shutil
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cryptography_vectors
import pytest
from cryptography import x509

from card import trust as rules
from card.certificates import JpkiCertificate, Purpose
from card.faults import CardRejected
from card.revocation import CrlFiles, RevocationState
from card.trust import Trust, check_status

SUITE: Final = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
TABLE: Final[Mapping[str, Any]] = tomllib.loads(Path(__file__).with_name("pkits.toml").read_text("utf-8"))
NOW: Final = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
_CASE: Final = re.compile(r"Test([0-9]+)EE")

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


def numbered(file: Path) -> str:
    (section,) = [number for number, names in TABLE["sections"].items() if re.search(names, file.stem)]
    found = _CASE.search(file.stem)
    assert found is not None
    return f"{section}.{found[1]}"


CASES: Final = {numbered(file): file for file in (SUITE / "certs").glob("*.crt") if _CASE.search(file.stem)}
STRICTER: Final = [number for entry in TABLE["stricter"] for number in entry["tests"]]
LEFT_OUT: Final = [number for entry in TABLE["left_out"] for number in entry["tests"]]


def is_left_out(number: str) -> bool:
    return number in LEFT_OUT or number.rpartition(".")[0] in LEFT_OUT


JUDGED: Final = sorted(
    (number for number in CASES if not is_left_out(number)),
    key=lambda number: [int(part) for part in number.split(".")],
)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """Every authority of the suite pinned, and all its lists in one folder."""
    folder = tmp_path_factory.mktemp("lists")
    for file in (SUITE / "crls").glob("*.crl"):
        shutil.copy(file, folder)
    pinned = tuple(
        x509.load_der_x509_certificate(file.read_bytes())
        for file in sorted((SUITE / "certs").glob("*.crt"))
        if not _CASE.search(file.stem)
        and file.stem != "DSAParametersInheritedCACert"  # the library reads none
    )
    return Trust(dict.fromkeys(Purpose, pinned), {}, CrlFiles(folder))


def is_good(file: Path, trust: Trust) -> bool:
    der = file.read_bytes()
    read = JpkiCertificate(der, x509.load_der_x509_certificate(der), Purpose.AUTHENTICATION, None)
    try:
        rules._check_leaf(read)
        issuer = rules._issuer(read, trust.anchors[Purpose.AUTHENTICATION], NOW)
        rules._check_validity(read, NOW)
        return check_status(read, issuer, trust, NOW).state is RevocationState.GOOD
    except CardRejected:
        return False


@pytest.mark.parametrize("number", JUDGED, ids=[f"{number}-{CASES[number].stem}" for number in JUDGED])
def test_pkits(number: str, suite: Trust) -> None:
    file = CASES[number]
    assert is_good(file, suite) is (file.stem.startswith("Valid") and number not in STRICTER)


def test_every_case_is_numbered_once_and_every_exception_is_one() -> None:
    assert len(CASES) == 223
    exceptions = [*STRICTER, *LEFT_OUT]
    assert len(set(exceptions)) == len(exceptions)
    sections = {number.rpartition(".")[0] for number in CASES}
    assert all(number in CASES or number in sections for number in exceptions)
    assert all(CASES[number].stem.startswith("Valid") and not is_left_out(number) for number in STRICTER)
    assert len(JUDGED) > 100
