"""Signatures at the edge of RFC 8017 and FIPS 186: made with the true key, each wrong in one thing."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from card.certificates import Purpose
from card.container import SigningPurpose, ToBeSigned, prepare, verify_signed_by_card
from card.faults import CardRejected
from card.jose import Flattened, VerificationKey, b64url_encode
from card.test_authority import TestAuthority, new_card_key
from card.trust import Trust
from tests.card.bending import tlv
from tests.card.conftest import HANAKO, NOW

PREPARED = prepare(
    SigningPurpose.LOGIN,
    issuer="https://shibuya.id.example",
    audience="https://shibuya.id.example/card/answer",
    nonce=b"n" * 16,
    issued_at=NOW,
)
SIZE = 256
CARD = new_card_key()
N, D = CARD.public_key().public_numbers().n, CARD.private_numbers().d
HASH = hashlib.sha256(PREPARED.signing_input).digest()
SHA256_OID, SHA384_OID, SHA512_256_OID = (
    bytes.fromhex("0609608648016503040201")[:-1] + bytes([last]) for last in (1, 2, 6)
)
SHA1_OID = bytes.fromhex("06052b0e03021a")
NULL = tlv(0x05)


def info(
    oid: bytes = SHA256_OID, parameters: bytes = NULL, hashed: bytes = HASH, behind: bytes = b""
) -> bytes:
    """DigestInfo (RFC 8017 §9.2)."""
    return tlv(0x30, tlv(0x30, oid, parameters), tlv(0x04, hashed), behind)


def padded(
    content: bytes, *, head: bytes = b"\x00\x01", fill: bytes = b"\xff", end: bytes = b"\x00"
) -> bytes:
    """EMSA-PKCS1-v1_5 of any content."""
    return head + fill * (SIZE - len(head) - len(end) - len(content)) + end + content


def behind(content: bytes, garbage: bytes) -> bytes:
    """Eight octets of padding, the content, and garbage to the end: what lazy verifiers take."""
    start = b"\x00\x01" + b"\xff" * 8 + b"\x00" + content
    return start + garbage * (SIZE - len(start))


GOOD = padded(info())
ENCODED: Mapping[str, bytes] = {
    "without NULL": padded(info(parameters=b"")),
    "with a number for NULL": padded(info(parameters=tlv(0x02, b"\x00"))),
    "with octets for NULL": padded(info(parameters=tlv(0x04, b"A" * 150))),
    "with a long NULL": padded(info(parameters=b"\x05\x81\x00")),
    "with NULL twice": padded(info(parameters=NULL + NULL)),
    "with something behind the hash": padded(info(behind=NULL)),
    "with lengths in BER": padded(b"\x30\x81\x31" + info()[2:]),
    "with an endless length": padded(b"\x30\x80" + info()[2:] + b"\x00\x00"),
    "the hash without its DigestInfo": padded(HASH),
    "the hash in octets alone": padded(tlv(0x04, HASH)),
    "a hash that is cut off": padded(info(hashed=HASH[:-1])),
    "a hash and an octet": padded(info(hashed=HASH + b"\x00")),
    "an empty hash": padded(info(hashed=b"")),
    "the hash of something else": padded(info(hashed=hashlib.sha256(b"").digest())),
    "SHA-1": padded(info(SHA1_OID, hashed=hashlib.sha1(PREPARED.signing_input).digest())),  # noqa: S324 - refused here
    "SHA-384": padded(info(SHA384_OID, hashed=hashlib.sha384(PREPARED.signing_input).digest())),
    "the name of SHA-384 over SHA-256": padded(info(SHA384_OID)),
    "the name of SHA-512/256 over SHA-256": padded(info(SHA512_256_OID)),
    "no name": padded(info(b"")),
    "block type 0": padded(info(), head=b"\x00\x00", fill=b"\x00"),
    "block type 2": padded(info(), head=b"\x00\x02"),
    "a first octet of 1": padded(info(), head=b"\x01\x01"),
    "a padding of FE": padded(info(), fill=b"\xfe"),
    "an octet of the padding that is another": GOOD[:99] + b"\x7f" + GOOD[100:],
    "no zero at the padding's end": padded(info(), end=b"\xff"),
    "two zeros at its end": padded(info(), end=b"\x00\x00"),
    "a one at its end": padded(info(), end=b"\x01"),
    "zeros behind": behind(info(), b"\x00"),
    "garbage behind": behind(info(), b"\xa5"),
    "the whole, moved by an octet": GOOD[1:] + b"\x00",
    "only zeros": bytes(SIZE),
}  # fmt: skip


def signed(encoded: bytes) -> bytes:
    return pow(int.from_bytes(encoded, "big"), D, N).to_bytes(SIZE, "big")


def octets(value: int, size: int = SIZE) -> bytes:
    return value.to_bytes(size, "big")


S = int.from_bytes(signed(GOOD), "big")
OCTETS: Mapping[str, bytes] = {
    "nothing": b"",
    "an octet": b"\x00",
    "cut off": octets(S)[:-1],
    "without its first octet": octets(S)[1:],
    "with a leading zero": octets(S, SIZE + 1),
    "with a zero behind": octets(S) + b"\x00",
    "twice": octets(S) * 2,
    "backwards": octets(S)[::-1],
    "s + n": octets(S + N, SIZE + 1),
    "n - s": octets(N - S),
    "0": bytes(SIZE),
    "1": octets(1),
    "n - 1": octets(N - 1),
    "n": octets(N),
    "n + 1": octets(N + 1),
    "all ones": b"\xff" * SIZE,
    "the encoding itself": GOOD,
    "PSS": CARD.sign(PREPARED.signing_input, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
}


@pytest.fixture(scope="module")
def leaf(authority: TestAuthority) -> bytes:
    issued = authority.issue(Purpose.AUTHENTICATION, HANAKO, CARD.public_key(), NOW)
    return issued.public_bytes(Encoding.DER)


def verify(leaf: bytes, signature: bytes, trust: Trust, prepared: ToBeSigned = PREPARED) -> None:
    container = Flattened(prepared.protected, prepared.payload, signature, leaf)
    verify_signed_by_card(container, expecting=SigningPurpose.LOGIN, prepared=prepared, trust=trust, now=NOW)


@pytest.mark.parametrize("what", ENCODED)
def test_rfc8017_8_2_2_what_is_not_encoded_to_the_octet_is_refused(
    leaf: bytes, trust: Trust, what: str
) -> None:
    assert len(ENCODED[what]) == SIZE
    verify(leaf, signed(GOOD), trust)
    with pytest.raises(CardRejected, match=r"card\.signature"):
        verify(leaf, signed(ENCODED[what]), trust)


@pytest.mark.parametrize("what", OCTETS)
def test_rfc8017_8_2_2_a_number_that_is_not_the_signature_is_refused(
    leaf: bytes, trust: Trust, what: str
) -> None:
    with pytest.raises(CardRejected, match=r"card\.signature"):
        verify(leaf, OCTETS[what], trust)


def cube_root(value: int) -> int:
    """The smallest number whose cube is no less."""
    low, high = 0, 1 << (value.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < value else (low, middle)
    return low


def test_bleichenbacher_a_signature_made_without_the_key_is_refused_even_with_an_exponent_of_three() -> None:
    """CVE-2006-4339: a cube that begins as the encoding does. No key with that exponent gets this far."""
    key = rsa.generate_private_key(public_exponent=3, key_size=2048)
    forged = cube_root(int.from_bytes(behind(info(), b"\x00"), "big"))
    assert octets(forged**3).startswith(b"\x00\x01" + b"\xff" * 8 + b"\x00" + info())
    verification = VerificationKey.from_public_key(key.public_key(), "RS256")
    assert not verification.verifies(PREPARED.signing_input, octets(forged))
    genuine = key.sign(PREPARED.signing_input, padding.PKCS1v15(), SHA256())
    assert verification.verifies(PREPARED.signing_input, genuine)


CURVES: Mapping[str, tuple[ec.EllipticCurve, HashAlgorithm, int, int]] = {
    "ES256": (ec.SECP256R1(), SHA256(), 32, int(
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)),
    "ES384": (ec.SECP384R1(), SHA384(), 48, int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)),
}  # fmt: skip
"""Curve, hash, octets of a half, order (FIPS 186-4 appendix D.1.2)."""
KEYS = {alg: ec.generate_private_key(curve) for alg, (curve, *_) in CURVES.items()}
Halves = Callable[[int, int, int], tuple[int, int]]
PAIRS: Mapping[str, Halves] = {
    "0, 0": lambda r, s, n: (0, 0),
    "0, s": lambda r, s, n: (0, s),
    "r, 0": lambda r, s, n: (r, 0),
    "1, 1": lambda r, s, n: (1, 1),
    "1, 0": lambda r, s, n: (1, 0),
    "n, s": lambda r, s, n: (n, s),
    "r, n": lambda r, s, n: (r, n),
    "n, n": lambda r, s, n: (n, n),
    "n - 1, n - 1": lambda r, s, n: (n - 1, n - 1),
    "n, 0": lambda r, s, n: (n, 0),
    "0, n": lambda r, s, n: (0, n),
    "n + 1, 1": lambda r, s, n: (n + 1, 1),
    "-r, s": lambda r, s, n: (n - r, s),
    "s, r": lambda r, s, n: (s, r),
    "r, r": lambda r, s, n: (r, r),
    "r + 1, s": lambda r, s, n: (r + 1, s),
    "r, s + 1": lambda r, s, n: (r, s + 1),
}
Written = Callable[[int, int, int, bytes], bytes]
WRITTEN: Mapping[str, Written] = {
    "in DER": lambda r, s, size, der: der,
    "in DER and its size": lambda r, s, size, der: der[: 2 * size].ljust(2 * size, b"\x00"),
    "nothing": lambda r, s, size, der: b"",
    "r alone": lambda r, s, size, der: octets(r, size),
    "cut off": lambda r, s, size, der: (octets(r, size) + octets(s, size))[:-1],
    "an octet more": lambda r, s, size, der: octets(r, size) + octets(s, size) + b"\x00",
    "a zero before": lambda r, s, size, der: b"\x00" + octets(r, size) + octets(s, size),
    "longer halves": lambda r, s, size, der: octets(r, size + 1) + octets(s, size + 1),
    "little-endian": lambda r, s, size, der: octets(r, size)[::-1] + octets(s, size)[::-1],
    "three halves": lambda r, s, size, der: octets(r, size) + octets(s, size) + octets(s, size),
    "all ones": lambda r, s, size, der: b"\xff" * 2 * size,
}


def made(alg: str, message: bytes) -> tuple[int, int, bytes]:
    der = KEYS[alg].sign(message, ec.ECDSA(CURVES[alg][1]))
    return *decode_dss_signature(der), der


@pytest.mark.parametrize("what", PAIRS)
@pytest.mark.parametrize("alg", CURVES)
def test_fips186_4_6_4_r_and_s_are_between_one_and_the_order(alg: str, what: str) -> None:
    *_, size, order = CURVES[alg]
    r, s, _ = made(alg, b"octets")
    key = VerificationKey.from_public_key(KEYS[alg].public_key(), alg)
    assert key.verifies(b"octets", octets(r, size) + octets(s, size))
    wrong = PAIRS[what](r, s, order)
    assert not key.verifies(b"octets", b"".join(octets(half, size) for half in wrong))


@pytest.mark.parametrize("what", WRITTEN)
@pytest.mark.parametrize("alg", CURVES)
def test_rfc7518_3_4_a_signature_is_two_halves_of_one_size(alg: str, what: str) -> None:
    size = CURVES[alg][2]
    r, s, der = made(alg, b"octets")
    key = VerificationKey.from_public_key(KEYS[alg].public_key(), alg)
    assert not key.verifies(b"octets", WRITTEN[what](r, s, size, der))


def test_ecdsa_has_two_signatures_for_each_and_so_none_is_a_name() -> None:
    """r, n - s verifies too (SEC 1 §4.1.4): what counts once is known by its nonce, never by a signature."""
    for alg, (*_, size, order) in CURVES.items():
        r, s, _ = made(alg, b"octets")
        key = VerificationKey.from_public_key(KEYS[alg].public_key(), alg)
        assert key.verifies(b"octets", octets(r, size) + octets(order - s, size))


@pytest.mark.parametrize("what", [*PAIRS, *WRITTEN])
def test_rfc7515_5_2_a_card_of_the_next_generation_with_a_wrong_signature_is_refused(
    authority: TestAuthority, trust: Trust, what: str
) -> None:
    prepared = replace(PREPARED, protected=b64url_encode(b'{"alg":"ES384","typ":"dairi-login+jws"}'))
    der = authority.issue(Purpose.AUTHENTICATION, HANAKO, KEYS["ES384"].public_key(), NOW).public_bytes(
        Encoding.DER
    )
    r, s, signature = made("ES384", prepared.signing_input)
    *_, size, order = CURVES["ES384"]
    verify(der, octets(r, size) + octets(s, size), trust, prepared)
    if what in PAIRS:
        wrong = b"".join(octets(half, size) for half in PAIRS[what](r, s, order))
    else:
        wrong = WRITTEN[what](r, s, size, signature)
    with pytest.raises(CardRejected, match=r"card\.signature"):
        verify(der, wrong, trust, prepared)
