"""What stands in for the national app is as strict as the app is known to be, and says what it is."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.testclient import TestClient

from card.jose import SoftwareSigner, sign_compact
from deploy.sandbox.layout import NEIGHBOUR, WARD, Layout
from deploy.sandbox.national.app import create_app
from deploy.sandbox.national.provider import NationalApp
from deploy.sandbox.national.seed import load
from deploy.sandbox.seed import prepare_folder
from idp.upstream.configured import read_upstreams
from tests.conftest import FixedClock

AUTH = "/api/realms/main/protocol/openid-connect/auth"
TOKEN = AUTH.replace("/auth", "/token")
VERIFIER = "v" * 64


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout(tmp_path_factory.mktemp("sandbox"), 8400, 8401, 8402, 8403, 8425, in_process_card=True)
    prepare_folder(made)
    return made


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def national(layout: Layout, clock: FixedClock) -> NationalApp:
    return load(layout.national_file, layout.national, clock)


@pytest.fixture
def http(national: NationalApp, layout: Layout) -> Iterator[TestClient]:
    with TestClient(create_app(national), base_url=layout.national, follow_redirects=False) as client:
        yield client


def asked(layout: Layout, **changes: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": f"RP{WARD}",
        "redirect_uri": f"{layout.issuer}/app/back",
        "scope": "openid name",
        "state": "s",
        "nonce": "n",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
        "acr_values": "aal3 crl",
        **changes,
    }


def chosen(http: TestClient, layout: Layout, answer: str) -> dict[str, list[str]]:
    page = http.get(AUTH, params=asked(layout)).text
    found = re.search(r'name="id" value="([^"]+)"', page)
    assert found is not None
    gone = http.post(AUTH, data={"id": found[1], "answer": answer})
    assert gone.headers["location"].startswith(f"{layout.issuer}/app/back?")
    return parse_qs(urlsplit(gone.headers["location"]).query)


def test_both_wards_applied_with_a_key_of_their_own_and_the_next_start_changes_nothing(
    layout: Layout,
) -> None:
    files = [layout.national_file, layout.upstreams, *sorted(layout.folder.glob("app-*.pem"))]
    before = [file.read_bytes() for file in files]
    entries = read_upstreams(layout.upstreams.read_text("utf-8"), sandbox=True)
    assert {ward: entry.app.client_id for ward, entry in entries.items() if entry.app is not None} == {
        ward: f"RP{ward}" for ward in (WARD, NEIGHBOUR)
    }
    assert len(set(before)) == 4
    prepare_folder(layout)
    assert [file.read_bytes() for file in files] == before


def test_the_file_with_everybodys_sub_is_the_owners_alone(layout: Layout) -> None:
    assert layout.national_file.stat().st_mode & 0o777 == 0o600


def test_it_says_on_every_page_that_it_is_not_the_real_one(http: TestClient, layout: Layout) -> None:
    for page in (http.get("/"), http.get(AUTH, params=asked(layout)), http.get(AUTH)):
        assert "本物のデジタル認証アプリではありません" in page.text


def test_every_resident_has_a_phone_and_staff_have_none(http: TestClient, layout: Layout) -> None:
    page = http.get(AUTH, params=asked(layout)).text
    assert re.findall(r"<legend>([^<]+)さんのスマートフォン</legend>", page)[0] == "田中\u3000花子"
    assert page.count("<legend>") == 6
    assert "職員" not in page


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "RP0"},
        {"redirect_uri": "https://evil.example/app/back"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"nonce": ""},
        {"state": ""},
        {"scope": "name"},
    ],
)
def test_a_request_that_the_app_would_refuse_is_refused(
    http: TestClient, layout: Layout, changes: Mapping[str, str]
) -> None:
    assert http.get(AUTH, params=asked(layout, **changes)).status_code == 400


def token(http: TestClient, layout: Layout, national: NationalApp, code: str, **changes: Any) -> Any:
    now = int(national.clock.now().timestamp())
    claims = {
        "iss": f"RP{WARD}",
        "sub": f"RP{WARD}",
        "aud": national.endpoint("token"),
        "jti": "j",
        "exp": now + 60,
    }
    key = changes.pop("key", None) or SoftwareSigner.from_pem(
        (layout.folder / f"app-{WARD}.pem").read_bytes()
    )
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": f"{layout.issuer}/app/back",
        "code_verifier": VERIFIER,
        "client_id": f"RP{WARD}",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign_compact(claims | changes.pop("claims", {}), key, typ="JWT"),
    }
    return http.post(TOKEN, data=form | changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/app/back"}, "invalid_grant"),
        ({"code": "guessed"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": f"RP{NEIGHBOUR}"}, "invalid_client"),
        ({"key": SoftwareSigner.generate()}, "invalid_client"),
        ({"claims": {"aud": "http://localhost:8404/api/realms/main"}}, "invalid_client"),
        ({"claims": {"exp": 1}}, "invalid_client"),
        ({"claims": {"sub": "RP0"}}, "invalid_client"),
    ],
)
def test_a_code_is_for_its_client_alone(
    http: TestClient, layout: Layout, national: NationalApp, changes: dict[str, Any], error: str
) -> None:
    (code,) = chosen(http, layout, "yes.0")["code"]
    assert token(http, layout, national, changes.pop("code", code), **changes).json() == {"error": error}


def test_a_code_works_once_and_userinfo_shows_what_was_asked_for(
    http: TestClient, layout: Layout, national: NationalApp
) -> None:
    (code,) = chosen(http, layout, "yes.0")["code"]
    told = token(http, layout, national, code).json()
    assert token(http, layout, national, code).json() == {"error": "invalid_grant"}
    bearer = {"authorization": f"Bearer {told['access_token']}"}
    userinfo = http.get(TOKEN.replace("/token", "/userinfo"), headers=bearer).json()
    assert (userinfo.keys(), userinfo["name"]) == ({"sub", "name"}, "田中\u3000花子")
    assert http.get(TOKEN.replace("/token", "/userinfo")).status_code == 401


def test_a_phone_may_say_no(http: TestClient, layout: Layout) -> None:
    told = chosen(http, layout, "no.0")
    assert (told["error"], told["state"], "code" in told) == (["access_denied"], ["s"], False)
