"""card.jose: what RFC 7515, 7519 and 8725 ask, and what python-jose leaves open."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card.jose import (
    Flattened,
    KeySet,
    SoftwareSigner,
    TokenRejected,
    VerificationKey,
    b64url_decode,
    b64url_encode,
    sign_compact,
    strict_json,
    thumbprint,
    verify_compact,
)

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
SIGNER = SoftwareSigner.generate()
KEYS = KeySet([SIGNER.verification_key()])
CLAIMS = {
    "iss": "https://op.example",
    "aud": "api",
    "sub": "s",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
}


def verify(token: str, **changes: object) -> object:
    expected: dict[str, object] = {
        "typ": "at+jwt",
        "issuer": "https://op.example",
        "audience": "api",
        "now": NOW,
        "required": ("sub",),
    } | changes
    return verify_compact(token, KEYS, **expected)  # type: ignore[arg-type] # a table of arguments


def signed(header: dict[str, object] | str, claims: dict[str, object] | str = "") -> str:
    head = header if isinstance(header, str) else json.dumps(header)
    body = claims if isinstance(claims, str) and claims else json.dumps(claims or CLAIMS)
    signing_input = f"{b64url_encode(head.encode())}.{b64url_encode(body.encode())}"
    return f"{signing_input}.{b64url_encode(SIGNER.sign(signing_input.encode()))}"


def refused(token: str, **changes: object) -> str:
    with pytest.raises(TokenRejected) as refusal:
        verify(token, **changes)
    return refusal.value.code


HEADER: dict[str, object] = {"alg": "ES256", "kid": SIGNER.kid, "typ": "at+jwt"}


def test_a_token_we_signed_verifies() -> None:
    assert verify(sign_compact(CLAIMS, SIGNER, typ="at+jwt")) == CLAIMS


def test_rfc7638_3_1_thumbprint_of_the_example_key() -> None:
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPeb"
        "WKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicA"
        "taSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPks"
        "INHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
        "wapJzKnqDKgw",
        "e": "AQAB",
    }
    assert thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_rfc8725_3_1_an_algorithm_that_we_did_not_choose_is_refused() -> None:
    assert refused(signed(HEADER | {"alg": "HS256"})) == "alg"
    assert refused(signed(HEADER | {"alg": "none"})) == "alg"


def test_rfc8725_3_11_another_type_is_refused() -> None:
    assert refused(signed(HEADER | {"typ": "JWT"})) == "typ"
    assert refused(signed({"alg": "ES256", "kid": SIGNER.kid})) == "typ"


def test_rfc7515_4_1_11_critical_headers_are_refused() -> None:
    assert refused(signed(HEADER | {"crit": ["exp"]})) == "crit"


def test_rfc7515_4_duplicate_header_names_are_refused() -> None:
    assert refused(signed('{"alg":"ES256","typ":"at+jwt","typ":"at+jwt","kid":"k"}')) == "header"


def test_rfc7519_4_duplicate_claim_names_are_refused() -> None:
    assert refused(signed(HEADER, '{"aud":"api","aud":"api","exp":99999999999}')) == "claims"


def test_another_key_id_is_refused() -> None:
    assert refused(signed(HEADER | {"kid": "other"})) == "key"


def test_a_changed_payload_is_refused() -> None:
    head, _, signature = signed(HEADER).split(".")
    assert (
        refused(f"{head}.{b64url_encode(json.dumps(CLAIMS | {'sub': 'x'}).encode())}.{signature}")
        == "signature"
    )


def test_stray_bits_in_the_signature_are_refused() -> None:
    token = signed(HEADER)
    last = "AB" if token.endswith("A") else "A"
    assert refused(token[:-1] + last[-1] + "=") == "signature"
    with pytest.raises(ValueError, match="canonical"):
        b64url_decode("YQB"[:2].replace("Q", "R"))


@pytest.mark.parametrize("missing", ["exp", "aud", "sub"])
def test_rfc7519_a_required_claim_that_is_missing_is_refused(missing: str) -> None:
    assert (
        refused(signed(HEADER, {name: value for name, value in CLAIMS.items() if name != missing}))
        == "claims"
    )


def test_rfc7519_4_1_3_an_audience_list_is_refused_also_when_it_holds_us() -> None:
    assert refused(signed(HEADER, CLAIMS | {"aud": ["api", "other"]})) == "audience"
    assert refused(signed(HEADER), audience="other") == "audience"


def test_rfc7519_4_1_4_expiry_is_exclusive() -> None:
    assert refused(signed(HEADER), now=NOW + timedelta(seconds=60)) == "expired"
    verify(signed(HEADER), now=NOW + timedelta(seconds=59))


def test_rfc7519_4_1_5_a_token_of_the_future_is_refused() -> None:
    assert refused(signed(HEADER, CLAIMS | {"nbf": CLAIMS["iat"] + 10})) == "not_yet"
    assert refused(signed(HEADER, CLAIMS | {"iat": CLAIMS["iat"] + 61})) == "not_yet"


@pytest.mark.parametrize("expiry", [True, "9999999999", None, 10**400])
def test_an_expiry_that_is_no_time_is_refused(expiry: object) -> None:
    assert refused(signed(HEADER, CLAIMS | {"exp": expiry})) == "claims"


def test_not_a_number_is_no_json() -> None:
    assert refused(signed(HEADER, '{"aud":"api","exp":NaN,"sub":"s","iss":"https://op.example"}')) == "claims"


def test_a_token_that_is_too_big_is_refused_before_it_is_parsed() -> None:
    assert refused("a" * 20000) == "size"


@pytest.mark.parametrize("bad", ["", ".", "..", "a.b", "a.b.c.d", "!.!.!", "\u3042.\u3044.\u3046"])
def test_what_is_no_token_is_refused(bad: str) -> None:
    assert refused(bad) in {"header", "size"}


@given(st.binary(max_size=40))
def test_base64url_goes_there_and_back(octets: bytes) -> None:
    assert b64url_decode(b64url_encode(octets)) == octets


@given(st.text(alphabet="ABab01-_=+/ ", max_size=8))
def test_base64url_has_one_reading(text: str) -> None:
    try:
        octets = b64url_decode(text)
    except ValueError:
        return
    assert b64url_encode(octets) == text


@given(st.text(max_size=60))
def test_any_text_is_refused_without_a_crash(text: str) -> None:
    refused(text)


def test_a_private_or_symmetric_key_is_no_verification_key() -> None:
    for bad in (
        {"kty": "oct", "k": "AAAA"},
        SIGNER.public_jwk() | {"d": "AAAA"},
        SIGNER.public_jwk() | {"use": "enc"},
    ):
        with pytest.raises(ValueError, match="key"):
            VerificationKey.from_jwk(bad, "ES256")


def test_strict_json_refuses_what_nests_without_end() -> None:
    with pytest.raises(ValueError, match="deep"):
        strict_json('{"a":' * 100000)


def test_rfc7515_7_2_2_a_flattened_jws_has_exactly_four_members() -> None:
    whole = json.loads(Flattened("e30", "e30", b"s", b"c").to_json())
    assert Flattened.parse(json.dumps(whole)) == Flattened("e30", "e30", b"s", b"c")
    for bad in (
        whole | {"extra": 1},
        {**whole, "header": {"x5c": ["Yw==", "Yw=="]}},
        {**whole, "header": {"jwk": {}}},
    ):
        with pytest.raises(ValueError, match=r"exactly|one certificate"):
            Flattened.parse(json.dumps(bad))


def test_rfc8259_4_a_flattened_jws_has_each_member_once() -> None:
    text = Flattened("e30", "e30", b"s", b"c").to_json()
    for name, value in (
        ("payload", "e31"),
        ("protected", "e31"),
        ("signature", "AA"),
        ("header", {"x5c": ["Yw=="]}),
    ):
        again = f'"{name}":{json.dumps(value)}'
        for twice in (f"{{{again},{text[1:]}", f"{text[:-1]},{again}}}"):
            with pytest.raises(ValueError, match="duplicate"):
                Flattened.parse(twice)
    inside = text.replace('"x5c":', '"x5c":["Yg=="],"x5c":')
    with pytest.raises(ValueError, match="duplicate"):
        Flattened.parse(inside)


def test_a_flattened_jws_that_is_too_big_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ValueError, match="too big"):
        Flattened.parse('{"payload":' * 2000)
    with pytest.raises(ValueError, match="too big"):
        Flattened.parse(Flattened("e30", "e30", b"s" * 17000, b"c").to_json())
