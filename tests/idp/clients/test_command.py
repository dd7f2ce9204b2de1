"""`dairi client`: what it registers works at once, what it refuses is one sentence, what it did is a leaf."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from assurance.database import Database
from assurance.wards import Ward
from card.jose import SoftwareSigner, b64url_encode
from idp.cli import keys
from idp.registration import register_client, wrong_with_address
from idp.services import Services
from idp.tables import OAuthClientRow
from tests.conftest import FixedClock
from tests.idp.clients.conftest import Dairi, keys_file, leaves, refused, secret_in
from tests.idp.conftest import ASSERTION, WardSystem

OWN_TOKEN = {"grant_type": "client_credentials", "scope": "decide"}


def by_secret(browser: TestClient, secret: str, client_id: str = "kokuho") -> int:
    """Ask for a token of one's own."""
    shown = base64.b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
    answer = browser.post("/token", data=OWN_TOKEN, headers={"authorization": f"Basic {shown}"})
    return int(answer.status_code)


def by_key(browser: TestClient, signer: SoftwareSigner, services: Services, *, named: bool = True) -> int:
    """The same by an assertion, whose header may leave out which key it is signed with."""
    now = int(services.clock.now().timestamp())
    claims = {"iss": "kokuho", "sub": "kokuho", "aud": services.ward.issuer, "jti": secrets.token_hex(8)}
    header = {"alg": signer.alg} | ({"kid": signer.kid} if named else {})
    parts = (header, claims | {"iat": now, "exp": now + 60})
    said = ".".join(b64url_encode(json.dumps(part).encode("ascii")) for part in parts)
    assertion = f"{said}.{b64url_encode(signer.sign(said.encode('ascii')))}"
    form = OWN_TOKEN | {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    return int(browser.post("/token", data=form).status_code)


# Adding.


def test_a_client_with_a_secret_works_at_once_in_a_process_that_runs(
    add: Dairi, browser: TestClient, database: Database, ward: Ward
) -> None:
    assert by_secret(browser, "x") == 401
    run = add("--secret", "--scope", "decide")
    secret = secret_in(run)
    assert (run.output.count(secret), f"issuer         {ward.issuer}" in run.output) == (1, True)
    assert (by_secret(browser, secret), by_secret(browser, f"{secret}x")) == (200, 401)
    with database.reading(ward.code) as session:
        row = session.exec(select(OAuthClientRow)).one()
    assert secret not in str(row.model_dump())
    assert leaves(database, ward) == [("client:registration:added", {"client": "kokuho", "sector": "kokuho"})]


def test_a_client_with_keys_works_at_once_and_logs_people_in(
    add: Dairi, browser: TestClient, services: Services, tmp_path: Path
) -> None:
    signer = SoftwareSigner.generate()
    run = add("--jwks", keys_file(tmp_path, signer), "--scope", "decide", "--procedure", "kaigo.nintei.renew")
    assert (run.exit_code, "secret" in run.output) == (0, False), run.output
    assert by_key(browser, signer, services) == 200
    asked = {
        "client_id": "kokuho",
        "redirect_uri": "https://kokuho.example/callback",
        "response_type": "code",
    }
    answer = browser.get("/authorize", params=asked)
    assert answer.headers["location"].startswith("https://kokuho.example/callback?error=invalid_request")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("https://a.example/cb#", "has a fragment"),
        ("https://a.example/cb#x", "has a fragment"),
        ("https://*.a.example/cb", "wildcard"),
        ("https://a.example/*", "wildcard"),
        ("http://a.example/cb", "http outside loopback"),
        ("http://localhost.a.example/cb", "http outside loopback"),
        ("http://127.0.0.1.a.example/cb", "http outside loopback"),
        ("http://localhost@a.example/cb", "names a user"),
        ("https://user:pw@a.example/cb", "names a user"),
        ("javascript:alert(1)", "neither https nor http"),
        ("data:text/html,x", "neither https nor http"),
        ("kokuho:/cb", "neither https nor http"),
        ("//a.example/cb", "neither https nor http"),
        ("/cb", "neither https nor http"),
        ("", "no address has"),
        ("https://", "no host"),
        ("https:///cb", "no host"),
        ("https://a.example:port/cb", "could be reached"),
        ("https://a.example:99999/cb", "could be reached"),
        ("https://[::1/cb", "could be reached"),
        ("https://a%2eexample/cb", "no host"),
        ("https://a.example\\@b.example/cb", "no address has"),
        ("https://a.example/ cb", "no address has"),
        ("https://a.example/cb\n", "no address has"),
        ("https://渋谷.example/cb", "no address has"),
        (f"https://a.example/{'x' * 2000}", "too long"),
    ],
)
def test_rfc9700_2_1_an_address_that_is_not_one_place_is_refused(uri: str, says: str) -> None:
    assert says in str(wrong_with_address(uri))


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example:8443/cb?from=dairi",
        "http://localhost:8401/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:9/cb",
    ],
)
def test_rfc8252_7_3_https_with_port_and_query_or_http_on_loopback_is_registered(uri: str) -> None:
    assert wrong_with_address(uri) is None


REFUSED: Sequence[tuple[str, dict[str, str], tuple[str, ...], str]] = [
    ("kokuho", {"redirect_uri": "https://a.example/#x"}, (), "has a fragment"),
    ("kokuho", {"post_logout_redirect_uri": "http://a.example/"}, (), "http outside loopback"),
    ("kokuho", {"audience": "javascript:alert(1)"}, (), "neither https nor http"),
    ("kokuho", {}, ("--procedure", "kaigo.nintei.destroy"), "'kaigo.nintei.destroy' is unknown here"),
    ("kokuho", {}, ("--ward", "131121"), "131121 is not served here; the wards are 131130"),
    ("kokuho", {}, ("--scope", "delegated:kokuho"), "the mint alone writes it"),
    ("kokuho", {}, ("--scope", "two words"), "'two words' is none"),
    ("kokuho", {"scope": "kokuho"}, (), "needs the scope openid"),
    ("kokuho", {"name_ja": " "}, (), "the name (ja) is one line"),
    ("kokuho", {"name_en": "a\nb"}, (), "the name (en) is one line"),
    ("kokuho", {"name_en": "x" * 101}, (), "at most 100"),
    ("koku ho", {}, (), "the id is"),
    ("国保", {}, (), "the id is"),
    ("x" * 101, {}, (), "the id is"),
    ("kokuho", {"sector": ""}, (), "the sector is"),
    ("kokuho", {}, ("--jwks", "keys.json"), "either its keys, --jwks FILE, or a secret"),
]


def test_what_cannot_be_registered_is_refused_in_one_sentence(
    add: Dairi, database: Database, ward: Ward
) -> None:
    for id_, changes, more, says in REFUSED:
        assert says in refused(add("--secret", *more, id_=id_, **changes))
    assert leaves(database, ward) == []


def test_everything_that_is_wrong_is_said_at_once(add: Dairi) -> None:
    told = refused(add("--secret", "--procedure", "a.b", redirect_uri="http://a.example", name_ja=""))
    assert told.count(";") == 2


def test_an_id_that_is_taken_is_refused_and_changes_nothing(
    add: Dairi, browser: TestClient, database: Database, ward: Ward
) -> None:
    secret = secret_in(add("--secret", "--scope", "decide"))
    assert "kokuho is registered already" in refused(add("--secret", audience="https://evil.example"))
    assert by_secret(browser, secret) == 200
    assert len(leaves(database, ward)) == 1


def test_a_sector_is_shared_only_when_that_is_meant_and_an_audience_only_within_it(add: Dairi) -> None:
    """Two systems in one sector can join what they know of a person (OIDC Core §8.1)."""
    assert add("--secret").exit_code == 0
    assert "both would know people as one" in refused(add("--secret", id_="second"))
    assert "'https://kokuho.example' is kokuho's" in refused(add("--secret", id_="second", sector="zeimu"))
    assert add("--secret", "--join-sector", id_="second").exit_code == 0


NO_KEYS: Sequence[tuple[str, str]] = [
    ("", "holds no JWK Set"),
    ("[]", "holds no JWK Set"),
    ('{"keys": [], "keys": []}', "holds no JWK Set"),
    ("[" * 60_000, "holds no JWK Set"),
    (" " * 70_000, "too large"),
    ("{}", "1 to 20 keys"),
    ('{"keys": []}', "1 to 20 keys"),
    ('{"keys": {}}', "1 to 20 keys"),
    ('{"keys": [1]}', "key 1 is no object"),
    ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "key 1 is private"),
    ('{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}', "key 1 is none of"),
    ('{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', "key 1 is none of"),
    ('{"keys": [{"kty": "RSA", "n": "AQ!B", "e": "AQAB"}]}', "key 1 is none of"),
    ('{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}', "key 1 is none of"),
]


def test_rfc7517_5_a_file_that_holds_no_usable_public_keys_is_refused(add: Dairi, tmp_path: Path) -> None:
    for text, says in NO_KEYS:
        (tmp_path / "jwks.json").write_text(text, "utf-8")
        assert says in refused(add("--jwks", tmp_path / "jwks.json"))


def test_rfc7517_5_a_private_key_a_key_for_encryption_and_a_kid_twice_are_refused(
    add: Dairi, tmp_path: Path
) -> None:
    one, two = SoftwareSigner.generate(), SoftwareSigner.generate()
    for changes, says in (
        ({"d": "AA"}, "key 1 is private"),
        ({"use": "enc"}, "key 1 is none of"),
        ({"kid": "k"}, "two keys have one kid"),
    ):
        assert says in refused(add("--jwks", keys_file(tmp_path, one, two, **changes)))
    assert "No such file" in refused(add("--jwks", tmp_path / "none"))


# Rotating.


def test_old_and_new_secret_overlap_and_then_the_new_one_alone_works(
    add: Dairi, dairi: Dairi, browser: TestClient, clock: FixedClock, database: Database, ward: Ward
) -> None:
    first = secret_in(add("--secret", "--scope", "decide"))
    second = secret_in(dairi("rotate", "kokuho"))
    assert [by_secret(browser, secret) for secret in (first, second)] == [200, 200]
    assert "old credential until" in dairi("list").output
    third = secret_in(dairi("rotate", "kokuho"))
    assert [by_secret(browser, secret) for secret in (first, second, third)] == [401, 200, 200]
    clock.advance(timedelta(days=30))
    assert [by_secret(browser, secret) for secret in (first, second, third)] == [401, 401, 200]
    said = {"client": "kokuho", "method": "client_secret_basic", "overlap_s": 86_400}
    assert leaves(database, ward)[1:] == [("client:credential:rotated", said)] * 2


def test_after_a_leak_the_old_secret_ends_at_once(add: Dairi, dairi: Dairi, browser: TestClient) -> None:
    first = secret_in(add("--secret", "--scope", "decide"))
    second = secret_in(dairi("rotate", "kokuho", "--overlap-hours", 0))
    assert [by_secret(browser, secret) for secret in (first, second)] == [401, 200]


def test_old_and_new_keys_overlap_whether_or_not_an_assertion_names_its_key(
    add: Dairi, dairi: Dairi, browser: TestClient, services: Services, clock: FixedClock, tmp_path: Path
) -> None:
    old, new = SoftwareSigner.generate(), SoftwareSigner.generate()
    assert add("--jwks", keys_file(tmp_path, old), "--scope", "decide").exit_code == 0
    assert dairi("rotate", "kokuho", "--jwks", keys_file(tmp_path, new)).exit_code == 0
    for signer in (old, new):
        assert by_key(browser, signer, services) == 200
        assert by_key(browser, signer, services, named=False) == 200
    clock.advance(timedelta(days=30))
    assert [by_key(browser, signer, services) for signer in (old, new)] == [401, 200]


def test_what_cannot_be_rotated_is_refused(add: Dairi, dairi: Dairi, tmp_path: Path) -> None:
    file = keys_file(tmp_path, SoftwareSigner.generate())
    assert add("--jwks", file).exit_code == 0
    assert add("--secret", id_="zeimu", sector="zeimu", audience="https://zeimu.example").exit_code == 0
    assert "kokuho has keys: name its new JWK Set" in refused(dairi("rotate", "kokuho"))
    assert "zeimu has a secret" in refused(dairi("rotate", "zeimu", "--jwks", file))
    assert "nobody is not registered" in refused(dairi("rotate", "nobody"))
    file.write_text('{"keys": []}', "utf-8")
    assert "1 to 20 keys" in refused(dairi("rotate", "kokuho", "--jwks", file))
    assert dairi("rotate", "zeimu", "--overlap-hours", -1).exit_code == 2
    assert dairi("disable", "zeimu").exit_code == 0
    assert "zeimu is disabled" in refused(dairi("rotate", "zeimu"))


# Looking, and what a command is about.


def test_the_list_shows_who_is_registered_and_in_which_state(add: Dairi, dairi: Dairi) -> None:
    assert dairi("list").output == ""
    add("--secret")
    add("--secret", id_="zeimu", sector="zeimu", audience="https://zeimu.example")
    dairi("disable", "zeimu")
    first, second = dairi("list", "--ward", "131130").output.splitlines()
    assert first.startswith(
        "131130  kokuho               client_secret_basic kokuho       https://kokuho.example"
    )
    assert (first.endswith("  live"), "disabled" in second) == (True, True)
    assert "is not served here" in refused(dairi("list", "--ward", "131121"))


def test_where_there_are_several_wards_a_command_names_one(
    add: Dairi, dairi: Dairi, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    wards = {ward.code: ward.issuer, "131121": "https://setagaya.example"}
    monkeypatch.setenv("DAIRI_WARDS", json.dumps(wards))
    assert "Name the ward: 131130, 131121" in refused(add("--secret"))
    assert "Name the ward" in refused(CliRunner().invoke(keys.app, ["rotate", "token"]))
    assert add("--secret", "--ward", "131121").exit_code == 0
    assert dairi("list").output.startswith("131121  kokuho")


def test_a_database_of_another_version_is_left_alone(dairi: Dairi, database: Database) -> None:
    with database.writing_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    for arguments in (["list"], ["disable", "kokuho"], ["rotate", "kokuho"]):
        assert "run `dairi migrate`" in refused(dairi(*arguments))


# The one way to register.


def test_registering_what_is_there_already_changes_what_changed_and_says_so(
    services: Services, portal: WardSystem, database: Database, ward: Ward
) -> None:
    before = leaves(database, ward)
    for client in (
        portal.client,
        replace(portal.client, sector="other", redirect_uris=("https://a.example/",)),
    ):
        with database.writing(ward.code) as unit:
            register_client(unit, client, services.procedures, services.clock.now())
    said = ("client:registration:changed", {"client": "portal", "fields": "redirect_uris sector"})
    assert leaves(database, ward) == [*before, said]


def test_registering_a_disabled_client_again_does_not_bring_it_back(
    services: Services, portal: WardSystem, dairi: Dairi
) -> None:
    assert dairi("disable", "portal").exit_code == 0
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, portal.client, services.procedures, services.clock.now())
    assert portal.post("/token", OWN_TOKEN).status_code == 401
    assert "portal is disabled since" in refused(dairi("disable", "portal"))
    assert "nobody is not registered" in refused(dairi("disable", "nobody"))


def test_registering_another_credential_ends_what_a_rotation_left(
    services: Services, portal: WardSystem, dairi: Dairi, tmp_path: Path
) -> None:
    """As a deployment that is described in one place does: what is not described is not there."""
    other = SoftwareSigner.generate()
    assert dairi("rotate", "portal", "--jwks", keys_file(tmp_path, other)).exit_code == 0
    assert portal.post("/token", OWN_TOKEN).status_code == 200
    third = replace(portal.client, jwks={"keys": [SoftwareSigner.generate().public_jwk()]})
    with services.database.writing(services.ward.code) as unit:
        register_client(unit, third, services.procedures, services.clock.now())
    assert portal.post("/token", OWN_TOKEN).status_code == 401
