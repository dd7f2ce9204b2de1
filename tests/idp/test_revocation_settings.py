"""Where a deployment learns of revocation, and in which order."""

import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from card.certificates import Purpose
from card.revocation import CrlFiles, InTurn, NoRevocation, StatusUnavailable
from card.revocation.responder import OcspResponder
from card.test_authority import TestAuthority, new_card_key
from idp.services import revocation_of
from idp.settings import Settings, describe
from tests.card.conftest import HANAKO
from tests.card.ocsp_answers import Said, delegated, root_of
from tests.card.raw_server import ok, server
from tests.conftest import NOW

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
