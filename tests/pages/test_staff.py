"""Staff pages in a real browser: judged by axe-core at phone and at desk width, and kept as pictures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.x509 import ReasonFlags
from playwright.sync_api import Browser, Route

from tests.delegation.conftest import (
    Resident,
    Town,
    app,
    authority,
    cards,
    linked,
    mail,
    new_system,
    portal,
    services,
    staff,
    thresholds,
    town,
)
from tests.delegation.revoked.conftest import Rechecked, rechecked
from tests.delegation.staff_town import Ward, sign, ward_office
from tests.delegation.test_acting import act, by_passkey
from tests.end_to_end.conftest import chromium, findings, pictures
from tests.idp.conftest import WardSystem

__all__ = [
    "app", "authority", "cards", "linked", "mail", "new_system", "pictures", "portal", "rechecked",
    "services", "staff", "thresholds", "town", "ward_office",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


def served(who: Resident) -> Callable[[Route], None]:
    """Answer a browser's requests from the application itself, as this person's."""

    def answer(route: Route) -> None:
        asked = route.request
        kept = {"content-type", "accept-language", "origin"}
        headers = {name: value for name, value in asked.headers.items() if name in kept}
        got = who.http.request(asked.method, asked.url, headers=headers, content=asked.post_data_buffer)
        skipped = {"content-length", "set-cookie"}
        told = {name: value for name, value in got.headers.items() if name not in skipped}
        route.fulfill(status=got.status_code, headers=told, body=got.content)

    return answer


def judged(
    browser: Browser, town: Town, pages: list[tuple[str, Resident, str]], pictures: Path
) -> list[object]:
    """What axe-core finds at pages in each language."""
    found: list[object] = []
    for locale in ("ja", "en"):
        for name, who, path in pages:
            with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
                context.route("**/*", served(who))
                page = context.new_page()
                page.goto(f"{town.services.ward.origin}{path}?lang={locale}")
                assert page.locator("h1").count() == 1
                found += findings(page, pictures / f"staff-{name}-{locale}")
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(600)
def test_staff_pages_are_for_everybody(
    ward_office: Ward, portal: WardSystem, browser: Browser, pictures: Path
) -> None:
    told, ichiro, jiro = ward_office.town, ward_office.ichiro, ward_office.jiro
    grant = told.active()
    by_passkey(told)
    act(told, portal, grant)
    change = ward_office.lifting(ward_office.hold(told.hanako))
    role = ward_office.giving(told.yuki, "auditor")
    person = f"/staff/people/{told.hanako.person}"
    unsigned, waiting = f"/staff/changes/{role}", f"/staff/changes/{change}"
    sign(ichiro, change)
    pages = [
        ("home", ichiro, "/staff"),
        ("people", ichiro, "/staff/people"),
        ("person", ichiro, person),
        ("grant", ichiro, f"/staff/grants/{grant}"),
        ("hold", ichiro, f"/staff/people/{told.yuki.person}/hold"),
        ("role", ichiro, f"{person}/role"),
        ("roles", ichiro, "/staff/roles"),
        ("looks", ichiro, "/staff/looks"),
        ("changes", ichiro, "/staff/changes"),
        ("change-unsigned", ichiro, unsigned),
        ("change-mine", ichiro, waiting),
        ("change-theirs", jiro, waiting),
        ("refused", ichiro, f"/staff/people/{ichiro.person}"),
    ]
    assert judged(browser, told, pages, pictures) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(600)
def test_reviews_of_revoked_certificates_are_for_everybody(
    rechecked: Rechecked, ward_office: Ward, browser: Browser, pictures: Path
) -> None:
    told, ichiro = ward_office.town, ward_office.ichiro
    grants = [told.active(), told.active(procedure=["kaigo.plan.notify"])]
    rechecked.revoke(told.hanako, ReasonFlags.affiliation_changed)
    pages = [
        ("reviews", ichiro, "/staff/reviews"),
        ("review", ichiro, f"/staff/reviews/{grants[0]}"),
        ("reviews-home", ichiro, "/staff"),
    ]
    assert judged(browser, told, pages, pictures) == []
