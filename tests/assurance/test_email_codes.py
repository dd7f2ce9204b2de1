"""Codes by mail: few guesses whatever is asked for, one person an address, and nobody kept out for long."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlmodel import select

from assurance import email_codes, identifiers, people
from assurance.database import Database
from assurance.email_codes import EmailChallenge
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.tables import ChallengeRow, ProtectionRow
from assurance.wards import Ward
from card.faults import Fault
from tests.conftest import NOW, FixedClock

ADDRESS = "hanako@example.jp"
MINUTE = timedelta(minutes=1)


@dataclass
class Desk:
    """The functions of one ward, by a clock that goes on."""

    database: Database
    vault: Vault
    ward: Ward
    clock: FixedClock

    def begin(self, typed: str = ADDRESS, *, browser: str = "b", kept: str = "") -> EmailChallenge:
        with self.database.writing(self.ward.code) as unit:
            return email_codes.begin(
                unit, self.vault, typed, browser=browser, now=self.clock.now(), kept=kept
            )

    def sent(self, typed: str = ADDRESS, *, browser: str = "b", kept: str = "") -> tuple[str, str]:
        made = self.begin(typed, browser=browser, kept=kept)
        assert made.code is not None
        return made.id, made.code

    def redeem(self, id_: str, typed: str, *, browser: str = "b") -> str:
        with self.database.writing(self.ward.code) as unit:
            return email_codes.redeem(unit, self.vault, id_, typed, browser=browser, now=self.clock.now())

    def refused(self, id_: str, typed: str, *, browser: str = "b") -> Fault:
        with pytest.raises(Fault) as fault:
            self.redeem(id_, typed, browser=browser)
        return fault.value

    def log_in(self, address: str = ADDRESS) -> PersonId:
        with self.database.writing(self.ward.code) as unit:
            return email_codes.log_in(unit, self.vault, address, self.clock.now()).person

    def bound(self, address: str = ADDRESS) -> PersonId:
        with self.database.writing(self.ward.code) as unit:
            person = people.create_person(unit, self.vault, NOW)
            identifiers.bind(unit, self.vault, person, IdentifierKind.EMAIL, address, NOW)
            return person

    def protect(self, person: PersonId, until: timedelta | None = None) -> None:
        end = None if until is None else NOW + until
        with self.database.writing(self.ward.code) as unit:
            unit.session.add(ProtectionRow(ward=self.ward.code, person=person, since=NOW, until=end))

    def addresses(self, person: PersonId) -> list[str]:
        with self.database.reading() as session:
            return list(identifiers.addresses_of(session, self.vault, self.ward.code, person))


@pytest.fixture
def desk(database: Database, vault: Vault, ward: Ward, clock: FixedClock) -> Desk:
    return Desk(database, vault, ward, clock)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda number: monkeypatch.setattr(email_codes.secrets, "randbelow", lambda _below: number)


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_a_code_typed_in_full_width_is_accepted_once(desk: Desk) -> None:
    id_, code = desk.sent("　hanako＠Example.jp ")
    wide = " ".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert desk.redeem(id_, wide) == ADDRESS
    assert desk.refused(id_, code).code == "email.expired"


def test_asvs_6_6_3_wrong_codes_are_counted_also_though_they_are_refused(desk: Desk) -> None:
    id_, code = desk.sent()
    refusals = [desk.refused(id_, other(code)) for _ in range(10)]
    left = [fault.values.get("tries_left", fault.code) for fault in refusals]
    assert left == [4, 3, 2, 1, *["email.too_many"] * 6]
    assert desk.refused(id_, code).code == "email.too_many"


def test_another_browser_a_late_answer_and_a_strange_id_are_refused(desk: Desk) -> None:
    id_, code = desk.sent()
    assert desk.refused(id_, code, browser="other").code == "email.expired"
    for strange in ("", "\x00", "0" * 32, "x" * 5000):
        assert desk.refused(strange, code).code == "email.expired"
    desk.clock.advance(10 * MINUTE)
    assert desk.refused(id_, code).code == "email.expired"


def test_a_withheld_code_cannot_be_guessed_and_its_page_counts_on(
    desk: Desk, always: Callable[[int], None]
) -> None:
    always(7)
    for _ in range(5):
        desk.sent()
    withheld = desk.begin()
    assert withheld.code is None
    faults = [desk.refused(withheld.id, "000007") for _ in range(6)]
    left = [fault.values.get("tries_left", fault.code) for fault in faults]
    assert left == [4, 3, 2, 1, *["email.too_many"] * 2]


def test_what_is_withheld_does_not_make_the_wait_longer(desk: Desk) -> None:
    for _ in range(5):
        desk.sent()
    for _ in range(14):
        desk.clock.advance(MINUTE)
        assert desk.begin().code is None
    desk.clock.advance(MINUTE)
    assert desk.begin().code is not None


def test_asvs_6_6_3_an_address_has_fifteen_wrong_tries_an_hour_over_all_its_codes(desk: Desk) -> None:
    codes = [desk.sent() for _ in range(5)]
    for id_, code in codes[:3]:
        for _ in range(5):
            desk.refused(id_, other(code))
    first, last = codes[3], codes[4]
    assert desk.refused(first[0], other(first[1])).values == {"tries_left": 4}
    assert desk.refused(first[0], first[1]).code == "email.too_many"
    assert desk.redeem(*last) == ADDRESS, "what went out keeps its first try"
    for _ in range(3):
        desk.clock.advance(15 * MINUTE)
        assert desk.begin().code is None
    desk.clock.advance(15 * MINUTE)
    assert desk.redeem(*desk.sent()) == ADDRESS


def test_tries_side_by_side_are_all_counted(desk: Desk) -> None:
    codes = [desk.sent() for _ in range(5)]

    def guess(number: int) -> None:
        id_, code = codes[number % 5]
        desk.refused(id_, other(code))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(guess, range(25)))
    with desk.database.reading() as session:
        left = session.exec(select(ChallengeRow.tries_left)).all()
    assert 15 <= sum(5 - tries for tries in left) <= 15 + 4
    assert desk.begin().code is None


def test_a_flood_does_not_reach_a_browser_that_read_a_code_back_before(desk: Desk) -> None:
    kept = email_codes.known_browser(desk.vault, desk.ward.code, ADDRESS)
    for id_, code in [desk.sent() for _ in range(5)]:
        for _ in range(5):
            desk.refused(id_, other(code))
    assert desk.begin().code is None
    assert desk.redeem(*desk.sent("Hanako@example.jp", kept=kept)) == "Hanako@example.jp"
    for _ in range(4):
        desk.sent(kept=kept)
    assert desk.begin(kept=kept).code is None, "a budget of its own, not none"


@pytest.mark.parametrize("kept", ["", "x", "\udcff", "名", "a" * 5000])
def test_what_a_browser_makes_up_opens_no_budget(desk: Desk, kept: str) -> None:
    foreign = email_codes.known_browser(desk.vault, desk.ward.code, "yuki@example.jp")
    for _ in range(5):
        desk.sent(kept=foreign)
    assert desk.begin(kept=kept).code is None


def test_rfc5321_2_4_a_local_part_in_any_case_is_one_address(desk: Desk) -> None:
    person = desk.bound("Hanako.T@example.jp")
    assert desk.log_in("hanako.t@example.jp") == desk.log_in("HANAKO.T@example.jp") == person
    assert desk.addresses(person) == ["Hanako.T@example.jp"]
    for typed in ("a@example.jp", "A@example.jp", "a@Example.jp", "ａ@example.jp", "A@EXAMPLE.JP"):
        desk.sent(typed)
    assert desk.begin("a@example.jp").code is None
    with pytest.raises(Fault, match=r"counter\.taken"):
        desk.bound("HANAKO.t@example.jp")


def test_a_known_address_is_its_person_and_an_unknown_one_somebody_new(desk: Desk) -> None:
    hanako = desk.bound()
    assert desk.log_in() == hanako
    stranger = desk.log_in("new@example.jp")
    assert desk.log_in("new@example.jp") == stranger != hanako


def test_a_protected_person_cannot_be_told_from_an_unknown_one(desk: Desk) -> None:
    hanako = desk.bound()
    desk.protect(hanako, until=timedelta(days=1))
    shadow = desk.log_in()
    assert desk.log_in("Hanako@example.jp") == shadow != hanako
    assert desk.addresses(shadow) == desk.addresses(hanako) == [ADDRESS]
    desk.clock.advance(timedelta(days=1))
    assert desk.log_in() == hanako


@pytest.mark.parametrize("typed", ["", "a", "a@b", "a@b.c\nBcc: d@e.f", "a b@c.de", "@c.de"])
def test_what_is_no_address_is_refused(desk: Desk, typed: str) -> None:
    with pytest.raises(Fault, match=r"email\.shape"):
        desk.begin(typed)
