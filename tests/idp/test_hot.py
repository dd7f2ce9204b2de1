"""The hot endpoints are found by their whole address, and by the router where it is spelt otherwise."""

import pytest
from starlette.testclient import TestClient

from assurance.wards import Ward


@pytest.mark.parametrize("host", ["shibuya.id.example", "shibuya.id.example:443", "SHIBUYA.id.example"])
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_an_endpoint_answers_however_its_host_is_spelt(browser: TestClient, host: str, path: str) -> None:
    answer = browser.post(
        path, data={"token": "x", "grant_type": "client_credentials"}, headers={"host": host}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("host", ["other.id.example", "", "localhost"])
def test_an_endpoint_of_no_host_of_ours_is_unknown(browser: TestClient, ward: Ward, host: str) -> None:
    assert ward.origin != f"https://{host}"
    assert browser.post("/token", headers={"host": host}).status_code == 404


def test_another_method_is_refused_with_those_that_are_allowed(browser: TestClient) -> None:
    answer = browser.get("/token")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
