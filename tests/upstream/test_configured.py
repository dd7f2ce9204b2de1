"""The file of upstreams: read once, refused in a sentence, and no call of its own."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from card.jose import SoftwareSigner
from idp.upstream.configured import read_upstreams
from idp.upstream.provider import PrivateKeyJwt, Registration

APP = """
[131130.app]
issuer = "https://auth-and-sign.go.jp/api/realms/main"
client_id = "RP00000001"
key_file = "{key}"
"""


def signs_with(agreed: Registration) -> str:
    assert isinstance(agreed.authentication, PrivateKeyJwt)
    return agreed.authentication.signer.alg


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "app.pem"
    path.write_bytes(SoftwareSigner.generate().private_pem())
    return path


def test_an_entry_says_who_we_are_there_and_the_rest_is_what_the_app_is_known_to_want(key: Path) -> None:
    (entry,) = read_upstreams(APP.format(key=key)).values()
    assert entry.app is not None
    made = entry.app.provider()  # no call: nobody is there
    agreed = made.registration
    assert (made.name, agreed.issuer) == ("app", "https://auth-and-sign.go.jp/api/realms/main")
    assert (agreed.client_id, agreed.alg, signs_with(agreed)) == ("RP00000001", "ES256", "ES256")
    assert (agreed.acr_values, agreed.acr) == ("aal3 crl", {"aal3", "crl"})
    made.close()


def test_without_an_entry_there_is_none() -> None:
    assert read_upstreams("") == {}
    assert [entry.app for entry in read_upstreams("[131130]").values()] == [None]


@pytest.mark.parametrize(
    ("was", "instead", "told"),
    [
        ("https://auth", "http://auth", "without https"),
        ("/main", "/main/", "issuer: Value error, the issuer ends with a slash"),
        ("[131130.app]", "[131131.app]", "not the code of a special ward"),
        ("[131130.app]", "[131130.application]", "application: Extra inputs"),
        ("[131130.app]", "[131130.app", "DAIRI_UPSTREAMS_FILE: "),
        ('client_id = "RP00000001"', "", "app.client_id: Field required"),
        ("RP00000001", "RP 1", "app.client_id: "),
        ('client_id = "RP00000001"', 'client_id = "R"\nacr = []', "app.acr: "),
    ],
)
def test_what_is_wrong_in_it_is_one_sentence_that_names_the_place(
    key: Path, was: str, instead: str, told: str
) -> None:
    with pytest.raises(ValueError, match=r"DAIRI_UPSTREAMS_FILE|sandbox") as caught:
        read_upstreams(APP.format(key=key).replace(was, instead))
    assert told in str(caught.value)


def test_a_sandbox_may_do_without_https(key: Path) -> None:
    assert read_upstreams(APP.format(key=key).replace("https://", "http://"), sandbox=True)


def test_a_key_that_is_none_or_signs_otherwise_stops_the_start(key: Path) -> None:
    (entry,) = read_upstreams(APP.format(key=key)).values()
    assert entry.app is not None
    form = (Encoding.PEM, PrivateFormat.PKCS8)
    p384 = ec.generate_private_key(ec.SECP384R1())
    for content in (
        b"",
        b"-----BEGIN PRIVATE KEY-----\n",
        p384.private_bytes(*form, NoEncryption()),
        p384.private_bytes(*form, BestAvailableEncryption(b"p")),
        ed25519.Ed25519PrivateKey.generate().private_bytes(*form, NoEncryption()),
    ):
        key.write_bytes(content)
        with pytest.raises(ValueError, match=r"app\.pem holds"):
            entry.app.provider()
    key.write_bytes(SoftwareSigner.generate("RS256").private_pem())
    made = entry.app.provider()
    assert signs_with(made.registration) == "RS256"
    made.close()
