"""card.container: what a card signed counts once, for its purpose, over our bytes alone."""

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from card.certificates import Purpose, read_certificate
from card.container import (
    SigningPurpose,
    ToBeSigned,
    prepare,
    protected_header,
    refuse_controls,
    verify_again,
    verify_signed_by_card,
)
from card.faults import CardRejected, Fault
from card.jose import Flattened, b64url_decode, b64url_encode
from card.test_authority import TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.holder import sign_as_holder
from tests.card.conftest import HANAKO, NOW

ISSUER = "https://shibuya.id.example"
ANSWER = ISSUER + "/card/answer"


def login_bytes(**changes: Any) -> ToBeSigned:
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": ANSWER,
        "nonce": b"n" * 16,
        "issued_at": NOW,
    } | changes
    return prepare(arguments.pop("purpose", SigningPurpose.LOGIN), **arguments)


def signed(card: VirtualCard, prepared: ToBeSigned, purpose: Purpose = Purpose.AUTHENTICATION) -> Flattened:
    return Flattened.parse(sign_as_holder(card, prepared, purpose).to_json())


def refusal(container: Flattened, prepared: ToBeSigned, trust: Trust, **changes: Any) -> str:
    arguments: dict[str, Any] = {"expecting": SigningPurpose.LOGIN, "now": NOW} | changes
    with pytest.raises(CardRejected) as rejected:
        verify_signed_by_card(container, prepared=prepared, trust=trust, **arguments)
    return rejected.value.code


def test_a_login_signed_by_the_card_is_evidence(card: VirtualCard, trust: Trust) -> None:
    prepared = login_bytes()
    evidence = verify_signed_by_card(
        signed(card, prepared), expecting=SigningPurpose.LOGIN, prepared=prepared, trust=trust, now=NOW
    )
    assert evidence.certificate.der == card.contents.authentication_certificate
    assert evidence.revocation.source == "crl"


def test_an_answer_over_other_bytes_is_refused(card: VirtualCard, trust: Trust) -> None:
    assert refusal(signed(card, login_bytes()), login_bytes(nonce=b"m" * 16), trust) == "card.bytes"


def test_a_signature_for_one_purpose_is_none_for_another(card: VirtualCard, trust: Trust) -> None:
    mandate = login_bytes(purpose=SigningPurpose.MANDATE, text="文", template="t", content={})
    container = signed(card, mandate)
    assert refusal(container, mandate, trust) == "card.purpose"
    assert refusal(container, mandate, trust, expecting=SigningPurpose.MANDATE) == "card.purpose"


def test_a_mandate_is_signed_with_the_signature_certificate(card: VirtualCard, trust: Trust) -> None:
    mandate = login_bytes(purpose=SigningPurpose.MANDATE, text="文", template="t", content={"a": 1})
    container = signed(card, mandate, Purpose.SIGNATURE)
    evidence = verify_signed_by_card(
        container,
        expecting=SigningPurpose.MANDATE,
        prepared=mandate,
        trust=trust,
        now=NOW + timedelta(minutes=30),
    )
    assert evidence.certificate.attributes is not None
    certificate, claims = verify_again(container, expecting=SigningPurpose.MANDATE, trust=trust, at=NOW)
    assert claims["text"] == "文"
    assert certificate.serial == evidence.certificate.serial


def test_the_certificates_of_a_purpose_are_fixed() -> None:
    certificates = {purpose: purpose.certificates for purpose in SigningPurpose}
    assert certificates == {
        SigningPurpose.LOGIN: (Purpose.AUTHENTICATION,),
        SigningPurpose.MANDATE: (Purpose.SIGNATURE,),
        SigningPurpose.LINK: (Purpose.AUTHENTICATION, Purpose.SIGNATURE),
        SigningPurpose.APPROVAL: (Purpose.SIGNATURE,),
        SigningPurpose.ATTENDANCE: (Purpose.AUTHENTICATION,),
    }


@pytest.mark.parametrize("late", [timedelta(minutes=5, seconds=1), timedelta(seconds=-61)])
def test_a_request_is_answered_in_its_time(card: VirtualCard, trust: Trust, late: timedelta) -> None:
    prepared = login_bytes()
    assert refusal(signed(card, prepared), prepared, trust, now=NOW + late) == "card.expired"


def test_rfc5280_4_1_2_5_an_expired_certificate_is_told_apart_from_a_late_answer(
    card: VirtualCard, trust: Trust
) -> None:
    later = NOW + timedelta(days=5 * 365 + 1)
    prepared = login_bytes(issued_at=later)
    assert refusal(signed(card, prepared), prepared, trust, now=later) == "card.certificate_expired"


def test_rfc5280_6_3_a_revoked_card_is_refused(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    lost = authority.issue_card(HANAKO, NOW)
    serial = read_certificate(lost.contents.authentication_certificate).serial
    authority.revoke(Purpose.AUTHENTICATION, serial, NOW)
    prepared = login_bytes()
    assert refusal(signed(lost, prepared), prepared, authority.trust()) == "card.revoked"


def test_rfc7518_3_4_a_card_of_the_next_generation_signs_the_same_request_with_p384(
    next_card: VirtualCard, trust: Trust
) -> None:
    prepared = login_bytes()
    container = signed(next_card, prepared)
    assert b64url_decode(container.protected) == b'{"alg":"ES384","typ":"dairi-login+jws"}'
    assert (container.payload, len(container.signature)) == (prepared.payload, 96)
    evidence = verify_signed_by_card(
        container, expecting=SigningPurpose.LOGIN, prepared=prepared, trust=trust, now=NOW
    )
    assert evidence.certificate.der == next_card.contents.authentication_certificate
    assert refusal(container, login_bytes(nonce=b"m" * 16), trust) == "card.bytes"


def test_a_mandate_of_a_card_of_the_next_generation_verifies_again(
    next_card: VirtualCard, trust: Trust
) -> None:
    mandate = login_bytes(purpose=SigningPurpose.MANDATE, text="文", template="t", content={"a": 1})
    container = signed(next_card, mandate, Purpose.SIGNATURE)
    verify_signed_by_card(container, expecting=SigningPurpose.MANDATE, prepared=mandate, trust=trust, now=NOW)
    _, claims = verify_again(container, expecting=SigningPurpose.MANDATE, trust=trust, at=NOW)
    assert claims["text"] == "文"


@pytest.mark.parametrize(("alg", "other"), [("RS256", "next_card"), ("ES384", "card")])
def test_rfc8725_3_1_the_header_is_that_of_the_certificates_key_alone(
    request: pytest.FixtureRequest, trust: Trust, alg: str, other: str
) -> None:
    """Nothing that whoever answers writes chooses the algorithm."""
    prepared = login_bytes()
    container = signed(request.getfixturevalue(other), prepared)
    swapped = dataclasses.replace(container, protected=prepared.under(alg).protected)
    assert refusal(swapped, prepared, trust) == "card.malformed"


def test_a_p384_signature_in_der_is_none(next_card: VirtualCard, trust: Trust) -> None:
    container = signed(next_card, login_bytes())
    r, s = (int.from_bytes(container.signature[part : part + 48], "big") for part in (0, 48))
    in_der = dataclasses.replace(container, signature=encode_dss_signature(r, s))
    assert refusal(in_der, login_bytes(), trust) == "card.signature"


def test_the_bytes_for_each_key_are_the_ones_of_the_module() -> None:
    made = login_bytes()
    assert made.under("RS256") is made
    assert made.under("ES384").header() == protected_header(SigningPurpose.LOGIN, "ES384")
    assert made.under("ES384").under("ES384") == made.under("ES384")


def test_a_forged_signature_is_refused(card: VirtualCard, trust: Trust) -> None:
    prepared = login_bytes()
    container = signed(card, prepared)
    forged = dataclasses.replace(
        container, signature=bytes([container.signature[0] ^ 1]) + container.signature[1:]
    )
    assert refusal(forged, prepared, trust) == "card.signature"


def test_another_certificate_on_a_true_signature_is_refused(card: VirtualCard, trust: Trust) -> None:
    prepared = login_bytes()
    container = dataclasses.replace(signed(card, prepared), leaf_der=card.contents.signature_certificate)
    assert refusal(container, prepared, trust) == "card.signature"


@pytest.mark.parametrize(
    "header",
    ['{"alg":"none","typ":"dairi-login+jws"}', '{"alg":"RS256","typ":"dairi-login+jws","kid":"1"}', "no"],
)
def test_the_protected_header_is_exactly_ours(card: VirtualCard, trust: Trust, header: str) -> None:
    prepared = dataclasses.replace(login_bytes(), protected=b64url_encode(header.encode()))
    assert refusal(signed(card, prepared), prepared, trust) == "card.malformed"


def test_the_protected_header_is_what_the_module_says() -> None:
    assert b64url_decode(login_bytes().protected) == b'{"alg":"RS256","typ":"dairi-login+jws"}'


def test_a_stale_list_refuses_the_signature_with_503(card: VirtualCard, trust: Trust) -> None:
    later = NOW + timedelta(hours=26)
    prepared = login_bytes(issued_at=later)
    assert refusal(signed(card, prepared), prepared, trust, now=later) == "card.status_unavailable"


@pytest.mark.parametrize("text", ["abc\u202edef", "a\u200bb", "a\u2066b", "a\x07b", "\ufeffa", "a\rb"])
def test_uts39_controls_that_hide_text_are_refused(text: str) -> None:
    with pytest.raises(Fault, match="text_controls"):
        refuse_controls(text)


def test_names_keep_their_variation_selectors() -> None:
    refuse_controls("渡辺\U000e0101 神\ufa19\n二行目")


def test_a_short_nonce_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="128 bits"):
        login_bytes(nonce=b"short")
