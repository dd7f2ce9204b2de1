"""Reading what is printed on a card, at the bridge of a counter."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from card.jose import sign_compact, unverified_claims
from card.printed import read_printed
from card.request import TYP, ReadingRequest, sign_request
from card.virtual.card import VirtualCard
from tests.bridge.conftest import ANSWER, BACK, ISSUER, KEY, Person
from tests.card.conftest import HANAKO
from tests.conftest import NOW


def asked_to_read(request_id: str = "r", **changes: Any) -> str:
    whole: dict[str, Any] = {
        "issuer": ISSUER,
        "issuer_name": {"ja": "渋谷区", "en": "Shibuya City"},
        "response_uri": ANSWER,
        "cancel_uri": BACK,
        "state": "state",
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=5),
        "request_id": request_id,
        "reader_name": {"ja": "介護保険 申請ポータル", "en": "Care insurance portal"},
    }
    return sign_request(ReadingRequest(**(whole | changes)), KEY)


def container_of(page: Any) -> str:
    found = re.search(r'name="container" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def test_she_reads_who_gets_what_and_that_her_number_is_not_read(person: Person) -> None:
    page = person.arrive(asked_to_read())
    for said in (
        "介護保険 申請ポータル",
        "氏名、住所、生年月日、性別",
        "個人番号（マイナンバー）は読みません",
    ):
        assert said in page.text


@pytest.mark.parametrize("opens", ["pin", "number_b"])
def test_her_pin_or_what_is_printed_on_the_card_opens_it(
    person: Person, card: VirtualCard, opens: str
) -> None:
    printed = card.contents.printed
    secret = {"pin": printed.pin.value, "number_b": printed.number_b.value}[opens].decode("ascii")
    done = person.type(person.arrive(asked_to_read()), secret)
    read = read_printed(container_of(done))
    assert (read.name, read.address, read.birth_date, read.sex) == (
        HANAKO.name,
        HANAKO.address,
        HANAKO.birth_date,
        HANAKO.sex,
    )
    assert json.loads(container_of(done)).keys() == {"name", "address", "birth_date", "sex"}


def test_a_wrong_pin_says_how_many_tries_are_left(person: Person) -> None:
    page = person.type(person.arrive(asked_to_read()), "0000")
    assert (page.status_code, "あと2回入力できます" in page.text) == (400, True)


def test_a_request_without_a_reader_s_name_is_refused(person: Person) -> None:
    claims = {
        name: value for name, value in unverified_claims(asked_to_read()).items() if name != "reader_name"
    }
    bent = sign_compact(claims, KEY, typ=TYP)
    assert person.http.get("/request", params={"request": bent}).status_code == 400
