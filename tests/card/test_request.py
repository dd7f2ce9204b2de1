"""card.request: the bridge obeys one issuer at one address, and signs only bytes that it has read."""

import dataclasses
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from card.container import SigningPurpose, ToBeSigned, prepare
from card.faults import Fault
from card.jose import KeySet, SoftwareSigner, b64url_encode, sign_compact, unverified_claims
from card.request import (
    TYP,
    CardRequest,
    EnrolledIssuer,
    RequestRefused,
    read_request,
    sign_request,
)
from tests.card.conftest import NOW

ISSUER = "https://shibuya.id.example"
ANSWER = ISSUER + "/card/answer"
BACK = ISSUER + "/login"
KEY = SoftwareSigner.generate()
ENROLLED = {ISSUER: EnrolledIssuer(ISSUER, ANSWER, KeySet([KEY.verification_key()]))}


def prepared(purpose: SigningPurpose = SigningPurpose.LOGIN, **more: Any) -> ToBeSigned:
    return prepare(purpose, issuer=ISSUER, audience=ANSWER, nonce=b"n" * 16, issued_at=NOW, **more)


def request(**changes: Any) -> CardRequest:
    whole = CardRequest(
        issuer=ISSUER,
        issuer_name={"ja": "渋谷区", "en": "Shibuya City"},
        response_uri=ANSWER,
        cancel_uri=BACK,
        purpose=SigningPurpose.LOGIN,
        state="state",
        to_be_signed=prepared(),
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        request_id="one",
    )
    return dataclasses.replace(whole, **changes)


def mandate(told: str = "文", **content: Any) -> CardRequest:
    claims = {"text": "文", "template": "t", "content": {"a": 1}} | content
    made = prepared(SigningPurpose.MANDATE, **claims)
    return request(purpose=SigningPurpose.MANDATE, to_be_signed=made, text={"ja": told})


def bent(whole: CardRequest, **changes: object) -> str:
    """What an enrolled issuer that went wrong signs: any claim changed."""
    return sign_compact(dict(unverified_claims(sign_request(whole, KEY))) | changes, KEY, typ=TYP)


def over(header: object, payload: object, whole: CardRequest | None = None) -> str:
    """A request over other bytes, with the challenge that fits them."""
    protected, body = (
        b64url_encode(part.encode() if isinstance(part, str) else json.dumps(part).encode())
        for part in (header, payload)
    )
    challenge = b64url_encode(hashlib.sha256(f"{protected}.{body}".encode()).digest())
    return bent(whole or request(), protected=protected, payload=body, challenge=challenge)


def refusal(jws: str) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        read_request(jws, ENROLLED, NOW)
    return refused.value


def linking(**more: Any) -> CardRequest:
    made = prepared(SigningPurpose.LINK, text="このカードを登録します")
    return request(
        purpose=SigningPurpose.LINK, to_be_signed=made, text={"ja": "このカードを登録します"}, **more
    )


@pytest.mark.parametrize("asked", [request(), mandate(), linking()], ids=["login", "mandate", "linking"])
def test_the_bridge_reads_what_the_provider_signed(asked: CardRequest) -> None:
    assert read_request(sign_request(asked, KEY), ENROLLED, NOW) == asked


def test_the_text_that_is_shown_is_the_text_that_is_signed() -> None:
    asked = read_request(sign_request(mandate(told="別の文"), KEY), ENROLLED, NOW)
    assert asked.text == {"ja": "文"}


@pytest.mark.parametrize(
    ("asked", "signer", "code"),
    [
        (request(issuer="https://evil.example"), KEY, "bridge.unknown_issuer"),
        (request(), SoftwareSigner.generate(), "bridge.unknown_key"),
        (request(expires_at=NOW), KEY, "bridge.expired"),
        (request(response_uri="https://evil.example/answer"), KEY, "bridge.response_uri"),
        (request(cancel_uri="https://evil.example/"), KEY, "bridge.request_invalid"),
        (request(cancel_uri="javascript:alert(1)"), KEY, "bridge.request_invalid"),
        (request(state=""), KEY, "bridge.request_invalid"),
        (
            request(purpose=SigningPurpose.LINK, to_be_signed=prepared()),
            KEY,
            "bridge.request_invalid",
        ),
    ],
    ids=["issuer", "key", "expiry", "address", "way out", "script", "no state", "bytes of a login"],
)
def test_rfc9101_6_a_request_that_is_not_in_order_is_refused(
    asked: CardRequest, signer: SoftwareSigner, code: str
) -> None:
    assert refusal(sign_request(asked, signer)).code == code


HEADER = {"alg": "RS256", "typ": "dairi-login+jws"}
PAYLOAD = {"iss": ISSUER, "aud": ANSWER, "purpose": "login", "nonce": "bm5u", "iat": 1}


def test_bytes_made_by_hand_are_read_like_prepared_ones() -> None:
    assert read_request(over(HEADER, PAYLOAD), ENROLLED, NOW).purpose is SigningPurpose.LOGIN


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (HEADER | {"alg": "none"}, PAYLOAD),
        (HEADER | {"typ": "dairi-mandate+jws"}, PAYLOAD),
        (HEADER | {"typ": "JWT"}, PAYLOAD),
        ({"alg": "RS256"}, PAYLOAD),
        (HEADER | {"kid": "1"}, PAYLOAD),
        (HEADER | {"crit": ["typ"]}, PAYLOAD),
        ("no JSON", PAYLOAD),
        (HEADER, PAYLOAD | {"iss": "https://bank.example"}),
        (HEADER, PAYLOAD | {"aud": "https://bank.example/answer"}),
        (HEADER, PAYLOAD | {"aud": [ANSWER]}),
        (HEADER, PAYLOAD | {"purpose": "mandate"}),
        (HEADER, {}),
        (HEADER, "no JSON"),
        (HEADER, '{"iss":"a","iss":"b"}'),
        (HEADER, PAYLOAD | {"certificates": {}}),
    ],
)
def test_rfc7515_5_1_the_bridge_is_no_signing_oracle_for_an_enrolled_issuer(
    header: object, payload: object
) -> None:
    assert refusal(over(header, payload)).code == "bridge.request_invalid"


def test_bytes_for_one_purpose_are_not_signed_in_a_request_for_another() -> None:
    login = request(purpose=SigningPurpose.LOGIN, to_be_signed=mandate().to_be_signed)
    assert refusal(sign_request(login, KEY)).code == "bridge.request_invalid"


@pytest.mark.parametrize("text", [None, "", 7, ["文"]])
def test_nothing_is_decided_without_a_text_to_read(text: object) -> None:
    payload = PAYLOAD | {"purpose": "mandate", "text": text}
    jws = over(HEADER | {"typ": "dairi-mandate+jws"}, payload, mandate())
    assert refusal(jws).code == "bridge.request_invalid"


def test_uts39_a_text_that_hides_characters_is_not_shown() -> None:
    payload = PAYLOAD | {"purpose": "mandate", "text": "100\u202e円"}
    jws = over(HEADER | {"typ": "dairi-mandate+jws"}, payload, mandate())
    assert refusal(jws).code == "card.text_controls"


def test_another_challenge_than_the_bytes_have_is_refused() -> None:
    assert refusal(bent(request(), challenge="x")).code == "bridge.request_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "marriage"}, {"protected": ""}, {"payload": 1}, {"issuer_name": "渋谷区"}, {"locale": 5},
        {"iat": -250000000000}, {"exp": True}, {"jti": None}, {"protected": "あ"},
    ],
)  # fmt: skip
def test_claims_of_another_shape_are_refused(changes: dict[str, object]) -> None:
    assert refusal(bent(mandate(), **changes)).code == "bridge.request_invalid"


@pytest.mark.parametrize("junk", ["", "a.b.c", "x" * 70000])
def test_the_bridge_refuses_what_is_no_request(junk: str) -> None:
    with pytest.raises(Fault, match=r"bridge\.request_invalid"):
        read_request(junk, ENROLLED, NOW)


@pytest.mark.parametrize(
    ("jws", "way_back"),
    [
        (sign_request(request(expires_at=NOW), KEY), BACK),
        (over(HEADER, {}), BACK),
        (sign_request(request(cancel_uri="https://evil.example/"), KEY), None),
        (sign_request(request(expires_at=NOW), SoftwareSigner.generate()), None),
    ],
    ids=["too late", "other bytes", "leads elsewhere", "of someone else"],
)
def test_a_refusal_names_the_way_back_where_the_request_is_truly_its_issuers(
    jws: str, way_back: str | None
) -> None:
    assert refusal(jws).cancel_uri == way_back
