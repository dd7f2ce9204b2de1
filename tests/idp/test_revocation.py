"""Where a deployment learns of revocation, in which order, and what a login does meanwhile."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from card.certificates import Purpose, read_certificate
from card.revocation import CrlFiles, InTurn, NoRevocation, StatusUnavailable
from card.revocation.responder import OcspResponder
from card.test_authority import TestAuthority, new_card_key
from idp.services import Services, revocation_of
from idp.settings import Settings, describe
from tests.card.certomancer import certomancer
from tests.card.conftest import HANAKO
from tests.card.ocsp_answers import Said, delegated, root_of
from tests.card.raw_server import ok, server
from tests.conftest import NOW
from tests.delegation.conftest import Town, authority, cards, linked, staff, thresholds, town
from tests.idp.steps import asked_of_card, begun

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]

RESPONDER = "http://ocsp.jpki.example/"


def settings(tmp_path: Path, **values: Any) -> Settings:
    needed = {
        "database_url": "sqlite://",
        "master_key_file": tmp_path / "master.key",
        "wards": json.loads('{"131130": "https://shibuya.id.example"}'),
        "trust_folder": tmp_path / "trust",
    }
    return Settings.model_validate(needed | values)


def sources(made: Settings) -> list[type]:
    found = revocation_of(made)
    return [type(source) for source in found._sources] if isinstance(found, InTurn) else [type(found)]


def test_the_responder_is_asked_first_and_the_lists_after_it(tmp_path: Path) -> None:
    both = settings(tmp_path, ocsp_url=RESPONDER, crl_folder=tmp_path)
    assert sources(both) == [OcspResponder, CrlFiles]
    assert sources(settings(tmp_path, ocsp_url=RESPONDER)) == [OcspResponder]
    assert sources(settings(tmp_path, crl_folder=tmp_path)) == [CrlFiles]


def test_with_neither_nothing_is_checked(tmp_path: Path) -> None:
    assert sources(settings(tmp_path)) == [NoRevocation]


def test_rfc5019_answers_made_in_advance_count_only_where_that_is_set(
    tmp_path: Path, authority: TestAuthority
) -> None:
    root = root_of(authority)
    leaf = authority.issue(Purpose.AUTHENTICATION, HANAKO, new_card_key().public_key(), NOW)
    old = Said(delegated(root), leaf, root.certificate, nonce=None, since=NOW - timedelta(minutes=10))
    with server([ok(old.der())]) as responder:
        for minutes, counts in ((None, False), (9, False), (11, True)):
            made = settings(tmp_path, ocsp_url=responder.address, ocsp_without_nonce_minutes=minutes)
            with nullcontext() if counts else pytest.raises(StatusUnavailable):
                revocation_of(made).status(leaf, root.certificate, NOW)


@pytest.mark.parametrize("address", ["ldap://ocsp.jpki.example", "ocsp.jpki.example", "http://", ""])
def test_an_address_that_is_none_is_named_at_the_start(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        settings(tmp_path, ocsp_url=address)
    assert describe(wrong.value) == "DAIRI_OCSP_URL is wrong"


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
def test_an_age_that_is_none_is_named_at_the_start(tmp_path: Path, minutes: int) -> None:
    with pytest.raises(ValidationError) as wrong:
        settings(tmp_path, ocsp_url=RESPONDER, ocsp_without_nonce_minutes=minutes)
    assert describe(wrong.value) == "DAIRI_OCSP_WITHOUT_NONCE_MINUTES is wrong"


def asking(services: Services, address: str) -> None:
    made = replace(services.trust, revocation=OcspResponder(address))
    object.__setattr__(services, "trust", made)


def test_rfc6960_2_3_while_the_responder_is_silent_a_login_waits_and_is_finished_once_it_answers(
    town: Town, authority: TestAuthority, tmp_path: Path
) -> None:
    hanako = town.hanako
    leaf = read_certificate(hanako.card.contents.authentication_certificate).x509
    hanako.http.cookies.clear()
    i = begun(hanako.get("/account"))
    with server([b""]) as silent:
        asking(town.services, silent.address)
        waiting = hanako.answer(asked_of_card(hanako, i))
    assert (waiting.status_code, waiting.headers["retry-after"], len(silent.asked)) == (503, "5", 1)
    with certomancer(tmp_path, authority, delegated(root_of(authority)), {"hanako": leaf}) as address:
        asking(town.services, f"{address}/ocsp/responder")
        assert hanako.get(f"/card/done?i={i}").headers["location"] == "/account"


def test_rfc6960_2_2_a_card_that_the_responder_calls_revoked_logs_nobody_in(
    town: Town, authority: TestAuthority, tmp_path: Path
) -> None:
    hanako = town.hanako
    leaf = read_certificate(hanako.card.contents.authentication_certificate).x509
    hanako.http.cookies.clear()
    i, revoked = begun(hanako.get("/account")), {"hanako": "certificate_hold"}
    signer = delegated(root_of(authority))
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}, revoked=revoked) as address:
        asking(town.services, f"{address}/ocsp/responder")
        refused = hanako.answer(asked_of_card(hanako, i))
    assert (refused.status_code, "失効" in refused.text) == (400, True)
    assert hanako.get("/account").headers["location"].startswith("/login")
