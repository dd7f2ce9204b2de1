"""What an upstream says counts only if it is all true, and what it does instead of answering costs nobody."""

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assurance.app_login import AppAttributes
from card.faults import Fault
from card.jose import SoftwareSigner, b64url_encode, sign_compact, unverified_claims
from idp.upstream.identity import Identity, NotBelieved, read_attributes
from idp.upstream.provider import Outing, UpstreamProvider
from tests.conftest import FixedClock
from tests.upstream.conftest import (
    PHONES,
    SHORT_S,
    SLOW_S,
    Line,
    National,
    client_of,
    on_the_phone,
    query_of,
    says,
)

OUTING = Outing("https://shibuya.id.example/app/back", "n" * 43, "v" * 64)
ALL = "openid name birthdate gender"


def code_for(upstream: UpstreamProvider, outing: Outing = OUTING, answer: str = "yes") -> str:
    endpoint = upstream.authorization_endpoint()
    address = upstream.authorization_request(endpoint, outing, scope=ALL, state="s")
    return query_of(on_the_phone(address, "hanako", answer))["code"]


def identified(upstream: UpstreamProvider, iss: str | None = None) -> Identity:
    return upstream.identify(OUTING, code_for(upstream), iss, userinfo=True)


def refusal(upstream: UpstreamProvider, iss: str | None = None) -> str:
    code = code_for(upstream)
    with pytest.raises(Fault) as caught:
        upstream.identify(OUTING, code, iss, userinfo=True)
    return caught.value.code


def test_what_is_all_true_names_the_person_and_the_time(
    upstream: UpstreamProvider, national: National, clock: FixedClock
) -> None:
    found = identified(upstream)
    assert found.identifier == f"{national.issuer} {national.sub('RP1', PHONES['hanako'])}"
    assert found.authenticated_at == clock.now()
    assert read_attributes(found.userinfo) == AppAttributes("田中\u3000花子", date(1978, 5, 3), "2")


def test_oidc_core_8_1_a_sub_is_one_clients_own(upstream: UpstreamProvider, national: National) -> None:
    assert national.sub("RP1", PHONES["hanako"]) != national.sub("RP2", PHONES["hanako"])


def test_without_userinfo_nothing_but_the_id_token_is_asked_for(
    upstream: UpstreamProvider, line: Line
) -> None:
    found = upstream.identify(OUTING, code_for(upstream), None, userinfo=False)
    assert found.userinfo == {}
    assert "userinfo" not in line.asked


def test_oidc_core_9_the_client_proves_itself_to_the_token_endpoint_alone(
    upstream: UpstreamProvider, national: National, line: Line, ward_key: SoftwareSigner
) -> None:
    seen: list[dict[str, str]] = []
    real = national.token
    national.token = lambda form: seen.append(dict(form)) or real(form)  # type: ignore[method-assign,func-returns-value]
    for _ in range(2):
        identified(upstream)
    proofs = [unverified_claims(form["client_assertion"]) for form in seen]
    assert {proof["aud"] for proof in proofs} == {national.endpoint("token")}
    assert {(proof["iss"], proof["sub"]) for proof in proofs} == {("RP1", "RP1")}
    assert len({proof["jti"] for proof in proofs}) == 2
    assert {int(str(proof["exp"])) - int(str(proof["iat"])) for proof in proofs} == {60}


# Lies.

Lie = Callable[[National], None]


def says_instead(**changes: Any) -> Lie:
    def lie(national: National) -> None:
        national.claims = lambda claims: {
            name: value for name, value in (claims | changes).items() if value is not ...
        }

    return lie


def signs_instead(make: Callable[[National, dict[str, object]], str]) -> Lie:
    def lie(national: National) -> None:
        national.signing = lambda claims: make(national, dict(claims))

    return lie


def _by_nothing(_: National, claims: dict[str, object]) -> str:
    head = b64url_encode(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return f"{head}.{b64url_encode(json.dumps(claims).encode())}."


def _by_what_everybody_knows(national: National, claims: dict[str, object]) -> str:
    """HS256 with the public key as its secret (RFC 8725 §2.1)."""
    kid = national.signer.kid
    head = b64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode())
    signed = f"{head}.{b64url_encode(json.dumps(claims).encode())}"
    secret = json.dumps(national.signer.public_jwk()).encode()
    return f"{signed}.{b64url_encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _half_a_character(national: National, claims: dict[str, object]) -> str:
    head = b64url_encode(json.dumps({"alg": "ES256", "typ": "JWT", "kid": national.signer.kid}).encode())
    signed = f"{head}.{b64url_encode(json.dumps(claims | {'nonce': chr(0xD800)}).encode())}"
    return f"{signed}.{b64url_encode(national.signer.sign(signed.encode()))}"


def _by_rs256(_: National, claims: dict[str, object]) -> str:
    return sign_compact(claims, SoftwareSigner.generate("RS256"), typ="JWT")


def _by_a_stranger_under_its_name(national: National, claims: dict[str, object]) -> str:
    stranger = SoftwareSigner.from_pem(SoftwareSigner.generate().private_pem(), kid=national.signer.kid)
    return sign_compact(claims, stranger, typ="JWT")


LIES: dict[str, Lie] = {
    "another nonce": says_instead(nonce="m" * 43),
    "no nonce": says_instead(nonce=...),
    "a nonce that is no text": says_instead(nonce=["n" * 43]),
    "half a character as nonce": signs_instead(_half_a_character),
    "another issuer": says_instead(iss="https://auth-and-sign.go.jp/api/realms/main"),
    "the issuer with a slash": lambda national: says_instead(iss=f"{national.issuer}/")(national),
    "another audience": says_instead(aud="RP2"),
    "an audience among others": says_instead(aud=["RP1", "RP2"]),
    "no audience": says_instead(aud=...),
    "another authorized party": says_instead(azp="RP2"),
    "over": says_instead(exp=1),
    "no end": says_instead(exp=...),
    "no time": says_instead(iat=...),
    "a time to come": says_instead(iat=2_000_000_000),
    "no sub": says_instead(sub=...),
    "an empty sub": says_instead(sub=""),
    "a number as sub": says_instead(sub=7),
    "a sub with a line break": says_instead(sub="a\nb"),
    "a sub of 256": says_instead(sub="s" * 256),
    "the hash of another access token": says_instead(at_hash="A" * 22),
    "a time that is no number": says_instead(auth_time="now"),
    "a time before time": says_instead(auth_time=-1),
    "signed by nothing": signs_instead(_by_nothing),
    "signed by a secret that all know": signs_instead(_by_what_everybody_knows),
    "signed by another algorithm": signs_instead(_by_rs256),
    "signed by a stranger": signs_instead(
        lambda _, claims: sign_compact(claims, SoftwareSigner.generate(), typ="JWT")
    ),
    "signed by a stranger under its name": signs_instead(_by_a_stranger_under_its_name),
    "an access token instead": signs_instead(
        lambda national, claims: sign_compact(claims, national.signer, typ="at+jwt")
    ),
    "no token at all": signs_instead(lambda *_: "a.b"),
}


@pytest.mark.parametrize("lie", LIES)
def test_oidc_core_3_1_3_7_an_id_token_is_all_true_or_it_is_refused(
    upstream: UpstreamProvider, national: National, lie: str
) -> None:
    assert identified(upstream)
    LIES[lie](national)
    assert refusal(upstream) == "upstream.refused"


@pytest.mark.parametrize("acr", [..., "", "aal2 crl", "aal3", "crl", "aal3crl", ["aal3", "crl"], 3])
def test_oidc_core_3_1_3_7_step_12_what_was_reached_is_read_and_not_assumed(
    upstream: UpstreamProvider, national: National, acr: Any
) -> None:
    says_instead(acr=acr)(national)
    assert refusal(upstream) == "upstream.weak"
    says_instead(acr="crl aal3 more")(national)
    assert identified(upstream)


def test_oidc_core_3_1_3_6_a_token_without_the_hash_of_the_other_counts(
    upstream: UpstreamProvider, national: National
) -> None:
    says_instead(at_hash=..., azp=...)(national)
    assert identified(upstream)


@pytest.mark.parametrize("sub", ["someone-else", "", None, 7])
def test_oidc_core_5_3_2_userinfo_about_someone_else_is_not_used(
    upstream: UpstreamProvider, national: National, sub: Any
) -> None:
    national.told = lambda told: told | {"sub": sub}
    assert refusal(upstream) == "upstream.refused"


def test_rfc9207_2_4_an_announced_issuer_is_there_and_is_the_right_one(
    upstream: UpstreamProvider, national: National
) -> None:
    assert identified(upstream, national.issuer)
    for wrong in ("https://evil.example", "", f"{national.issuer}/"):
        assert refusal(upstream, wrong) == "upstream.refused"


def test_rfc9207_2_4_where_it_is_announced_an_answer_without_it_is_refused(
    upstream: UpstreamProvider, national: National
) -> None:
    national.about = lambda told: told | {"authorization_response_iss_parameter_supported": True}
    assert refusal(upstream, None) == "upstream.refused"
    assert identified(upstream, national.issuer)


@pytest.mark.parametrize(
    "outing",
    [
        Outing(OUTING.redirect_uri, OUTING.nonce, "w" * 64),
        Outing(OUTING.redirect_uri, "m" * 43, OUTING.verifier),
        Outing("https://elsewhere.example/app/back", OUTING.nonce, OUTING.verifier),
    ],
)
def test_rfc7636_4_6_a_code_counts_with_what_it_was_asked_with(
    upstream: UpstreamProvider, outing: Outing
) -> None:
    code = code_for(upstream)
    with pytest.raises(Fault) as caught:
        upstream.identify(outing, code, None, userinfo=True)
    assert caught.value.code == "upstream.refused"


def test_rfc6749_4_1_2_a_code_counts_once(upstream: UpstreamProvider) -> None:
    code = code_for(upstream)
    assert upstream.identify(OUTING, code, None, userinfo=False)
    with pytest.raises(Fault) as caught:
        upstream.identify(OUTING, code, None, userinfo=False)
    assert caught.value.code == "upstream.refused"


def test_rfc7523_3_a_ward_whose_key_they_do_not_know_gets_nothing_and_the_person_is_not_blamed(
    upstream: UpstreamProvider, national: National, clock: FixedClock
) -> None:
    stranger = client_of(national.issuer, SoftwareSigner.generate(), clock)
    code = code_for(stranger)
    with pytest.raises(Fault) as caught:
        stranger.identify(OUTING, code, None, userinfo=False)
    stranger.close()
    assert caught.value.code == "upstream.unavailable"
    assert upstream.identify(OUTING, code, None, userinfo=False)


def test_oidc_core_10_1_1_a_new_key_is_fetched_when_a_token_names_it(
    upstream: UpstreamProvider, national: National, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identified(upstream)
    national.signer = SoftwareSigner.generate()
    assert refusal(upstream) == "upstream.refused", "no more than once in ten seconds"
    monkeypatch.setattr("delegation.client.keys.AGAIN_AFTER_S", 0.0)
    assert identified(upstream)
    assert line.asked.count("certs") == 2


# Attributes.


@given(st.dates(min_value=date(1, 1, 1)), st.sampled_from("12"), st.text(min_size=1, max_size=200))
def test_attributes_are_read_as_the_app_writes_them(born: date, sex: str, name: str) -> None:
    told = {"sub": "s", "name": name, "birthdate": f"{born:%Y%m%d}".zfill(8), "gender": sex, "more": {"a": 1}}
    if name.strip():
        assert read_attributes(told) == AppAttributes(name, born, sex)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        *(
            ("birthdate", value)
            for value in (
                None, "", "1978-05-03", "780503", "19780230", "00000101", "19781301", 19780503, "19780503 ",
                "１９７８０５０３", " 9780503", "+9780503",
            )
        ),
        *(("gender", value) for value in (None, "", "0", "3", "12", 2, "２", "male", ["2"], "2 ")),
        *(("name", value) for value in (None, "", " \u3000", 7, "長" * 201, {"ja": "田中"})),
    ],
)  # fmt: skip
def test_attributes_written_otherwise_are_none(claim: str, value: Any) -> None:
    told = {"name": "田中\u3000花子", "birthdate": "19780503", "gender": "2"}
    assert read_attributes(told)
    with pytest.raises(NotBelieved) as caught:
        read_attributes(told | {claim: value})
    assert caught.value.why == claim


# What it does instead of answering.


def unavailable(upstream: UpstreamProvider, ask: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(Fault) as caught:
        ask()
    assert caught.value.code == "upstream.unavailable"
    assert time.monotonic() - began < SLOW_S


INSTEAD: dict[str, Any] = {
    "an error": says(500, '{"error": "server_error"}'),
    "maintenance": says(503, "<!doctype html>"),
    "a page": says(200, "<!doctype html>"),
    "nothing": says(200),
    "a list": says(200, "[]"),
    "the same name twice": says(200, '{"issuer": "a", "issuer": "b"}'),
    "a redirect": says(302, location="http://127.0.0.1:9/elsewhere"),
    "a permanent redirect": says(308, location="http://127.0.0.1:9/elsewhere"),
    "too much": says(200, json.dumps({"a": "b" * 300_000})),
}


@pytest.mark.parametrize("instead", INSTEAD)
@pytest.mark.parametrize("where", ["openid-configuration", "certs", "token", "userinfo"])
def test_whatever_is_no_answer_is_one_thing_and_over_with_it_all_goes_on(
    upstream: UpstreamProvider, line: Line, instead: str, where: str
) -> None:
    line.says[where] = INSTEAD[instead]
    if where == "openid-configuration":
        unavailable(upstream, upstream.authorization_endpoint)
    else:
        code = code_for(upstream)
        unavailable(upstream, lambda: upstream.identify(OUTING, code, None, userinfo=True))
    line.says.clear()
    assert identified(upstream)


@pytest.mark.parametrize("patience_s", [SHORT_S])
def test_nobody_waits_longer_than_agreed_and_who_comes_again_is_answered(upstream: UpstreamProvider) -> None:
    code = code_for(upstream, answer="slow")
    unavailable(upstream, lambda: upstream.identify(OUTING, code, None, userinfo=True))
    assert upstream.identify(OUTING, code, None, userinfo=True)


@pytest.mark.parametrize("patience_s", [SHORT_S])
def test_an_answer_that_drips_is_over_in_time(upstream: UpstreamProvider, line: Line) -> None:
    async def drips(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.05)

    line.says["openid-configuration"] = drips
    unavailable(upstream, upstream.authorization_endpoint)


def test_nobody_is_there(ward_key: SoftwareSigner, clock: FixedClock) -> None:
    nobody = client_of("http://127.0.0.1:9", ward_key, clock)
    unavailable(nobody, nobody.authorization_endpoint)
    nobody.close()


@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"]
)
@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://169.254.169.254/latest", "http://127.0.0.1:9/x", "https://127.0.0.1/x", "file:///etc/passwd",
        "//evil.example/x", "javascript:alert(1)", "", 7,
    ],
)  # fmt: skip
def test_asvs_1_3_6_the_metadata_sends_nobody_to_another_place(
    upstream: UpstreamProvider, national: National, line: Line, name: str, elsewhere: Any
) -> None:
    national.about = lambda told: told | {name: elsewhere}
    if name == "authorization_endpoint":
        unavailable(upstream, upstream.authorization_endpoint)
    else:
        code = code_for(upstream)
        unavailable(upstream, lambda: upstream.identify(OUTING, code, None, userinfo=True))


def test_oidc_discovery_4_3_metadata_of_another_issuer_is_none(
    upstream: UpstreamProvider, national: National
) -> None:
    national.about = lambda told: told | {"issuer": "https://evil.example"}
    unavailable(upstream, upstream.authorization_endpoint)


@pytest.mark.parametrize("patience_s", [SHORT_S])
def test_who_waits_for_a_slow_one_leaves_threads_for_the_others(
    upstream: UpstreamProvider, line: Line
) -> None:
    upstream.authorization_endpoint()
    codes = [code_for(upstream, answer="slow") for _ in range(8)]
    told: list[str] = []

    def wait(code: str) -> None:
        try:
            upstream.identify(OUTING, code, None, userinfo=False)
        except Fault as fault:
            told.append(fault.code)

    waiting = [threading.Thread(target=wait, args=(code,)) for code in codes]
    for thread in waiting:
        thread.start()
    while line.asked.count("token") < len(codes):
        time.sleep(0.005)
    began = time.monotonic()
    with pytest.raises(Fault):
        upstream.authorization_endpoint()
    assert time.monotonic() - began < SHORT_S / 4
    for thread in waiting:
        thread.join()
    assert told == ["upstream.unavailable"] * 8
    assert upstream.authorization_endpoint()


def test_its_cookies_are_nobodys(upstream: UpstreamProvider, national: National, line: Line) -> None:
    sent: list[bytes] = []
    answered = line.says["token"] = says(503, "", set_cookie="a=b; Path=/")

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        sent.extend(value for name, value in scope["headers"] if name == b"cookie")
        await answered(scope, receive, send)

    line.says["token"] = noting
    for _ in range(2):
        assert refusal(upstream) == "upstream.unavailable"
    assert sent == []


def test_what_is_kept_of_it_outlives_a_minute_in_which_it_is_down(
    upstream: UpstreamProvider, line: Line
) -> None:
    assert identified(upstream)
    for name in ("openid-configuration", "certs"):
        line.says[name] = says(503)
    assert identified(upstream)


def test_the_clock_of_the_token_is_ours(
    upstream: UpstreamProvider, national: National, clock: FixedClock
) -> None:
    ahead = int((clock.now() + timedelta(seconds=59)).timestamp())
    says_instead(iat=ahead, auth_time=ahead)(national)
    assert identified(upstream).authenticated_at == clock.now()
