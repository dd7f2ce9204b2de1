"""Public keys at the edge of what they may be: as a JWK, and inside of a certificate."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from card.jose import SoftwareSigner, VerificationKey, b64url_decode, b64url_encode

POINT = SoftwareSigner.generate().public_jwk()
MODULUS = SoftwareSigner.generate("RS256").public_jwk()
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1


def with_zero(text: str) -> str:
    return b64url_encode(b"\x00" + b64url_decode(text))


def number(value: int) -> str:
    return b64url_encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def of(text: str) -> int:
    return int.from_bytes(b64url_decode(text), "big")


def a_small_point() -> tuple[int, int]:
    """One of P-256 whose x and x + p have the same length: only such a point has two spellings in it."""
    for x in range(1, 1000):
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(
                ec.SECP256R1(), b"\x02" + x.to_bytes(32, "big")
            )
        except ValueError:
            continue
        return point.public_numbers().x, point.public_numbers().y
    raise AssertionError


X, Y = a_small_point()
SMALL = {
    "kty": "EC",
    "crv": "P-256",
    "x": b64url_encode(X.to_bytes(32, "big")),
    "y": b64url_encode(Y.to_bytes(32, "big")),
}
EC_JWKS: dict[str, dict[str, str]] = {
    "x with an octet too many": POINT | {"x": with_zero(POINT["x"])},
    "y with an octet too many": POINT | {"y": with_zero(POINT["y"])},
    "x without its leading zeros": SMALL | {"x": number(X)},
    "x + p": SMALL | {"x": number(X + P256_PRIME)},
    "padded": POINT | {"x": POINT["x"] + "="},
    "junk behind it": POINT | {"x": POINT["x"] + "!!"},
    "white space in it": POINT | {"x": POINT["x"][:9] + "\n" + POINT["x"][9:]},
    "no ASCII": POINT | {"x": "あ"},
    "a lone surrogate": POINT | {"x": "\ud800"},
    "empty": POINT | {"x": ""},
    "the point at infinity": POINT | {"x": "AA", "y": "AA"},
    "zero, zero": POINT | {"x": b64url_encode(bytes(32)), "y": b64url_encode(bytes(32))},
    "a point off the curve": POINT | {"x": POINT["y"], "y": POINT["x"]},
}  # fmt: skip
RSA_JWKS: dict[str, dict[str, str]] = {
    "a leading zero before n": MODULUS | {"n": with_zero(MODULUS["n"])},
    "a leading zero before e": MODULUS | {"e": with_zero(MODULUS["e"])},
    "padded": MODULUS | {"n": MODULUS["n"] + "="},
    "empty": MODULUS | {"n": ""},
    "an even modulus": MODULUS | {"n": number(of(MODULUS["n"]) - 1)},
    "2047 bits": MODULUS | {"n": number(of(MODULUS["n"]) >> 1 | 1)},
    "e = 0": MODULUS | {"e": "AA"},
    "e = 1": MODULUS | {"e": number(1)},
    "e = 3": MODULUS | {"e": number(3)},
    "an even e": MODULUS | {"e": number(65538)},
    "e = n": MODULUS | {"e": MODULUS["n"]},
}
OKP: dict[str, str] = {"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(bytes(range(32)))}
OKP_JWKS: dict[str, dict[str, str]] = {
    "an octet too many": OKP | {"x": with_zero(OKP["x"])},
    "padded": OKP | {"x": OKP["x"] + "="},
    "empty": OKP | {"x": ""},
    "X25519": OKP | {"crv": "X25519"},
}


@pytest.mark.parametrize("jwk", EC_JWKS.values(), ids=EC_JWKS)
def test_rfc7518_6_2_1_a_point_has_one_spelling(jwk: dict[str, str]) -> None:
    for sound in (POINT, SMALL):
        VerificationKey.from_jwk(sound, "ES256")
    with pytest.raises(ValueError, match=r"key|base64url|must be|literal"):
        VerificationKey.from_jwk(jwk, "ES256")


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
@pytest.mark.parametrize("jwk", RSA_JWKS.values(), ids=RSA_JWKS)
def test_rfc7518_6_3_1_a_modulus_is_strong_and_has_one_spelling(jwk: dict[str, str], alg: str) -> None:
    sound = {name: value for name, value in jwk.items() if name != "alg"}
    VerificationKey.from_jwk({**sound, "n": MODULUS["n"], "e": MODULUS["e"]}, alg)
    with pytest.raises(ValueError, match=r"key|base64url|must be|literal"):
        VerificationKey.from_jwk(sound, alg)


@pytest.mark.parametrize("jwk", OKP_JWKS.values(), ids=OKP_JWKS)
def test_rfc8037_2_an_edwards_key_has_one_spelling(jwk: dict[str, str]) -> None:
    VerificationKey.from_jwk(OKP, "EdDSA")
    with pytest.raises(ValueError, match=r"key|base64url|must be|literal"):
        VerificationKey.from_jwk(jwk, "EdDSA")
