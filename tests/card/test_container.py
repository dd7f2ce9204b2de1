"""card.container and card.request: what a card signed counts once, for its purpose, over our bytes alone."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from card.certificates import Purpose
from card.container import (
    SigningPurpose,
    ToBeSigned,
    prepare,
    refuse_controls,
    verify_again,
    verify_signed_by_card,
)
from card.faults import CardRejected, Fault
from card.jose import Flattened, KeySet, SoftwareSigner, b64url_encode
from card.jpki import JpkiCard
from card.request import CardRequest, EnrolledIssuer, RequestItem, read_request, sign_request
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.deck import InProcessReader, LocalDeck
from tests.card.conftest import NOW

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
    deck = LocalDeck({"a": card})
    deck.insert("a")
    pin = b"1234" if purpose is Purpose.AUTHENTICATION else b"ABC123"
    with InProcessReader(deck).connect() as transport, JpkiCard(transport) as jpki:
        certificate, (signature,) = jpki.sign(purpose, bytearray(pin), [prepared.signing_input])
    made = Flattened(prepared.protected, prepared.payload, signature, certificate)
    return Flattened.parse(made.to_json())


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


@pytest.mark.parametrize("late", [timedelta(minutes=5, seconds=1), timedelta(seconds=-61)])
def test_a_request_is_answered_in_its_time(card: VirtualCard, trust: Trust, late: timedelta) -> None:
    prepared = login_bytes()
    assert refusal(signed(card, prepared), prepared, trust, now=NOW + late) == "card.expired"


def test_a_forged_signature_is_refused(card: VirtualCard, trust: Trust) -> None:
    prepared = login_bytes()
    container = signed(card, prepared)
    forged = dataclasses.replace(
        container, signature=bytes([container.signature[0] ^ 1]) + container.signature[1:]
    )
    assert refusal(forged, prepared, trust) == "card.signature"


def test_a_foreign_certificate_on_a_true_signature_is_refused(card: VirtualCard, trust: Trust) -> None:
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


REQUEST_KEY = SoftwareSigner.generate()
ENROLLED = {ISSUER: EnrolledIssuer(ISSUER, ANSWER, KeySet([REQUEST_KEY.verification_key()]))}


def request(**changes: Any) -> CardRequest:
    whole = CardRequest(
        issuer=ISSUER,
        issuer_name={"ja": "渋谷区", "en": "Shibuya City"},
        response_uri=ANSWER,
        cancel_uri=ISSUER + "/login",
        purpose=SigningPurpose.LOGIN,
        state="state",
        items=(RequestItem(Purpose.AUTHENTICATION, login_bytes()),),
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        request_id="one",
    )
    return dataclasses.replace(whole, **changes)


def test_the_bridge_reads_what_the_provider_signed() -> None:
    asked = request(text={"ja": "文"})
    assert read_request(sign_request(asked, REQUEST_KEY), ENROLLED, NOW) == asked


@pytest.mark.parametrize(
    ("asked", "signer", "code"),
    [
        (request(issuer="https://evil.example"), REQUEST_KEY, "bridge.unknown_issuer"),
        (request(), SoftwareSigner.generate(), "bridge.request_invalid"),
        (request(expires_at=NOW), REQUEST_KEY, "bridge.expired"),
        (request(response_uri="https://evil.example/answer"), REQUEST_KEY, "bridge.response_uri"),
        (request(items=()), REQUEST_KEY, "bridge.request_invalid"),
        (request(state=""), REQUEST_KEY, "bridge.request_invalid"),
    ],
    ids=["issuer", "key", "expiry", "address", "nothing to sign", "no state"],
)
def test_the_bridge_is_no_signing_oracle(asked: CardRequest, signer: SoftwareSigner, code: str) -> None:
    with pytest.raises(Fault) as refused:
        read_request(sign_request(asked, signer), ENROLLED, NOW)
    assert refused.value.code == code


@pytest.mark.parametrize("junk", ["", "a.b.c", "x" * 70000])
def test_the_bridge_refuses_what_is_no_request(junk: str) -> None:
    with pytest.raises(Fault, match=r"bridge\.request_invalid"):
        read_request(junk, ENROLLED, NOW)
