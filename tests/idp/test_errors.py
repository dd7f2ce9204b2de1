"""Errors in the form that who asks can read, with the status and headers that belong to them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from assurance import passkeys
from assurance.database import Database
from assurance.wards import Ward
from delegation.audit import proofs
from idp.app import create_app
from idp.services import Services
from tests.idp.conftest import LogIn


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/token", "POST"),
        ("PUT", "/token", "POST"),
        ("GET", "/introspect", "POST"),
        ("GET", "/revoke", "POST"),
        ("DELETE", "/userinfo", "GET, HEAD, POST"),
        ("GET", "/access/v1/evaluation", "POST"),
    ],
)
def test_rfc9110_15_5_6_another_method_at_an_api_is_405_in_json(
    browser: TestClient, method: str, path: str, allow: str
) -> None:
    refused = browser.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allow)
    assert refused.headers["content-type"] == "application/json"
    assert refused.json()["error"] == "invalid_request"


@pytest.mark.parametrize("language", ["ja", "en"])
def test_rfc9110_15_5_6_another_method_at_a_page_is_405_in_words(browser: TestClient, language: str) -> None:
    refused = browser.get("/logout", headers={"accept-language": language})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert {"ja": "ここではできません", "en": "cannot be done here"}[language] in refused.text


def test_rfc9457_3_what_systems_read_is_refused_in_problem_details(browser: TestClient) -> None:
    for refused, status in ((browser.get("/audit/inclusion"), 404), (browser.post("/audit/checkpoint"), 405)):
        assert refused.status_code in {status, 400}
        assert refused.headers["content-type"] == "application/problem+json"
        told = refused.json()
        assert told["status"] == refused.status_code
        assert told["type"].startswith("urn:dairi:fault:")
        assert told["title"]
        assert told["detail"]


def post(browser: TestClient, services: Services, **content: Any) -> Any:
    return browser.post("/login/email", headers={"origin": services.ward.origin}, **content)


def test_a_form_that_cannot_be_read_is_told_so(browser: TestClient, services: Services) -> None:
    fields = {f"field{number}": "x" for number in range(70)}
    file = {"address": ("a.txt", b"x")}
    for refused in (post(browser, services, data=fields), post(browser, services, files=file)):
        assert refused.status_code == 400
        assert "読み取れませんでした" in refused.text
        assert "このページはありません" not in refused.text


def test_rfc9110_15_5_14_a_form_that_is_too_large_is_413(browser: TestClient, services: Services) -> None:
    assert post(browser, services, data={"address": "x" * 70_000}).status_code == 413


def test_no_fault_is_a_dead_end(browser: TestClient, services: Services) -> None:
    for answer in (
        browser.get("/nothing"),
        browser.get("/authorize"),
        browser.get("/login?i=x"),
        browser.post("/logout"),
    ):
        assert 'href="/account"' in answer.text
    back = {"origin": services.ward.origin, "referer": f"{services.ward.issuer}/login/email?i=x"}
    stayed = browser.post("/login/email", data={f"f{n}": "x" for n in range(70)}, headers=back)
    assert f'href="{back["referer"]}"' in stayed.text


@pytest.mark.parametrize("issuer", ["https://shibuya.id.example", "https://id.example/131130"])
def test_no_redirect_is_built_from_the_host_header(services: Services, issuer: str) -> None:
    ward = Ward(services.ward.code, issuer)
    http = TestClient(
        create_app([replace(services, ward=ward)]), base_url=ward.origin, follow_redirects=False
    )
    for path in ("/account/", "/login/email/", "/token/", "/health/live/"):
        answer = http.get(f"{ward.path}{path}", headers={"x-forwarded-host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert http.get(ward.path or "/").headers["location"] == f"{ward.path}/account"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("田中花子")

    monkeypatch.setattr(passkeys, "passkeys_of", fail)
    monkeypatch.setattr(proofs, "latest_checkpoint", fail)


@pytest.mark.usefixtures("broken")
def test_an_error_that_nobody_foresaw_is_answered_without_its_data(
    browser: TestClient, log_in: LogIn, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in()
    page = browser.get("/account", headers={"x-request-id": "number-7"})
    assert page.status_code == 500
    assert "思いがけない問題" in page.text
    assert "number-7" in page.text
    assert 'href="/account"' in page.text
    assert "花子" not in page.text + capsys.readouterr().out


@pytest.fixture
def gone(services: Services) -> Iterator[Services]:
    made = Database("sqlite:////no/such/folder/dairi.db")
    yield replace(services, database=made)
    made.close()


def test_rfc9110_15_6_4_a_database_that_is_gone_is_503_for_pages_and_systems(gone: Services) -> None:
    http = TestClient(create_app([gone]), base_url=gone.ward.origin, follow_redirects=False)
    page, proof = http.get("/account"), http.get("/audit/checkpoint")
    for answer in (page, proof):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert 'href="?">もう一度試す' in page.text
    assert proof.json()["type"] == "urn:dairi:fault:storage.unavailable"
