"""Access tokens verified locally (RFC 9068 §4, RFC 8725 §3), and the keys that are remembered for it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from card.jose import KeySet, SoftwareSigner, TokenRejected, b64url_encode
from delegation.client import DecisionUnavailable, TokenRefused, WardSystem
from delegation.client.keys import AGAIN_AFTER_S, FRESH_S, STALE_S, PublishedKeys
from tests.client.local import AUDIENCE, LocalProvider, answers

NOW = int(datetime.now(UTC).timestamp())


def test_a_good_token_is_read(system: WardSystem, local: LocalProvider) -> None:
    access = system.verify(local.token())
    assert (access.principal, access.delegated) == ("hanako", False)


def without_signature(local: LocalProvider) -> str:
    header = b64url_encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
    return f"{header}.{local.token().split('.')[1]}."


def by_the_public_key(local: LocalProvider, encoding: Encoding) -> str:
    """HS256 with what everybody can fetch as the secret (RFC 8725 §2.1)."""
    private = load_pem_private_key(local.signer.private_pem(), password=None)
    public = private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    header = b64url_encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": local.signer.kid}).encode())
    signed = f"{header}.{local.token().split('.')[1]}"
    return f"{signed}.{b64url_encode(hmac.digest(public, signed.encode(), hashlib.sha256))}"


def altered(local: LocalProvider) -> str:
    header, body, signature = local.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{header}.{b64url_encode(json.dumps(claims | {'sub': 'yuki'}).encode())}.{signature}"


FORGED: dict[str, Callable[[LocalProvider], str]] = {
    "for another audience": lambda local: local.token(aud="https://tax.ward.example"),
    "for several audiences": lambda local: local.token(aud=[AUDIENCE]),
    "of another issuer": lambda local: local.token(iss="https://evil.example"),
    "expired": lambda local: local.token(iat=NOW - 700, exp=NOW - 100),
    "of tomorrow": lambda local: local.token(nbf=NOW + 86400, exp=NOW + 90000),
    "an ID token": lambda local: local.token(typ="JWT"),
    "without time": lambda local: local.token(exp=None),
    "without scope": lambda local: local.token(scope=None),
    "of no client": lambda local: local.token(client_id=None),
    "without id": lambda local: local.token(jti=None),
    "half a delegated one": lambda local: local.token(act={"sub": "yuki"}),
    "alg none": without_signature,
    "HS256 by the public key, DER": lambda local: by_the_public_key(local, Encoding.DER),
    "HS256 by the public key, PEM": lambda local: by_the_public_key(local, Encoding.PEM),
    "altered": altered,
    "signed by another key of that name": lambda local: local.token(
        SoftwareSigner.from_pem(SoftwareSigner.generate().private_pem(), kid=local.signer.kid)
    ),
    "nonsense": lambda _: "x.y.z",
    "empty": lambda _: "",
    "not ASCII": lambda _: "田.中.花",
}


@pytest.mark.parametrize("kind", FORGED)
def test_rfc9068_4_a_token_that_does_not_count_is_refused(
    system: WardSystem, local: LocalProvider, kind: str
) -> None:
    system.verify(local.token())
    with pytest.raises(TokenRefused):
        system.verify(FORGED[kind](local))
    assert local.asked["/jwks"] == 1


def test_made_up_key_ids_do_not_make_us_ask(system: WardSystem, local: LocalProvider) -> None:
    system.verify(local.token())
    for _ in range(20):
        with pytest.raises(TokenRefused):
            system.verify(local.token(SoftwareSigner.generate()))
    assert local.asked["/jwks"] == 1


def test_a_provider_without_keys_logs_nobody_out(system: WardSystem, local: LocalProvider) -> None:
    local.misbehaving["/jwks"] = answers(200, b'{"keys": []}')
    with pytest.raises(DecisionUnavailable):
        system.verify(local.token())


# Remembered keys.


class Published:
    """What a provider publishes at a time that a test sets."""

    def __init__(self) -> None:
        self.signer, self.seconds, self.asked, self.down = SoftwareSigner.generate(), 0.0, 0, False
        self.keys = PublishedKeys(self.fetch, lambda: self.seconds)

    def fetch(self) -> KeySet:
        self.asked += 1
        if self.down:
            raise DecisionUnavailable
        return KeySet([self.signer.verification_key()])

    def knows(self, signer: SoftwareSigner, *, newer: bool = False) -> bool:
        try:
            return bool(self.keys.get(newer=newer).for_header(signer.kid, "ES256"))
        except TokenRejected:
            return False


@pytest.fixture
def published() -> Published:
    made = Published()
    assert made.knows(made.signer)
    return made


def test_oidc_core_10_1_1_a_new_key_is_fetched_when_a_token_names_it(published: Published) -> None:
    published.signer = SoftwareSigner.generate()
    published.seconds += AGAIN_AFTER_S
    assert not published.knows(published.signer)
    assert published.knows(published.signer, newer=True)
    assert published.asked == 2


def test_an_unknown_key_is_asked_for_once_in_an_interval(published: Published) -> None:
    stranger = SoftwareSigner.generate()
    for _ in range(5):
        published.seconds += AGAIN_AFTER_S / 5 - 0.1
        assert not published.knows(stranger, newer=True)
    assert published.asked == 1
    published.seconds += AGAIN_AFTER_S
    for _ in range(5):
        assert not published.knows(stranger, newer=True)
    assert published.asked == 2


def test_a_withdrawn_key_stops_counting_when_the_keys_are_fetched_again(published: Published) -> None:
    withdrawn, published.signer = published.signer, SoftwareSigner.generate()
    published.seconds = FRESH_S
    assert published.knows(withdrawn)
    published.seconds += 1
    assert not published.knows(withdrawn)


def test_known_keys_go_on_verifying_while_the_provider_is_down(published: Published) -> None:
    published.down = True
    published.seconds = FRESH_S + 1
    for _ in range(5):
        assert published.knows(published.signer)
    assert published.asked == 2
    published.seconds = STALE_S
    assert published.knows(published.signer)
    assert published.asked == 3
    published.seconds += 1
    with pytest.raises(DecisionUnavailable):
        published.keys.get()
    published.down = False
    assert published.knows(published.signer)


def test_nobody_waits_for_a_fetch_while_known_keys_count(published: Published) -> None:
    reached, go = threading.Event(), threading.Event()

    def slow() -> KeySet:
        reached.set()
        assert go.wait(5)
        return KeySet([published.signer.verification_key()])

    published.keys._fetch = slow
    published.seconds = FRESH_S + 1
    first = threading.Thread(target=published.keys.get)
    first.start()
    assert reached.wait(5)
    assert published.knows(published.signer)
    go.set()
    first.join()


def test_who_waited_for_a_fetch_that_failed_does_not_ask_again() -> None:
    go, asked, outcomes, came = threading.Event(), list[int](), list[str](), set[int]()

    def fetch() -> KeySet:
        asked.append(1)
        assert go.wait(5)
        raise DecisionUnavailable

    def seconds() -> float:
        came.add(threading.get_ident())
        return time.monotonic()

    keys = PublishedKeys(fetch, seconds)

    def get() -> None:
        try:
            keys.get()
        except DecisionUnavailable:
            outcomes.append("unavailable")

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(came) < len(threads):
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert (len(asked), outcomes) == (1, ["unavailable"] * 8)
