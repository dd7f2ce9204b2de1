"""What is fuzzed: each target takes any octets, and only the faults that it declares may come out of it."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from asn1crypto import parser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from card.attributes import AttributesCard
from card.certificates import Purpose, read_certificate, signing_key
from card.container import SigningPurpose, ToBeSigned, prepare, verify_again, verify_signed_by_card
from card.faults import CardRejected, Fault
from card.jose import Flattened, KeySet, SoftwareSigner, TokenRejected, VerificationKey, strict_json
from card.jose.compact import encode_json, verify_compact
from card.request import (
    AUDIENCE,
    TYP,
    CardRequest,
    EnrolledIssuer,
    RequestRefused,
    read_request,
    sign_request,
)
from card.test_authority import Holder, TestAuthority
from card.trust import Trust, check_path
from card.virtual.card import Pin, Printed, VirtualCard
from card.virtual.holder import lay_down, sign_as_holder
from tests.card.bending import inside, tlv

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
HOLDER = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区宇田川町１－１")
ISSUER = "https://shibuya.id.example"
ANSWER = ISSUER + "/card/answer"
NAME_OID = bytes.fromhex("0603551d11")
ALGS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
ALTERNATIVE_NAME = 8
"""After the places of what an authority signs (`tests.card.bending`): this one extension's own content."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed, and what it begins with."""

    run: Callable[[bytes], None]
    seeds: list[bytes]


def targets(folder: Path) -> Mapping[str, Target]:
    """Every target, over cards made now.

    :param folder: an empty one, for the authority that issues them.
    """
    authority = TestAuthority.create(folder, NOW)
    card, trust, key = authority.issue_card(HOLDER, NOW), authority.trust(), SoftwareSigner.generate()
    login = _prepared(SigningPurpose.LOGIN)
    mandate = _prepared(SigningPurpose.MANDATE, text="文", template="t", content={"a": 1})
    leaves = [
        card.contents.authentication_certificate,
        _signature_certificate(card),
        _next_generation(authority),
    ]
    signed = [
        sign_as_holder(card, login, Purpose.AUTHENTICATION),
        sign_as_holder(card, mandate, Purpose.SIGNATURE),
    ]
    request = _request(login)
    return {
        "certificate": Target(lambda octets: _certificate(octets, trust), leaves),
        "parts": Target(
            lambda octets: _certificate(_with_part(octets, leaves[1]), trust),
            [seed for leaf in leaves for seed in _parts(leaf)],
        ),
        "container": Target(
            lambda octets: _container(octets, login, trust),
            [container.to_json().encode("ascii") for container in signed],
        ),
        "request": Target(
            lambda octets: _request_jws(octets.decode("latin-1"), key),
            [sign_request(request, key).encode("ascii")],
        ),
        "claims": Target(
            lambda octets: _request_jws(_signed(octets, key), key),
            [encode_json(dict(_claims_of(sign_request(request, key))))],
        ),
        "token": Target(
            lambda octets: _token(_signed(octets, key), key),
            [encode_json({"iss": ISSUER, "aud": AUDIENCE, "exp": int(NOW.timestamp()) + 60, "sub": "a"})],
        ),
        "jwk": Target(
            _jwk, [encode_json(SoftwareSigner.generate(alg).public_jwk()) for alg in ("ES256", "RS256")]
        ),
        "printed": Target(
            lambda octets: _printed(octets, card),
            [_of(card).attributes, b"\xff\x20\x82\x01\x00" + bytes(256)],
        ),
    }


def _prepared(purpose: SigningPurpose, **more: object) -> ToBeSigned:
    return prepare(purpose, issuer=ISSUER, audience=ANSWER, nonce=b"n" * 16, issued_at=NOW, **more)  # type: ignore[arg-type] # what a mandate has besides


def _signature_certificate(card: VirtualCard) -> bytes:
    assert card.contents.signature_certificate is not None
    return card.contents.signature_certificate


def _next_generation(authority: TestAuthority) -> bytes:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return authority.issue(Purpose.AUTHENTICATION, HOLDER, key, NOW).public_bytes(Encoding.DER)


def _of(card: VirtualCard) -> Printed:
    assert card.contents.printed is not None
    return card.contents.printed


def _certificate(octets: bytes, trust: Trust) -> None:
    with suppress(CardRejected):
        certificate = read_certificate(octets)
        signing_key(certificate.x509)
        check_path(certificate, certificate.purpose, trust, NOW)


def _alternative_name(extensions: list[bytes]) -> int | None:
    """Which of the extensions it is, if any; on the authentication certificate there is none."""
    return next((n for n, extension in enumerate(extensions) if NAME_OID in extension[:12]), None)


def _parts(leaf: bytes) -> list[bytes]:
    places = inside(inside(leaf)[0])
    seeds = [bytes([place]) + _content(part) for place, part in enumerate(places)]
    extensions = inside(inside(places[-1])[0])
    which = _alternative_name(extensions)
    if which is not None:
        seeds.append(bytes([ALTERNATIVE_NAME]) + _content(inside(extensions[which])[-1]))
    return seeds


def _content(der: bytes) -> bytes:
    return bytes(parser.parse(der)[4])


def _with_part(octets: bytes, leaf: bytes) -> bytes:
    """A signature certificate with other octets in one of its places, every length about them right."""
    signed, *rest = inside(leaf)
    places = inside(signed)
    place = octets[0] % (ALTERNATIVE_NAME + 1) if octets else 0
    if place == ALTERNATIVE_NAME:
        extensions = inside(inside(places[-1])[0])
        which = _alternative_name(extensions)
        assert which is not None
        extensions[which] = tlv(0x30, NAME_OID, tlv(0x04, octets[1:]))
        places[-1] = tlv(places[-1][0], tlv(0x30, *extensions))
    else:
        places[place] = tlv(places[place][0], octets[1:])
    return tlv(0x30, tlv(0x30, *places), *rest)


def _container(octets: bytes, prepared: ToBeSigned, trust: Trust) -> None:
    try:
        container = Flattened.parse(octets)
    except ValueError:
        return
    assert Flattened.parse(container.to_json()) == container
    with suppress(CardRejected):
        verify_signed_by_card(
            container, expecting=SigningPurpose.LOGIN, prepared=prepared, trust=trust, now=NOW
        )
    with suppress(CardRejected):
        verify_again(container, expecting=SigningPurpose.MANDATE, trust=trust, at=NOW)


def _request(login: ToBeSigned) -> CardRequest:
    return CardRequest(
        issuer=ISSUER,
        issuer_name={"ja": "渋谷区", "en": "Shibuya City"},
        response_uri=ANSWER,
        cancel_uri=ISSUER + "/login",
        purpose=SigningPurpose.LOGIN,
        state="state",
        to_be_signed=login,
        issued_at=NOW,
        expires_at=NOW.replace(minute=5),
        request_id="one",
    )


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _claims_of(jws: str) -> Mapping[str, object]:
    return Flattened("e30", jws.split(".")[1], b"", b"").claims()


def _signed(claims: bytes, key: SoftwareSigner) -> str:
    """What a known key signed, whatever it says."""
    header = _encoded(encode_json({"alg": key.alg, "kid": key.kid, "typ": TYP}))
    signing_input = f"{header}.{_encoded(claims)}"
    return f"{signing_input}.{_encoded(key.sign(signing_input.encode('ascii')))}"


def _request_jws(jws: str, key: SoftwareSigner) -> None:
    enrolled = {ISSUER: EnrolledIssuer(ISSUER, ANSWER, KeySet([key.verification_key()]))}
    with suppress(RequestRefused):
        read_request(jws, enrolled, NOW)


def _token(jws: str, key: SoftwareSigner) -> None:
    with suppress(TokenRejected):
        encode_json(
            verify_compact(
                jws, KeySet([key.verification_key()]), typ=TYP, issuer=ISSUER, audience=AUDIENCE, now=NOW
            )
        )


def _jwk(octets: bytes) -> None:
    try:
        members = strict_json(octets)
    except ValueError:
        return
    for alg in ALGS:
        try:
            key = VerificationKey.from_jwk(members, alg)
        except ValueError:
            continue
        assert not key.verifies(b"octets", b"s" * 64)
    KeySet.from_jwks({"keys": [members]}, ALGS)


def _printed(octets: bytes, card: VirtualCard) -> None:
    kept = Printed(octets, Pin(b"1234", 3, 3), Pin(b"0" * 14, 10, 10))
    held = VirtualCard(replace(card.contents, printed=kept))
    with suppress(Fault), lay_down(held).connect() as transport, AttributesCard(transport) as laid:
        laid.by_pin(bytearray(b"1234"))
