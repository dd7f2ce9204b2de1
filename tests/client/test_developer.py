"""The developer's page of the sample ward system: the real values of one's own last login, all explained."""

import json
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from assurance.levels import AAL, IAL, Level
from card.jose import unverified_claims, unverified_header
from card.pages import LOCALES, load_catalogue
from deploy.sandbox.portal.fields import SOURCES, Document, rows
from tests.client.house import MAINTENANCE, Ward
from tests.client.test_portal import NOTIFY, REISSUE, RENEW, UNAVAILABLE, way_on
from tests.delegation.conftest import Resident
from tests.delegation.test_acting import by_passkey


def look(ward_town: Ward, who: Resident, language: str = "ja") -> str:
    page = ward_town.go(who, f"/developer?lang={language}")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    return unescape(page.text)


def tokens_of(ward_town: Ward, desk: Any) -> tuple[str, str]:
    """The access token and the ID token of a desk."""
    id_ = str(desk.url).rpartition("/")[2]
    (context,) = (
        visit.contexts[id_] for visit in ward_town.portal.visits._visits.values() if id_ in visit.contexts
    )
    return context.access.token, context.id_token


def said(page: str, document: Document) -> dict[str, Any]:
    """What a page shows of a document, by path."""
    section = page.partition(f'aria-labelledby="{document}"')[2].partition("</section>")[0]
    entries = [entry.partition("</code></dt>") for entry in section.split("<dt><code>")[1:]]
    return {
        path: json.loads(rest.partition("<code>")[2].partition("</code>")[0]) for path, _, rest in entries
    }


def test_every_field_of_the_last_act_as_is_shown_as_it_was(ward_town: Ward) -> None:
    town = ward_town.town
    grant = town.active()
    by_passkey(town)
    desk = ward_town.log_in(town.yuki, grant)
    ward_town.file(town.yuki, desk, RENEW)
    access, identity = tokens_of(ward_town, desk)
    claims: Any = unverified_claims(access)
    page = look(ward_town, town.yuki)
    assert said(page, Document.ACCESS_HEADER) == unverified_header(access)
    assert said(page, Document.ID_HEADER) == unverified_header(identity)
    assert said(page, Document.ID_TOKEN) == unverified_claims(identity)
    shown = said(page, Document.ACCESS_TOKEN)
    assert (shown["sub"], shown["act.sub"]) == (claims["sub"], claims["act"]["sub"])
    assert shown["authorization_details[].procedures"] == [RENEW, REISSUE]
    assert said(page, Document.INTROSPECTION) == {"active": True, "token_type": "Bearer", **shown}
    asked, answered = said(page, Document.REQUEST), said(page, Document.ANSWER)
    assert (asked["resource.id"], asked["action.name"], asked["subject.id"]) == (
        RENEW,
        "file",
        shown["act.sub"],
    )
    assert asked["resource.properties.principal"] == shown["sub"]
    assert (answered["decision"], answered["context.reason"]) == (True, "allowed")
    assert f"{NOTIFY} / view" in page


def test_nothing_that_is_shown_could_be_used_by_whoever_copies_it(ward_town: Ward) -> None:
    hanako = ward_town.town.hanako
    desk = ward_town.log_in(hanako)
    page = look(ward_town, hanako)
    for token in tokens_of(ward_town, desk):
        head, _, signature = token.rpartition(".")
        assert (f"{head}.…" in page, signature in page) == (True, False)
    assert said(page, Document.REQUEST)["context.token"].endswith(".…")
    (visit,) = ward_town.portal.visits._visits.values()
    assert all(context.refresh_token not in page for context in visit.contexts.values())


@pytest.mark.parametrize("locale", LOCALES)
def test_every_field_that_comes_is_explained_in_every_language(ward_town: Ward, locale: str) -> None:
    """Own and delegated, allowed, refused, and refused for want of a stronger login."""
    town = ward_town.town
    known: Any = town.services.procedures.by_id
    known[REISSUE] = replace(known[REISSUE], level=Level(IAL.SUBSTANTIAL, AAL.HARDWARE))
    unexplained = load_catalogue(["deploy.sandbox"]).text(locale, "sandbox.developer.unexplained")
    ward_town.log_in(town.hanako)
    assert unexplained not in look(ward_town, town.hanako, locale)
    grant = town.active()
    by_passkey(town)
    desk = ward_town.log_in(town.yuki, grant)
    for procedure in (RENEW, NOTIFY, REISSUE):
        ward_town.send(town.yuki, desk, procedure, "理由")
        page = look(ward_town, town.yuki, locale)
        assert unexplained not in page
        assert page.count("<dd>") == page.count('<span class="hint">RFC') + page.count(
            '<span class="hint">OpenID'
        ) + page.count('<span class="hint">AuthZEN')
    assert said(page, Document.ANSWER)["context.acr_values"] == "urn:dairi:acr:ial2:aal3"


@pytest.mark.parametrize("document", Document)
def test_every_explanation_has_a_text(document: Document) -> None:
    catalogue = load_catalogue(["deploy.sandbox"])
    for path in SOURCES[document]:
        content: Any = "x"
        for name in reversed(path.split(".")):
            content = {name.removesuffix("[]"): [content] if name.endswith("[]") else content}
        for delegated in (True, False):
            (row,) = rows(document, content, delegated=delegated)
            assert (row.path, catalogue.has(row.text)) == (path, True), row


def test_a_field_that_nobody_explained_is_shown_all_the_same() -> None:
    (row,) = rows(Document.ACCESS_TOKEN, {"new": {"member": [1]}}, delegated=False)
    assert (row.path, row.value, row.text) == ("new.member", "[1]", "sandbox.developer.unexplained")


def test_the_page_is_about_ones_own_login_alone_and_says_when_there_is_none(ward_town: Ward) -> None:
    hanako, yuki = ward_town.town.hanako, ward_town.town.yuki
    assert way_on(ward_town.go(hanako, "/"), "開発者向け") == "/developer"
    ward_town.log_in(hanako)
    assert "ご自分の手続きとしてログインしています" in look(ward_town, hanako)
    nobody = look(ward_town, yuki)
    assert ("<dl>" in nobody, 'href="/login"' in nobody) == (False, True)
    hanako.http.post("https://portal.example/logout", headers={"origin": "https://portal.example"})
    assert "<dl>" not in look(ward_town, hanako)


def test_the_last_act_as_stays_in_sight_beside_a_later_login_for_oneself(ward_town: Ward) -> None:
    yuki, grant = ward_town.town.yuki, ward_town.town.active()
    delegated, _ = tokens_of(ward_town, ward_town.log_in(yuki, grant))
    ward_town.log_in(yuki, "self")
    assert said(look(ward_town, yuki), Document.ACCESS_TOKEN)["jti"] == unverified_claims(delegated)["jti"]


def test_what_ended_is_not_active_any_more(ward_town: Ward) -> None:
    town = ward_town.town
    grant = town.active()
    ward_town.log_in(town.yuki, grant)
    assert said(look(ward_town, town.yuki), Document.INTROSPECTION)["active"] is True
    town.hanako.post(f"/grants/{grant}/end")
    assert said(look(ward_town, town.yuki), Document.INTROSPECTION) == {"active": False}


@pytest.mark.parametrize("cut", [True, False])
def test_a_provider_that_is_down_is_a_sentence_and_a_way_back_here(ward_town: Ward, cut: bool) -> None:
    hanako, line = ward_town.town.hanako, ward_town.line
    ward_town.log_in(hanako)
    line.cut, line.says = cut, {"/introspect": MAINTENANCE}
    page = ward_town.go(hanako, "/developer")
    assert (page.status_code, UNAVAILABLE in page.text) == (503, True)
    assert way_on(page, "もう一度試す") == "/developer"
