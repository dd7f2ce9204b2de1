"""Linking a card: who may, whose it is then, from when it counts, and what ends; on both databases."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlmodel import col, select, update

from assurance import card_login, counter, identifiers, linking, people
from assurance.credentials import live_of
from assurance.database import Database
from assurance.engine import assess
from assurance.events import Event, EventName
from assurance.evidence import Authentication, CardAuthentication, EmailCode, Passkey
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.login import Login, LoginId
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.sealed import Vault
from assurance.tables import IdentifierRow, ProofRow
from assurance.thresholds import Thresholds
from assurance.wards import Ward
from card.certificates import Purpose, read_certificate
from card.container import SigningPurpose
from card.faults import Fault
from card.revocation import CrlFiles
from card.test_authority import Holder, TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from tests.assurance.conftest import linking as link_bytes
from tests.assurance.conftest import prepared, sign
from tests.conftest import NOW, FixedClock
from tests.registered import registered

HANAKO = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区１－１")
NOBODY = PersonId("")
WAIT = timedelta(hours=72)
Make = Callable[[VirtualCard], LinkedCard]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="module")
def deck(authority: TestAuthority) -> dict[str, VirtualCard]:
    """Cards that differ from each other in what their names say."""
    holders = {
        "old": HANAKO,
        "new": HANAKO,
        "newer": HANAKO,
        "spaced": replace(HANAKO, name="田中 花子"),
        "other name": replace(HANAKO, name="田中\u3000由紀"),
        "other birth date": replace(HANAKO, birth_date=date(1975, 5, 3)),
        "staff 1": replace(HANAKO, name="職員\u3000一郎"),
        "staff 2": replace(HANAKO, name="職員\u3000二郎"),
        "staff 3": replace(HANAKO, name="職員\u3000三郎"),
    }
    return {name: authority.issue_card(holder, NOW) for name, holder in holders.items()}


@pytest.fixture(scope="module")
def good(authority: TestAuthority, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """As if nothing was ever revoked: what is linked to whom is another question."""
    folder = tmp_path_factory.mktemp("good") / "crl"
    shutil.copytree(authority.crl_folder, folder)
    return Trust.from_files(authority.trust_folder, CrlFiles(folder), test_cards=True)


@pytest.fixture(scope="module")
def cards(authority: TestAuthority, deck: dict[str, VirtualCard]) -> Callable[[str], LinkedCard]:
    trust = authority.trust()

    @cache  # two RSA signatures each
    def make(name: str) -> LinkedCard:
        made = link_bytes(deck[name])
        return LinkedCard(*(sign(deck[name], trust, purpose, made) for purpose in Purpose))

    return make


@pytest.fixture(autouse=True)
def lists(authority: TestAuthority) -> Iterator[None]:
    """Whatever a test revokes is good again after it."""
    yield
    for path in authority.crl_folder.glob("*.crl"):
        path.unlink()
    authority.publish_crls(NOW)


@dataclass
class Home:
    """Hanako, registered at the counter with her old card, and what she does at home."""

    database: Database
    vault: Vault
    ward: Ward
    thresholds: Thresholds
    authority: TestAuthority
    good: Trust
    deck: dict[str, VirtualCard]
    cards: Callable[[str], LinkedCard]
    clock: FixedClock
    staff: tuple[PersonId, ...] = ()
    person: PersonId = NOBODY
    events: list[Event] = field(default_factory=list)

    def open(self) -> None:
        with self.database.writing(self.ward.code) as unit:
            three = (self.cards("staff 1"), self.cards("staff 2"), self.cards("staff 3"))
            self.staff = counter.begin_staff(unit, self.vault, self.thresholds, three, NOW)
        self.person = self.register("old")

    def register(self, card: str, **more: object) -> PersonId:
        with self.database.writing(self.ward.code) as unit:
            return counter.register(
                unit,
                self.vault,
                self.thresholds,
                self.cards(card),
                staff=(self.staff[0], self.staff[1]),
                address_read_back=None,
                now=self.clock.now(),
                **more,  # type: ignore[arg-type]
            )

    def relink(
        self,
        card: str,
        person: PersonId | None = None,
        *,
        by: tuple[int, int] = (0, 1),
        compared_by_eye: bool = False,
    ) -> None:
        with self.database.writing(self.ward.code) as unit:
            counter.relink(
                unit,
                self.vault,
                self.thresholds,
                self.cards(card),
                person or self.person,
                staff=(self.staff[by[0]], self.staff[by[1]]),
                compared_by_eye=compared_by_eye,
                now=self.clock.now(),
            )
            self.events += unit.events

    def revoke(self, card: str, reason: x509.ReasonFlags = x509.ReasonFlags.superseded) -> None:
        """What the municipality does with the card that is handed in."""
        contents = self.deck[card].contents
        for purpose, der in (
            (Purpose.AUTHENTICATION, contents.authentication_certificate),
            (Purpose.SIGNATURE, contents.signature_certificate),
        ):
            assert der is not None
            self.authority.revoke(purpose, read_certificate(der).serial, self.clock.now(), reason)

    def login(self, *evidence: Authentication, person: PersonId | None = None) -> Login:
        now, who = self.clock.now(), person or self.person
        shown = evidence or (Passkey(now, user_verified=True, synced=True, credential="p"),)
        with self.database.reading() as session:
            proofs = people.proofs_of(session, self.ward.code, who)
        assurance = assess([*shown, *proofs], now, self.thresholds)
        return Login(LoginId("l"), self.ward.code, who, assurance, NOW, shown)

    def gone(self, person: PersonId | None = None) -> set[str]:
        with self.database.reading() as session:
            who, trust = person or self.person, self.authority.trust()
            return set(linking.over(session, self.vault, self.ward.code, who, trust, self.clock.now()))

    def link(self, card: str, login: Login | None = None) -> datetime:
        login = login or self.login()
        gone = self.gone(login.person)
        with self.database.writing(self.ward.code) as unit:
            try:
                return linking.link_at_home(
                    unit, self.vault, self.thresholds, login, self.cards(card), gone, self.clock.now()
                )
            finally:
                self.events += unit.events

    def add_passkey(self) -> None:
        with self.database.writing(self.ward.code) as unit:
            registered(unit, self.vault, self.person, Passkey(NOW, user_verified=True, synced=True))

    def withdraw(self, login: Login | None = None) -> None:
        with self.database.writing(self.ward.code) as unit:
            linking.withdraw(unit, login or self.login(), self.clock.now())
            self.events += unit.events

    def logs_in(self, card: str) -> CardAuthentication | str:
        """The evidence of a login by a card, or the code of its refusal."""
        signed = sign(self.deck[card], self.good, *_LOGIN)
        with self.database.reading() as session:
            try:
                login = card_login.log_in(session, self.vault, self.ward.code, signed)
            except Fault as fault:
                return fault.code
        assert login.person == self.person
        return login.evidence

    def signs_for(self, card: str) -> tuple[PersonId, datetime | None] | str:
        signed = sign(self.deck[card], self.good, *_MANDATE)
        with self.database.reading() as session:
            try:
                return card_login.signer_of(session, self.vault, self.ward.code, signed)
            except Fault as fault:
                return fault.code

    def rows(self) -> list[tuple[str, bool]]:
        """Kind and liveness of her cards, the oldest first."""
        with self.database.reading() as session:
            mine = select(IdentifierRow).where(
                IdentifierRow.person == self.person, col(IdentifierRow.kind).like("card%")
            )
            found = session.exec(mine.order_by(col(IdentifierRow.bound_at), col(IdentifierRow.kind))).all()
        return [(row.kind, row.ended_at is None) for row in found]


_LOGIN = (Purpose.AUTHENTICATION, prepared(SigningPurpose.LOGIN))
_MANDATE = (Purpose.SIGNATURE, prepared(SigningPurpose.MANDATE))


@pytest.fixture
def home(
    database: Database,
    vault: Vault,
    ward: Ward,
    thresholds: Thresholds,
    authority: TestAuthority,
    good: Trust,
    deck: dict[str, VirtualCard],
    cards: Callable[[str], LinkedCard],
    clock: FixedClock,
) -> Home:
    made = Home(database, vault, ward, thresholds, authority, good, deck, cards, clock)
    made.open()
    return made


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Fault) as fault:
        work()
    return fault.value.code


def test_a_renewed_card_takes_the_place_of_the_one_that_was_handed_in(home: Home) -> None:
    home.revoke("old")
    home.clock.advance(timedelta(minutes=1))
    counts_from = home.link("new")
    assert counts_from == home.clock.now() + WAIT
    evidence = home.logs_in("new")
    assert isinstance(evidence, CardAuthentication)
    assert evidence.counts_from == counts_from
    assert home.signs_for("new") == (home.person, counts_from)
    assert home.signs_for("old") == "card.revoked" or home.signs_for("old") == "card.unknown"
    assert home.rows() == [
        ("card_auth", False),
        ("card_sign", False),
        ("card_auth", True),
        ("card_sign", True),
    ]
    names = [event.name for event in home.events]
    assert names == [EventName.CARD_REPLACED, EventName.CARD_LINKED]
    assert all(event.concerning.keys() == {home.person} for event in home.events)


def test_until_it_counts_a_login_by_it_reaches_two_factors_and_no_more(home: Home) -> None:
    home.revoke("old")
    counts_from = home.link("new")
    evidence = home.logs_in("new")
    assert isinstance(evidence, CardAuthentication)
    levels = []
    for at in (home.clock.now(), counts_from - timedelta(seconds=1), counts_from):
        levels.append(int(assess([evidence], at, home.thresholds).level.aal))
    assert levels == [2, 2, 3]


@pytest.mark.parametrize("by", ["passkey", "the old card itself"])
def test_as_long_as_the_old_card_lives_the_new_one_needs_the_counter(home: Home, by: str) -> None:
    login = home.login() if by == "passkey" else home.login(CardAuthentication(NOW, True))
    assert refused(lambda: home.link("new", login)) == "linking.another"
    assert home.logs_in("new") == "card.unknown"
    assert isinstance(home.logs_in("old"), CardAuthentication)


def test_an_expired_card_is_over_without_a_list_that_says_so(home: Home) -> None:
    assert home.gone() == set()
    home.clock.advance(timedelta(days=5 * 365 + 1))
    for path in home.authority.crl_folder.glob("*.crl"):
        path.unlink()
    assert len(home.gone()) == 1


def test_a_list_that_cannot_tell_refuses_and_does_not_guess(home: Home) -> None:
    for path in home.authority.crl_folder.glob("*.crl"):
        path.unlink()
    assert refused(home.gone) == "card.status_unavailable"


def test_a_card_that_was_linked_before_certificates_were_kept_is_taken_to_live(home: Home) -> None:
    with home.database.writing(home.ward.code) as unit:
        unit.session.exec(update(IdentifierRow).values(certificate=None))
    home.revoke("old")
    assert refused(lambda: home.link("new")) == "linking.another"


@pytest.mark.parametrize("card", ["other name", "other birth date"])
def test_another_name_or_birth_date_needs_the_counter(home: Home, card: str) -> None:
    home.revoke("old")
    assert refused(lambda: home.link(card)) == "linking.differs"
    assert home.logs_in(card) == "card.unknown"


def test_a_name_with_a_character_that_stands_for_another_needs_the_counter(home: Home) -> None:
    home.revoke("old")
    card = home.cards("new")
    attributes = card.signature.certificate.attributes
    assert attributes is not None
    for changes in ({"name_substitutes": "00100"}, {"birth_date": None}):
        bent = replace(card.signature.certificate, attributes=replace(attributes, **changes))
        unsure = _unchecked(card, replace(card.signature, certificate=bent))
        home.cards = lambda _: unsure  # noqa: B023 - used within this turn
        assert refused(lambda: home.link("new")) == "linking.differs"


def _unchecked(card: LinkedCard, signature: object) -> LinkedCard:
    made = object.__new__(LinkedCard)
    object.__setattr__(made, "authentication", card.authentication)
    object.__setattr__(made, "signature", signature)
    return made


def test_spaces_in_a_name_are_none_of_it(home: Home) -> None:
    home.revoke("old")
    assert home.link("spaced")


@pytest.mark.parametrize(
    "evidence",
    [
        EmailCode(NOW, "m"),
        Passkey(NOW, user_verified=False, synced=True, credential="p"),
        Passkey(NOW - timedelta(minutes=21), user_verified=True, synced=True, credential="p"),
        Passkey(NOW, user_verified=True, synced=True, counts_from=NOW + WAIT, credential="p"),
    ],
    ids=["a stolen mailbox", "one factor", "not fresh", "recovered less than 72 hours ago"],
)
def test_a_weak_login_links_nothing(home: Home, evidence: Authentication) -> None:
    home.revoke("old")
    assert refused(lambda: home.link("new", home.login(evidence))) == "linking.too_weak"


def test_who_was_never_proven_or_too_long_ago_needs_the_counter(home: Home) -> None:
    home.revoke("old")
    with home.database.writing(home.ward.code) as unit:
        nobody = people.create_person(unit, home.vault, NOW)
    assert refused(lambda: home.link("new", home.login(person=nobody))) == "linking.unproven"
    with home.database.writing(home.ward.code) as unit:
        unit.session.exec(update(ProofRow).values(ends_at=NOW))
    assert refused(lambda: home.link("new")) == "linking.unproven"


def namesake(home: Home, card: str) -> PersonId:
    """Somebody else of her name and birth date, whom two staff told apart from her."""
    return home.register(card, not_these=[home.person])


def test_a_namesakes_card_that_is_linked_is_not_linked_again_and_nobody_is_told_whose_it_is(
    home: Home,
) -> None:
    other = namesake(home, "new")
    home.revoke("old")
    assert refused(lambda: home.link("new")) == "linking.taken"
    assert home.signs_for("new") == (other, None)
    assert home.rows() == [("card_auth", True), ("card_sign", True)]


def test_a_card_that_ended_is_nobodys_ever_again(home: Home) -> None:
    other = namesake(home, "new")
    home.revoke("old")
    home.link("newer")
    with home.database.writing(home.ward.code) as unit:
        everyone = update(IdentifierRow).where(col(IdentifierRow.person) == other)
        unit.session.exec(everyone.values(ended_at=NOW))
    assert refused(lambda: home.link("old", home.login(person=other))) == "linking.taken"
    assert refused(lambda: home.register("old", not_these=[home.person, other])) == "counter.taken"
    assert refused(lambda: home.relink("old", other)) == "counter.taken"


def test_who_linked_the_card_meanwhile_is_none_of_those_whom_its_holder_is_not(home: Home) -> None:
    home.revoke("old")
    home.link("new")
    assert refused(lambda: home.register("new", not_these=[home.person])) == "counter.known"


def test_a_card_that_she_withdrew_comes_back_at_the_counter_alone(home: Home) -> None:
    home.revoke("old")
    home.link("new")
    home.add_passkey()
    home.withdraw()
    assert home.logs_in("new") == "card.unknown"
    assert refused(lambda: home.link("new")) == "linking.taken"
    home.relink("new")
    evidence = home.logs_in("new")
    assert isinstance(evidence, CardAuthentication)
    assert assess([evidence], home.clock.now(), home.thresholds).level.aal == 3


def test_only_a_card_that_waits_is_withdrawn_and_never_the_last_way_in(home: Home) -> None:
    assert refused(home.withdraw) == "linking.not_waiting"
    home.revoke("old")
    home.link("new")
    weak = home.login(EmailCode(NOW, "m"))
    assert refused(lambda: home.withdraw(weak)) == "linking.too_weak"
    assert refused(home.withdraw) == "passkey.last"


def test_a_card_that_counts_in_full_is_not_withdrawn(home: Home) -> None:
    home.revoke("old")
    home.link("new")
    home.clock.advance(WAIT)
    assert refused(home.withdraw) == "linking.not_waiting"


def test_the_same_card_again_is_told_and_changes_nothing(home: Home) -> None:
    before = home.rows()
    assert refused(lambda: home.link("old")) == "linking.already"
    assert home.rows() == before


def test_of_a_card_whose_address_changed_the_signature_alone_is_new(home: Home) -> None:
    """The authority revokes and issues that certificate alone; the card logs in as before."""
    contents = home.deck["old"].contents
    moved = VirtualCard(
        replace(
            home.deck["new"].contents,
            authentication_key=contents.authentication_key,
            authentication_certificate=contents.authentication_certificate,
        )
    )
    home.deck = home.deck | {"moved": moved}
    made = link_bytes(moved)
    trust = home.authority.trust()
    linked = LinkedCard(*(sign(moved, trust, purpose, made) for purpose in Purpose))
    home.cards = lambda _: linked
    home.clock.advance(timedelta(minutes=1))
    counts_from = home.link("moved")
    evidence = home.logs_in("moved")
    assert isinstance(evidence, CardAuthentication)
    assert evidence.counts_from is None
    assert home.signs_for("moved") == (home.person, counts_from)
    assert home.signs_for("old") == "card.unknown"
    assert home.rows() == [("card_auth", True), ("card_sign", False), ("card_sign", True)]


def test_what_a_login_by_the_old_card_rests_on_is_gone(home: Home) -> None:
    old = home.logs_in("old")
    assert isinstance(old, CardAuthentication)
    home.revoke("old")
    home.link("new")
    with home.database.reading() as session:
        assert old.credential not in live_of(session, home.ward.code, home.person)


def test_at_the_counter_nobody_is_made_twice(home: Home) -> None:
    """A renewed card says nothing but a name that is known; whose it is, two staff say."""
    assert refused(lambda: home.register("new")) == "counter.known"
    home.relink("new")
    assert home.logs_in("old") == "card.unknown"
    evidence = home.logs_in("new")
    assert isinstance(evidence, CardAuthentication)
    assert assess([evidence], home.clock.now(), home.thresholds).level.aal == 3
    assert home.register("new") == home.person


def test_a_namesake_is_another_person_once_two_staff_say_so(home: Home) -> None:
    other = namesake(home, "new")
    assert other != home.person
    assert refused(lambda: home.register("newer", not_these=[home.person])) == "counter.known"
    assert isinstance(home.logs_in("old"), CardAuthentication)


def test_a_counter_check_ends_the_waiting(home: Home) -> None:
    home.revoke("old")
    home.link("new")
    home.clock.advance(timedelta(hours=1))
    home.relink("new")
    assert home.signs_for("new") == (home.person, home.clock.now())


def test_another_name_is_linked_at_the_counter_by_eye_alone(home: Home) -> None:
    assert refused(lambda: home.relink("other name")) == "counter.cards_differ"
    home.clock.advance(timedelta(minutes=1))
    home.relink("other name", compared_by_eye=True)
    assert isinstance(home.logs_in("other name"), CardAuthentication)
    with home.database.reading() as session:
        profile = people.profile(session, home.vault, home.ward.code, home.person)
    assert profile is not None
    assert profile.name == "田中\u3000由紀"


def test_relinking_takes_two_staff_of_whom_neither_is_the_person(home: Home) -> None:
    for pair in ((0, 0), (2, 2)):
        assert refused(lambda: home.relink("new", by=pair)) == "counter.staff"  # noqa: B023 - at once
    himself = home.staff[0]
    assert refused(lambda: home.relink("new", himself, compared_by_eye=True)) == "counter.staff"
    with home.database.writing(home.ward.code) as unit:
        nobody = people.create_person(unit, home.vault, NOW)
    assert refused(lambda: home.relink("new", nobody, compared_by_eye=True)) == "counter.cards_differ"


def test_a_card_of_two_holders_is_nobodys_at_the_counter(home: Home) -> None:
    """Its keys are linked to two people: staff find out, and nothing is done meanwhile."""
    other = namesake(home, "new")
    contents = home.deck["old"].contents
    mixed = VirtualCard(
        replace(
            home.deck["new"].contents,
            authentication_key=contents.authentication_key,
            authentication_certificate=contents.authentication_certificate,
        )
    )
    made, trust = link_bytes(mixed), home.authority.trust()
    linked = LinkedCard(*(sign(mixed, trust, purpose, made) for purpose in Purpose))
    home.cards = lambda _: linked
    assert refused(lambda: home.register("mixed")) == "counter.known"
    for person in (home.person, other):
        assert refused(lambda: home.relink("mixed", person)) == "counter.taken"  # noqa: B023 - at once
    home.revoke("old")
    assert refused(lambda: home.link("mixed")) == "linking.taken"


def test_a_login_of_a_proven_person_without_a_card_links_the_first(home: Home) -> None:
    with home.database.writing(home.ward.code) as unit:
        person = people.create_person(unit, home.vault, NOW)
        profile = Profile(HANAKO.name, HANAKO.birth_date, "2", HANAKO.address)
        proof = NewProof("counter_photo_id", profile)
        people.record_proof(unit, home.vault, home.thresholds, person, proof, NOW)
    assert home.link("new", home.login(person=person)) == NOW + WAIT


def test_rfc5280_4_1_2_2_a_serial_of_another_generation_is_another_card(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All generations of a root share one name; that of 2033 may well count anew."""
    later = TestAuthority.create(tmp_path_factory.mktemp("later"), NOW)
    for kind, purpose in (
        (IdentifierKind.CARD_AUTHENTICATION, Purpose.AUTHENTICATION),
        (IdentifierKind.CARD_SIGNATURE, Purpose.SIGNATURE),
    ):
        contents = home.deck["old"].contents
        der = (
            contents.authentication_certificate
            if purpose is Purpose.AUTHENTICATION
            else contents.signature_certificate
        )
        assert der is not None
        hers = read_certificate(der)
        root = later.roots[purpose]
        builder = root.leaf(HANAKO, hers.x509.public_key(), NOW)  # type: ignore[arg-type] # an RSA key
        builder._serial_number = hers.serial
        recycled = read_certificate(builder.sign(root.key, SHA256()).public_bytes(Encoding.DER))
        assert (recycled.serial, recycled.issuer_der) == (hers.serial, hers.issuer_der)
        with home.database.reading() as session:
            found = [
                identifiers.find_person(session, home.vault, home.ward.code, kind, one.identity)
                for one in (hers, recycled)
            ]
        assert found == [home.person, None]


def at_once(*works: Callable[[], object]) -> list[str]:
    """What came of several at one moment: the code of each refusal, or an empty text."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> str:
        start.wait(10)
        try:
            work()
        except Fault as fault:
            return fault.code
        return ""

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(run, works))


def test_of_two_cards_that_are_linked_at_once_one_is_the_second(home: Home) -> None:
    home.revoke("old")
    home.cards("new"), home.cards("newer")
    told = at_once(lambda: home.link("new"), lambda: home.link("newer"))
    assert told == ["", "linking.another"]


def test_of_two_namesakes_who_link_one_card_at_once_one_has_it(home: Home) -> None:
    other = namesake(home, "newer")
    home.revoke("old")
    home.revoke("newer")
    hers, theirs = home.login(), home.login(person=other)
    told = at_once(lambda: home.link("new", hers), lambda: home.link("new", theirs))
    assert told == ["", "linking.taken"]
