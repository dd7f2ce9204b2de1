"""Forged tokens at every place that reads a signed one: what counts there still counts after them."""

import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwe
from joserfc.jwk import ECKey
from sqlmodel import select
from starlette.testclient import TestClient

from card.jose import SoftwareSigner, b64url_decode, b64url_encode, unverified_claims
from card.request import RequestRefused, read_request, sign_request
from idp.keys import KeyPurpose
from idp.tables import OAuthClientRow, UsedJtiRow
from tests.card.test_request import ENROLLED, KEY, request
from tests.conftest import NOW
from tests.delegation.test_acting import question
from tests.idp.conftest import (
    AFTER_LOGOUT,
    ASSERTION,
    LogIn,
    WardSystem,
    authorize,
    redeem,
    returned,
)

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the base point of P-256."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a signed token is read.

    :param claims: of one that counts, new each time.
    :param show: what came of showing one: "counts", or how it was refused.
    """

    name: str
    signer: SoftwareSigner
    typ: str
    claims: Callable[[], Json]
    show: Callable[[str], str]

    def made(self, header: Json | str, claims: Json | str, signature: bytes | None = None) -> str:
        """A token with this header and these claims, signed by the right key unless told otherwise."""
        parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
        made = ".".join(b64url_encode(part.encode()) for part in parts)
        octets = self.signer.sign(made.encode()) if signature is None else signature
        return f"{made}.{b64url_encode(octets)}"

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self.signer.kid, "typ": self.typ}

    def good(self) -> str:
        return self.made(self.header, self.claims())


@pytest.fixture
def places(browser: TestClient, portal: WardSystem, log_in: LogIn) -> list[Place]:
    """Every place that reads a signed token, but for what a card signed."""
    services = portal.services
    ours = services.keys.signer(KeyPurpose.TOKEN)
    assert isinstance(ours, SoftwareSigner)
    log_in()
    got = redeem(portal, returned(authorize(browser, portal, scope="openid profile kaigo"))["code"]).json()
    decide = {"grant_type": "client_credentials", "scope": "decide"}
    caller = portal.post("/token", decide).json()["access_token"]
    own, of_caller, identity = (
        unverified_claims(token) for token in (got["access_token"], caller, got["id_token"])
    )
    asked: Any = question(got["access_token"])

    def judged(answer: Any, counts: bool) -> str:
        return "counts" if counts else f"{answer.status_code} {answer.text}"

    def assertion(token: str) -> str:
        form = {"client_assertion_type": ASSERTION, "client_assertion": token}
        answer = portal.http.post("/token", data=decide | form)
        return judged(answer, answer.status_code == 200)

    def userinfo(token: str) -> str:
        answer = portal.http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
        return judged(answer, answer.status_code == 200)

    def introspection(token: str) -> str:
        answer = portal.post("/introspect", {"token": token})
        return judged(answer, answer.status_code == 200 and answer.json()["active"])

    def decision(token: str, bearer: str) -> str:
        answer = portal.http.post(
            "/access/v1/evaluation",
            json=asked | {"context": {"token": token}},
            headers={"authorization": f"Bearer {bearer}"},
        )
        if answer.status_code == 200 and not answer.json()["decision"]:
            return f"denied {answer.json().get('context', {}).get('reason')}"
        return judged(answer, answer.status_code == 200)

    def hint(token: str) -> str:
        if len(token) > 16384:  # too long for an address
            return judged(browser.post("/authorize", data={"id_token_hint": token}), counts=False)
        answer = returned(authorize(browser, portal, prompt="none", id_token_hint=token))
        return "counts" if "code" in answer else str(answer["error"])

    def at_the_end(token: str) -> str:
        form = {"id_token_hint": token, "post_logout_redirect_uri": AFTER_LOGOUT}
        answer = browser.post("/end-session", data=form)
        return judged(answer, answer.status_code == 303)

    def at_the_bridge(token: str) -> str:
        try:
            read_request(token, ENROLLED, NOW)
        except RequestRefused:
            return "refused"  # a person is told more, of what their own provider signed
        return "counts"

    of_bridge = unverified_claims(sign_request(request(), KEY))
    return [
        Place("client assertion", portal.signer, "JWT",
              lambda: unverified_claims(portal.assertion()), assertion),
        Place("access token", ours, "at+jwt", lambda: own, userinfo),
        Place("introspected token", ours, "at+jwt", lambda: own, introspection),
        Place("decided token", ours, "at+jwt", lambda: own, lambda token: decision(token, caller)),
        Place("caller's token", ours, "at+jwt", lambda: of_caller,
              lambda token: decision(got["access_token"], token)),
        Place("hint", ours, "JWT", lambda: identity, hint),
        Place("bridge request", KEY, "dairi-card-request+jwt", lambda: of_bridge, at_the_bridge),
        Place("hint at the end", ours, "JWT", lambda: identity, at_the_end),
    ]  # fmt: skip


def refused_everywhere(places: list[Place], *forgeries: Callable[[Place], str], in_s: float = 5.0) -> None:
    """Show each forgery everywhere; no place lets one through, or tells one from another."""
    for place in places:
        began = time.monotonic()
        told = [place.show(forge(place)) for forge in forgeries]
        took = time.monotonic() - began
        assert "counts" not in told, (place.name, told.index("counts"))
        assert len(set(told)) == 1, (place.name, told)
        assert not told[0].startswith("5"), (place.name, told)
        assert took < in_s * len(forgeries), (place.name, took)
        assert place.show(place.good()) == "counts", place.name


def with_header(**more: Any) -> Callable[[Place], str]:
    return lambda place: place.made(place.header | more, place.claims())


def with_claims(**more: Any) -> Callable[[Place], str]:
    return lambda place: place.made(place.header, {**place.claims(), **more})


def with_signature(signature: bytes) -> Callable[[Place], str]:
    return lambda place: place.made(place.header, place.claims(), signature)


def by_hmac(alg: str, secret: Callable[[Place], bytes]) -> Callable[[Place], str]:
    """RFC 8725 §2.1: the public key, or nothing, taken for a shared secret."""

    def forge(place: Place) -> str:
        made = place.made(place.header | {"alg": alg}, place.claims(), b"").rpartition(".")[0]
        mac = hmac.HMAC(secret(place), hashes.SHA256())
        mac.update(made.encode())
        return f"{made}.{b64url_encode(mac.finalize())}"

    return forge


def public_key(place: Place, encoding: serialization.Encoding) -> bytes:
    """The key that everybody can fetch, in one of its encodings."""
    x, y = (int.from_bytes(b64url_decode(str(place.signer.public_jwk()[name])), "big") for name in ("x", "y"))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_rfc8725_3_1_no_algorithm_but_ours_counts_anywhere(places: list[Place]) -> None:
    nothing = with_signature(b"")
    refused_everywhere(
        places,
        *(
            lambda place, alg=alg: place.made(place.header | {"alg": alg}, place.claims(), b"")
            for alg in ("none", "None", "NoNe", "NONE", "", None, ["ES256"], "HS256", "ES256 ", "es256")
        ),
        *(with_header(alg=alg) for alg in ("none", "ES384", "ES512", "ES256K", "RS256", "EdDSA")),
        nothing,
        lambda place: nothing(place)[:-1],
        by_hmac("HS256", lambda _: b""),
        by_hmac("HS256", lambda place: public_key(place, serialization.Encoding.PEM)),
        by_hmac("HS256", lambda place: public_key(place, serialization.Encoding.DER)),
        by_hmac("HS256", lambda place: json.dumps(place.signer.public_jwk()).encode()),
        by_hmac("ES256", lambda place: public_key(place, serialization.Encoding.PEM)),
    )


def self_signed(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate that an attacker makes out to themselves, as `x5c` has it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shibuya.id.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(NOW).not_valid_after(NOW.replace(year=NOW.year + 1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    return "".join(pem.splitlines()[1:-1])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where an attacker would serve keys."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def test_rfc8725_3_10_no_token_brings_its_own_key_and_nothing_is_fetched(
    places: list[Place], listener: socket.socket
) -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())
    signer = SoftwareSigner("ES256", theirs)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"

    def by_the_attacker(**more: Any) -> Callable[[Place], str]:
        def forge(place: Place) -> str:
            of_attacker = replace(place, signer=signer)
            kid = {"kid": place.signer.kid} if more.pop("as_ours", False) else {}
            return of_attacker.made(of_attacker.header | kid | more, place.claims())

        return forge

    carried = {"jwk": signer.public_jwk()}, {"x5c": [self_signed(theirs)]}, {"jku": address}, {"x5u": address}
    refused_everywhere(
        places,
        by_the_attacker(),
        by_the_attacker(as_ours=True),
        *(by_the_attacker(**more) for more in carried),
        *(by_the_attacker(as_ours=True, **more) for more in carried),
        by_the_attacker(**carried[0], **carried[1], **carried[2], **carried[3]),
    )
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_rfc7515_4_1_11_nothing_critical_is_understood_anywhere(places: list[Place]) -> None:
    refused_everywhere(
        places,
        with_header(crit=["x"], x=1), with_header(crit="x", x=1), with_header(crit=[]),
        with_header(crit=None), with_header(crit=["typ"]), with_header(crit=["exp"], exp=1),
        with_header(crit={"x": 1}, x=1), with_header(crit=["b64"], b64=True),
    )  # fmt: skip


def unencoded(place: Place) -> str:
    """RFC 7797: the payload as it is, signed as it is."""
    header = place.header | {"b64": False, "crit": ["b64"]}
    made = f"{b64url_encode(json.dumps(header).encode())}.{json.dumps(place.claims())}"
    return f"{made}.{b64url_encode(place.signer.sign(made.encode()))}"


def detached(place: Place) -> str:
    """RFC 7515 appendix F: signed, and the payload left out."""
    head, _, signature = place.good().split(".")
    return f"{head}..{signature}"


def test_rfc7797_6_an_unencoded_or_detached_payload_counts_nowhere(places: list[Place]) -> None:
    refused_everywhere(places, unencoded, detached, with_header(b64=False), with_header(b64=True))


def encrypted(place: Place, inner: str, **header: Any) -> str:
    """Five parts that nobody here decrypts."""
    whole = {"alg": "dir", "enc": "A256GCM", "cty": "JWT", "kid": place.signer.kid} | header
    parts = (json.dumps(whole).encode(), b"", bytes(12), inner.encode("latin-1"), bytes(16))
    return ".".join(b64url_encode(part) for part in parts)


def to_our_key(place: Place) -> str:
    """Truly encrypted to the key that signs here, with a claim set inside that nobody signed."""
    key = ECKey.import_key(public_key(place, serialization.Encoding.PEM))
    unsigned = place.made({"alg": "none"}, place.claims(), b"")
    header = {"alg": "ECDH-ES+A128KW", "enc": "A128GCM", "cty": "JWT", "kid": place.signer.kid}
    return jwe.encrypt_compact(header, unsigned.encode(), key)


def bomb(place: Place) -> str:
    squeezed = zlib.compress(bytes(10_000_000), 9)[2:-4].decode("latin-1")
    return encrypted(place, squeezed, zip="DEF")


def test_rfc7516_3_1_an_encrypted_token_counts_nowhere_and_is_not_unpacked(places: list[Place]) -> None:
    """Also one that says how often to hash, or whose padding was played with."""
    assert all(len(bomb(place)) < 16384 for place in places)
    refused_everywhere(
        places,
        bomb,
        to_our_key,
        lambda place: encrypted(place, place.made({"alg": "none"}, place.claims(), b"")),
        lambda place: encrypted(place, place.good()),
        lambda place: encrypted(place, "x", alg="PBES2-HS256+A128KW", p2c=2**31, p2s="AAAAAAAAAAA"),
        lambda place: encrypted(place, "x", alg="RSA1_5", enc="A128CBC-HS256"),
        lambda place: encrypted(place, "y" * 16, alg="RSA1_5", enc="A128CBC-HS256"),
        lambda place: encrypted(place, "y" * 17, alg="RSA-OAEP", enc="A128CBC-HS256"),
        in_s=3.0,
    )


def test_rfc8725_2_4_a_token_of_any_size_is_refused_at_once(places: list[Place]) -> None:
    """Where a limit on the whole request is met first, that is its refusal."""
    for place in places:
        for big in (
            "." * 100_000,
            "a" * 5_000_000 + ".e30.AA",
            place.made(place.header | {"kid": "k" * 1_000_000}, place.claims()),
            place.made(place.header, {**place.claims(), "x": "y" * 1_000_000}),
            place.made("[" * 6000, place.claims()),
            place.made(place.header, '{"a":' * 2400),
            "." * 15_000,
        ):
            began = time.monotonic()
            told = place.show(big)
            assert told != "counts", place.name
            assert not told.startswith("5"), (place.name, told)
            assert time.monotonic() - began < 10, place.name
        assert place.show(place.good()) == "counts", place.name


NO_KEYS: list[object] = [
    "../../../../dev/null", "/dev/null", "' OR 1=1--", "\0", "\u202e", "k" * 9_000, "", 7, [], {}, "%00",
    "http://127.0.0.1/", "${jndi:x}",
]  # fmt: skip


def test_rfc8725_3_10_a_key_id_is_looked_up_and_nothing_else(places: list[Place]) -> None:
    refused_everywhere(
        places,
        *(with_header(kid=kid) for kid in NO_KEYS),
        lambda place: with_header(kid=place.signer.kid + " ")(place),
    )


def derived(place: Place) -> str:
    """The same signature as X.509 would have it."""
    head, body, signature = place.good().split(".")
    octets = b64url_decode(signature)
    r, s = (int.from_bytes(half, "big") for half in (octets[:32], octets[32:]))
    return f"{head}.{body}.{b64url_encode(encode_dss_signature(r, s))}"


def widened(place: Place) -> str:
    """The same two numbers with more zeros before them than the curve has room for."""
    head, body, signature = place.good().split(".")
    octets = b64url_decode(signature)
    return f"{head}.{body}.{b64url_encode(bytes(16) + octets[:32] + bytes(16) + octets[32:])}"


def by_p384(place: Place) -> str:
    made = place.made(place.header, place.claims(), b"").rpartition(".")[0]
    der = ec.generate_private_key(ec.SECP384R1()).sign(made.encode(), ec.ECDSA(hashes.SHA256()))
    return f"{made}.{b64url_encode(der)}"


def test_fips186_5_6_4_2_no_signature_out_of_range_or_shape_counts(places: list[Place]) -> None:
    halves = 0, 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1
    refused_everywhere(
        places,
        *(with_signature(r.to_bytes(32, "big") + s.to_bytes(32, "big")) for r in halves for s in halves),
        *(with_signature(bytes(size)) for size in (1, 2, 32, 63, 65, 96, 128)),
        derived,
        widened,
        by_p384,
        lambda place: place.made(place.header, place.claims(), place.signer.sign(b"another text")),
    )


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
def test_rfc7518_3_4_a_key_of_another_curve_is_no_key_for_an_algorithm(portal: WardSystem, alg: str) -> None:
    """ES256 with it, and ES384 with a signature that is not raw."""
    key = ec.generate_private_key(ec.SECP384R1())
    numbers = key.public_key().public_numbers()
    x, y = (b64url_encode(number.to_bytes(48, "big")) for number in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": "P-384", "x": x, "y": y, "kid": "k", "use": "sig"}
    answer = shown_with(
        portal, {"keys": [jwk]}, lambda made: (alg, key.sign(made, ec.ECDSA(hashes.SHA256())))
    )
    assert answer.json()["error"] == "invalid_client"


def shown_with(
    portal: WardSystem, jwks: Json, sign: Callable[[bytes], tuple[str, bytes]], kid: str = "k"
) -> Any:
    """What comes of an assertion that is signed so, once these are the system's keys.

    Registration takes no such keys; what verifies assertions does not rely on that.
    """
    services = portal.services
    with services.database.writing(services.ward.code) as unit:
        row = unit.session.get_one(OAuthClientRow, (unit.ward, portal.client.client_id))
        row.jwks = json.dumps(jwks)
    header = {"alg": sign(b"")[0], "kid": kid, "typ": "JWT"}
    parts = (json.dumps(part).encode() for part in (header, dict(unverified_claims(portal.assertion()))))
    made = ".".join(b64url_encode(part) for part in parts)
    token = f"{made}.{b64url_encode(sign(made.encode())[1])}"
    form = {"client_assertion_type": ASSERTION, "client_assertion": token}
    return portal.http.post("/token", data={"grant_type": "client_credentials", "scope": "decide"} | form)


def test_rfc7517_4_5_two_keys_of_one_id_are_told_apart_by_their_algorithm(portal: WardSystem) -> None:
    mine, other = SoftwareSigner.generate(), SoftwareSigner.generate("RS256")
    both = {"keys": [signer.public_jwk() | {"kid": "k"} for signer in (other, mine)]}
    assert shown_with(portal, both, lambda made: ("ES256", mine.sign(made))).status_code == 200
    assert shown_with(portal, both, lambda made: ("RS256", other.sign(made))).status_code == 200
    assert shown_with(portal, both, lambda made: ("RS256", mine.sign(made))).status_code == 401
    assert shown_with(portal, both, lambda made: ("ES256", other.sign(made))).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "RS256"},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"y": None},
        {"x": ""},
        {"d": "AAAA"},
    ],
)
def test_rfc7517_4_2_a_key_that_is_not_for_signing_verifies_nothing(
    portal: WardSystem, changes: dict[str, object]
) -> None:
    mine = SoftwareSigner.generate()
    odd = {"keys": [mine.public_jwk() | {"kid": "k"} | changes]}
    assert shown_with(portal, odd, lambda made: ("ES256", mine.sign(made))).status_code == 401


def stray(place: Place, part: int) -> list[str]:
    """Other texts for the octets of one part of a token that counts."""
    whole = place.good().split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = whole[part]
    last = alphabet.index(text[-1])
    texts = [text + "=", text + "==", text.replace("_", "/").replace("-", "+") + "="]
    if len(text) % 4:
        texts.append(text[:-1] + alphabet[last ^ 1])
    return [".".join([*whole[:part], other, *whole[part + 1 :]]) for other in texts]


def test_rfc4648_3_5_no_token_is_written_in_two_ways(places: list[Place]) -> None:
    for place in places:
        for part in range(3):
            for other in stray(place, part):
                assert place.show(other) != "counts", (place.name, part)
        assert place.show(place.good()) == "counts", place.name


def twin(token: str) -> str:
    """The other signature that every ECDSA signature has: `s` taken from the order."""
    made, _, signature = token.rpartition(".")
    octets = b64url_decode(signature)
    s = ORDER - int.from_bytes(octets[32:], "big")
    return f"{made}.{b64url_encode(octets[:32] + s.to_bytes(32, 'big'))}"


def test_rfc7523_3_an_assertion_under_its_twin_signature_is_the_same_one(portal: WardSystem) -> None:
    form = {"grant_type": "client_credentials", "scope": "decide", "client_assertion_type": ASSERTION}
    token = portal.assertion()
    first = portal.http.post("/token", data=form | {"client_assertion": token})
    again = portal.http.post("/token", data=form | {"client_assertion": twin(token)})
    assert (first.status_code, again.status_code) == (200, 401)


def test_rfc7009_2_1_a_token_under_its_twin_signature_ends_with_it(
    browser: TestClient, portal: WardSystem, log_in: LogIn
) -> None:
    log_in()
    token = redeem(portal, returned(authorize(browser, portal))["code"]).json()["access_token"]
    bearer = {"authorization": f"Bearer {twin(token)}"}
    portal.http.get("/userinfo", headers=bearer)
    assert portal.post("/revoke", {"token": token}).status_code == 200
    assert portal.http.get("/userinfo", headers=bearer).status_code == 401


def test_rfc7515_4_a_name_is_there_once_in_header_and_claims(places: list[Place]) -> None:
    def repeated(which: str, name: str, first: bool, value: str) -> Callable[[Place], str]:
        def forge(place: Place) -> str:
            parts: dict[str, Json] = {"header": place.header, "claims": place.claims()}
            text = json.dumps(parts[which])
            again = f'"{name}": {value}'
            bent = f"{{{again}, {text[1:]}" if first else f"{text[:-1]}, {again}}}"
            header, body = (bent if part == which else parts[part] for part in ("header", "claims"))
            return place.made(header, body)

        return forge

    refused_everywhere(
        places,
        *(
            repeated(which, name, first, value)
            for which, name, value in (
                ("header", "alg", '"none"'), ("header", "kid", '"x"'), ("header", "typ", '"x"'),
                ("claims", "exp", "99999999999"), ("claims", "iat", "1"),
            )
            for first in (True, False)
        ),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sub", "iss", "aud", "exp"])
def test_rfc7519_4_a_person_or_system_is_named_once(places: list[Place], name: str) -> None:
    for place in places:
        claims = place.claims()
        if name in claims:
            same = json.dumps(claims[name])
            for value in (same, '"x"'):
                for bent in (f'{{"{name}": {value}, {json.dumps(claims)[1:]}',
                             f'{json.dumps(claims)[:-1]}, "{name}": {value}}}'):  # fmt: skip
                    assert place.show(place.made(place.header, bent)) != "counts", (place.name, bent)


NO_AUDIENCES: list[object] = [[], None, 7, {}]


def test_rfc7519_4_1_a_token_without_its_time_is_told_what_every_other_is(places: list[Place]) -> None:
    hour = int(NOW.timestamp()) + 3600

    def without(name: str) -> Callable[[Place], str]:
        return lambda place: place.made(
            place.header, {key: value for key, value in place.claims().items() if key != name}
        )

    def as_written(name: str, value: str) -> Callable[[Place], str]:
        def forge(place: Place) -> str:
            rest = {key: of for key, of in place.claims().items() if key != name}
            return place.made(place.header, f'{json.dumps(rest)[:-1]}, "{name}": {value}}}')

        return forge

    no_numbers = '"0"', "1e400", "true", "[]"
    refused_everywhere(
        places,
        without("exp"),
        *(as_written("exp", value) for value in (*no_numbers, '"99999999999"', "null", "NaN", "{}", "-1")),
        *(as_written(name, value) for name in ("nbf", "iat") for value in no_numbers),
        *(with_claims(aud=aud) for aud in NO_AUDIENCES),
        with_claims(iss="https://evil.example"),
    )
    # A hint is good long before and after its time.
    at_their_time = [place for place in places if not place.name.startswith("hint")]
    refused_everywhere(
        at_their_time,
        without("exp"),
        with_claims(nbf=hour),
        with_claims(iat=hour),
        with_claims(exp=hour - 3660),
    )


def test_rfc8725_3_11_no_kind_of_token_passes_for_another(places: list[Place]) -> None:
    """One key signs ID tokens and access tokens; each is good where its own kind is read."""
    kinds = {place.typ for place in places} - {"JWT"} | {
        "JWT",
        "dairi-record+jwt",
        "logout+jwt",
        "dpop+jwt",
        "jwt2",
    }
    for place in places:
        for kind in kinds - {place.typ}:
            assert place.show(place.made(place.header | {"typ": kind}, place.claims())) != "counts", (
                place.name, kind,
            )  # fmt: skip
    ours = [place for place in places if place.signer is places[1].signer]
    for place in ours:
        for other in ours:
            if other.typ != place.typ:
                assert place.show(other.good()) != "counts", (place.name, other.name)


def test_what_was_refused_leaves_nothing_behind(portal: WardSystem) -> None:
    """A forged assertion uses up no `jti` that the system itself will use."""
    claims = unverified_claims(portal.assertion(jti="mine"))
    place = Place("", portal.signer, "JWT", lambda: claims, str)
    form = {"grant_type": "client_credentials", "scope": "decide", "client_assertion_type": ASSERTION}
    for forged in (with_signature(bytes(64)), with_header(alg="none"), with_header(crit=["x"])):
        answer = portal.http.post("/token", data=form | {"client_assertion": forged(place)})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    with portal.services.database.reading() as session:
        assert not session.exec(select(UsedJtiRow)).all()
    assert portal.http.post("/token", data=form | {"client_assertion": place.good()}).status_code == 200
