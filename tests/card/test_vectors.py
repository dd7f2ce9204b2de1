"""Signatures, keys and certificates that others made to be judged (NIST's CAVP and more), at our own doors.

They come with `cryptography_vectors`. What is judged, how much of it, and what is left out and why, is in
vectors.toml.
"""

import re
import tomllib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from card.certificates import CardPublicKey, Purpose, read_certificate, signing_key
from card.faults import CardRejected
from card.jose import VerificationKey, b64url_encode
from card.test_authority import TestAuthority
from tests.card.conftest import HANAKO, NOW

SUITE: Final = Path(cryptography_vectors.__file__).parent
TABLE: Final[Mapping[str, Any]] = tomllib.loads(Path(__file__).with_name("vectors.toml").read_text("utf-8"))
RSA: Final = SUITE / "asymmetric" / "RSA"
ECDSA: Final = SUITE / "asymmetric" / "ECDSA"
CURVES: Final = {"P-256": ("ES256", 32), "P-384": ("ES384", 48)}

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning", "ignore::UserWarning"
)
"""The library warns of what is odd in a certificate, and of the year in which it will refuse it."""


def counted(file: Path) -> int:
    name = file.relative_to(SUITE).as_posix()
    (entry,) = [entry for entry in TABLE["judged"] if entry["file"] == name]
    return int(entry["vectors"])


def records(file: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The records of a CAVP file, each with its section and what is shared there, such as `n`."""
    section, shared = "", dict[str, str]()
    for block in re.split(r"\n\s*\n", file.read_text("ascii").replace("\r", "")):
        for heading in re.findall(r"^\[(.+)\]", block, re.MULTILINE):
            section, shared = heading, {}
        values = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", block, re.MULTILINE))
        if {"Msg", "Qx"} & values.keys():
            yield section, shared | values
        else:
            shared |= values


def is_good(record: Mapping[str, str]) -> bool:
    """A file of good ones has no results."""
    return record.get("Result", "P").startswith("P")


def rsa_records(file: Path) -> list[tuple[rsa.RSAPublicKey, Mapping[str, str]]]:
    return [
        (rsa.RSAPublicNumbers(int(record["e"], 16), int(record["n"], 16)).public_key(), record)
        for _, record in records(file)
        if record["SHAAlg"] == "SHA256" and len(record["n"]) >= 512
    ]


def jwk_of(key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = {"n": key.public_numbers().n, "e": key.public_numbers().e}
    members = {name: n.to_bytes((n.bit_length() + 7) // 8, "big") for name, n in numbers.items()}
    return {"kty": "RSA"} | {name: b64url_encode(octets) for name, octets in members.items()}


def of_card(authority: TestAuthority, key: CardPublicKey) -> VerificationKey:
    leaf = authority.issue(Purpose.AUTHENTICATION, HANAKO, key, NOW)
    return VerificationKey.from_public_key(*signing_key(leaf))


@pytest.mark.parametrize(
    "file",
    [
        RSA / "FIPS_186-2" / "SigVer15_186-3.rsp",
        RSA / "FIPS_186-2" / "SigGen15_186-3.rsp",
        RSA / "SigVer15EMTest.txt",
    ],
    ids=lambda file: file.stem,
)
def test_rfc8017_8_2_2_rs256_signatures(authority: TestAuthority, file: Path) -> None:
    found = rsa_records(file)
    for key, record in found:
        octets, signature = bytes.fromhex(record["Msg"]), bytes.fromhex(record["S"])
        assert VerificationKey.from_public_key(key, "RS256").verifies(octets, signature) is is_good(record)
        if key.key_size == 2048 and key.public_numbers().e == 65537:
            assert of_card(authority, key).verifies(octets, signature) is is_good(record)
        else:
            with pytest.raises(CardRejected, match="path"):
                of_card(authority, key)
        if key.public_numbers().e < 65537:
            with pytest.raises(ValueError, match="weak"):
                VerificationKey.from_jwk(jwk_of(key), "RS256")
        else:
            client = VerificationKey.from_jwk(jwk_of(key), "RS256")
            assert client.verifies(octets, signature) is is_good(record)
    assert len(found) == counted(file)


def test_rfc7518_3_5_a_salt_that_is_shorter_than_its_hash_is_refused() -> None:
    file = RSA / "FIPS_186-2" / "SigVerPSS_186-3.rsp"
    strong = [(key, record) for key, record in rsa_records(file) if key.public_numbers().e >= 65537]
    assert any(is_good(record) for _, record in strong)
    for key, record in strong:
        signature = bytes.fromhex(record["S"])
        assert not VerificationKey.from_jwk(jwk_of(key), "PS256").verifies(
            bytes.fromhex(record["Msg"]), signature
        )
    assert len(strong) == counted(file)


def ec_records(file: Path) -> list[tuple[str, Mapping[str, str]]]:
    """Those of a curve and the hash that goes with it in JOSE."""
    sections = {"P-256,SHA-256": "P-256", "P-384,SHA-384": "P-384", "P-256": "P-256", "P-384": "P-384"}
    return [(sections[section], record) for section, record in records(file) if section in sections]


def ec_jwk(curve: str, record: Mapping[str, str]) -> dict[str, str]:
    size = CURVES[curve][1]
    members = {"x": int(record["Qx"], 16), "y": int(record["Qy"], 16)}
    longest = max(size, *((value.bit_length() + 7) // 8 for value in members.values()))
    coordinates = {name: b64url_encode(value.to_bytes(longest, "big")) for name, value in members.items()}
    return {"kty": "EC", "crv": curve} | coordinates


def joined(r: int, s: int, size: int) -> bytes:
    """r || s (RFC 7518 §3.4)."""
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


@pytest.mark.parametrize("name", ["SigVer", "SigGen"])
def test_fips186_3_6_4_es256_and_es384_signatures(authority: TestAuthority, name: str) -> None:
    file = ECDSA / "FIPS_186-3" / f"{name}.rsp"
    found = ec_records(file)
    for curve, record in found:
        alg, size = CURVES[curve]
        signature = joined(int(record["R"], 16), int(record["S"], 16), size)
        octets = bytes.fromhex(record["Msg"])
        client = VerificationKey.from_jwk(ec_jwk(curve, record), alg)
        assert client.verifies(octets, signature) is is_good(record)
        if curve == "P-384":
            point = (int(record[name], 16) for name in ("Qx", "Qy"))
            key = ec.EllipticCurvePublicNumbers(*point, ec.SECP384R1()).public_key()
            assert of_card(authority, key).verifies(octets, signature) is is_good(record)
    assert len(found) == counted(file)


def test_rfc7518_6_2_1_points_that_are_out_of_range_or_off_the_curve_are_no_keys() -> None:
    file = ECDSA / "FIPS_186-3" / "PKV.rsp"
    found = ec_records(file)
    for curve, record in found:
        alg, _ = CURVES[curve]
        if is_good(record):
            VerificationKey.from_jwk(ec_jwk(curve, record), alg)
        else:
            with pytest.raises(ValueError, match=r"key|coordinate"):
                VerificationKey.from_jwk(ec_jwk(curve, record), alg)
    assert len(found) == counted(file)


def test_rfc6979_a_2_5_es256_and_es384_signatures() -> None:
    file = ECDSA / "RFC6979" / "evppkey_ecdsa_rfc6979.txt"
    text = file.read_text("ascii")
    judged = 0
    for curve, (alg, size) in CURVES.items():
        pem = re.search(rf"^PublicKey={curve}_PUB\n(-+BEGIN.+?END PUBLIC KEY-+)", text, re.M | re.S)
        assert pem is not None
        public = load_pem_public_key(pem[1].encode("ascii"))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        key = VerificationKey.from_public_key(public, alg)
        asked = (
            rf"^DigestVerify = SHA{alg[2:]}\nKey = {curve}_PUB\nInput = \"(.+)\"\nOutput = (\w+)\n(Result)?"
        )
        for octets, der, bad in re.findall(asked, text, re.M):
            signature = joined(*decode_dss_signature(bytes.fromhex(der)), size)
            assert key.verifies(octets.encode("ascii"), signature) is not bad
            judged += 1
    assert judged == counted(file)


def test_rfc8032_7_1_ed25519_signatures() -> None:
    file = SUITE / "asymmetric" / "Ed25519" / "sign.input"
    lines = file.read_text("ascii").splitlines()
    for line in lines:
        _, public, message, signed = line.rstrip(":").split(":")
        key = VerificationKey.from_jwk(
            {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(bytes.fromhex(public))}, "EdDSA"
        )
        signature = bytes.fromhex(signed)[:64]
        assert key.verifies(bytes.fromhex(message), signature)
        assert not key.verifies(bytes.fromhex(message) + b"\x00", signature)
    assert len(lines) == counted(file)


PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----(.+?)-----END", re.DOTALL)


def encoded(file: Path) -> list[bytes]:
    """What a file holds: each block of a PEM, its headers left off, or the file as it is."""
    content = file.read_bytes()
    blocks = [block.rpartition(b"\n\n")[2] for block in PEM.findall(content.replace(b"\r", b""))]
    return [b64decode(block) for block in blocks] or [content]


def test_rfc5280_4_1_every_foreign_certificate_is_refused_with_a_code() -> None:
    files = sorted(file for file in (SUITE / "x509").rglob("*") if file.is_file())
    codes = []
    for der in (der for file in files for der in encoded(file)):
        with pytest.raises(CardRejected) as rejected:
            read_certificate(der)
        codes.append(rejected.value.code)
    assert set(codes) == {"card.malformed", "card.policy"}
    assert len(codes) == counted(SUITE / "x509" / "**" / "*")


def test_every_file_of_the_suite_is_judged_or_left_out_once() -> None:
    patterns = [entry["file"] for entry in TABLE["judged"]]
    patterns += [pattern for entry in TABLE["left_out"] for pattern in entry["files"]]
    chosen = [file for pattern in patterns for file in SUITE.glob(pattern) if file.is_file()]
    everything = {file for file in SUITE.rglob("*") if file.is_file() and file.parent != SUITE}
    assert {file for file in everything if file.parent.name != "__pycache__"} == set(chosen)
    assert len(chosen) == len(set(chosen)), sorted({file for file in chosen if chosen.count(file) > 1})
