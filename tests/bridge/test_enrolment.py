"""The file that pins the providers of a bridge."""

from datetime import timedelta
from pathlib import Path

import pytest

from card.bridge.enrolment import Pin, read_enrolment, write_enrolment
from card.container import SigningPurpose, prepare
from card.jose import SoftwareSigner
from card.request import CardRequest, EnrolledIssuer, RequestRefused, read_request, sign_request
from tests.conftest import NOW

WARDS = ("https://shibuya.id.example", "https://setagaya.id.example")
KEYS = {issuer: SoftwareSigner.generate() for issuer in WARDS}


def request_of(issuer: str, signer: SoftwareSigner) -> str:
    address = f"{issuer}/card/answer"
    made = prepare(SigningPurpose.LOGIN, issuer=issuer, audience=address, nonce=b"n" * 16, issued_at=NOW)
    request = CardRequest(
        issuer=issuer,
        issuer_name={"ja": "区", "en": "Ward"},
        response_uri=address,
        cancel_uri=f"{issuer}/login?i=1",
        purpose=SigningPurpose.LOGIN,
        state="state",
        to_be_signed=made,
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        request_id="one",
    )
    return sign_request(request, signer)


@pytest.fixture
def enrolled(tmp_path: Path) -> dict[str, EnrolledIssuer]:
    path = tmp_path / "bridge" / "enrolment.json"
    pins = [Pin(issuer, f"{issuer}/card/answer", KEYS[issuer].public_jwk()) for issuer in WARDS]
    write_enrolment(path, pins)
    return read_enrolment(path)


@pytest.mark.parametrize("issuer", WARDS)
def test_one_bridge_works_for_several_wards(enrolled: dict[str, EnrolledIssuer], issuer: str) -> None:
    assert read_request(request_of(issuer, KEYS[issuer]), enrolled, NOW).issuer == issuer


def test_the_key_of_one_ward_signs_no_request_of_another(enrolled: dict[str, EnrolledIssuer]) -> None:
    shibuya, setagaya = WARDS
    with pytest.raises(RequestRefused) as refused:
        read_request(request_of(shibuya, KEYS[setagaya]), enrolled, NOW)
    assert refused.value.cancel_uri is None


@pytest.mark.parametrize("text", ['{"issuers": [{"issuer": "https://shibuya.id.example"}]}', "[]", "{}"])
def test_a_file_that_pins_nothing_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "enrolment.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="is no enrolment"):
        read_enrolment(path)
