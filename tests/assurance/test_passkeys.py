"""Passkeys: each check of both ceremonies, who may add and remove one, and what ends with it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assurance import credentials, identifiers, passkeys, people
from assurance.credentials import live_of
from assurance.database import Database, Unit
from assurance.engine import assess
from assurance.events import EventName
from assurance.evidence import Authentication, CardAuthentication, EmailCode, Passkey
from assurance.identifiers import IdentifierKind
from assurance.login import Login, LoginId
from assurance.passkeys import PasskeyLogin
from assurance.people import NewProof
from assurance.person import PersonId, Profile
from assurance.sealed import Vault
from assurance.thresholds import Thresholds
from assurance.wards import Ward
from card.faults import Fault
from card.jose import b64url_decode, b64url_encode
from tests.assurance.authenticator import BE, BOUND, BS, SYNCED, UP, UV, Authenticator
from tests.conftest import NOW, FixedClock

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
MY_NUMBER = "123456789018"


@dataclass
class Desk:
    """One ward's functions for one browser."""

    database: Database
    vault: Vault
    ward: Ward
    thresholds: Thresholds
    clock: FixedClock
    browser: str = "b"
    events: list[EventName] = field(default_factory=list)

    def person(self, *, proven: bool = True, card: bytes | None = None) -> PersonId:
        with self.database.writing(self.ward.code) as unit:
            person = people.create_person(unit, self.vault, NOW)
            if proven:
                profile = Profile("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区１－１")
                people.record_proof(
                    unit, self.vault, self.thresholds, person, NewProof("counter_card", profile), NOW
                )
            if card is not None:
                kind = IdentifierKind.CARD_AUTHENTICATION
                identifiers.bind(unit, self.vault, person, kind, card, NOW)
            return person

    def login(self, person: PersonId, *evidence: Authentication) -> Login:
        shown = evidence or (CardAuthentication(self.clock.now(), revocation_checked=True),)
        with self.database.reading() as session:
            proofs = people.proofs_of(session, self.ward.code, person)
        assurance = assess([*shown, *proofs], self.clock.now(), self.thresholds)
        return Login(LoginId("l"), self.ward.code, person, assurance, NOW, shown)

    def _in_unit(self, work: Callable[[Unit], T]) -> T:
        with self.database.writing(self.ward.code) as unit:
            try:
                return work(unit)
            finally:
                self.events += [event.name for event in unit.events]

    def ask_to_add(self, login: Login) -> tuple[str, str]:
        return self._in_unit(
            lambda unit: passkeys.registration_options(
                unit, self.vault, self.ward, login, browser=self.browser, now=self.clock.now()
            )
        )

    def add(self, login: Login, challenge: str, response: str, label: str = "わたしのスマートフォン") -> str:
        return self._in_unit(
            lambda unit: passkeys.register(
                unit,
                self.vault,
                self.ward,
                login,
                challenge,
                response,
                label=label,
                browser=self.browser,
                now=self.clock.now(),
            )
        )

    def register(self, login: Login, device: Authenticator) -> str:
        challenge, options = self.ask_to_add(login)
        return self.add(login, challenge, device.create(options))

    def ask_to_log_in(self) -> tuple[str, str]:
        return self._in_unit(
            lambda unit: passkeys.authentication_options(
                unit, self.vault, self.ward, browser=self.browser, now=self.clock.now()
            )
        )

    def show(self, challenge: str, response: str) -> PasskeyLogin:
        return self._in_unit(
            lambda unit: passkeys.authenticate(
                unit,
                self.vault,
                self.ward,
                challenge,
                response,
                browser=self.browser,
                now=self.clock.now(),
            )
        )

    def authenticate(self, device: Authenticator) -> PasskeyLogin:
        challenge, options = self.ask_to_log_in()
        return self.show(challenge, device.get(options))

    def remove(self, login: Login, id_: str) -> None:
        self._in_unit(lambda unit: passkeys.remove(unit, login, id_, self.clock.now()))

    def live(self, person: PersonId) -> set[str]:
        with self.database.reading() as session:
            return set(live_of(session, self.ward.code, person))


@pytest.fixture
def desk(database: Database, vault: Vault, ward: Ward, thresholds: Thresholds, clock: FixedClock) -> Desk:
    return Desk(database, vault, ward, thresholds, clock)


@pytest.fixture
def hanako(desk: Desk) -> Login:
    return desk.login(desk.person(card=b"card of hanako"))


@pytest.fixture
def device(ward: Ward) -> Authenticator:
    return Authenticator(ward.origin)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Fault) as fault:
        work()
    return fault.value.code


def test_a_passkey_that_was_added_logs_its_owner_in(desk: Desk, hanako: Login, device: Authenticator) -> None:
    id_ = desk.register(hanako, device)
    assert desk.authenticate(device) == PasskeyLogin(
        hanako.person, Passkey(NOW, user_verified=True, synced=True, credential=id_)
    )
    assert desk.live(hanako.person) > {id_}
    with desk.database.reading() as session:
        (shown,) = passkeys.passkeys_of(session, desk.vault, desk.ward.code, hanako.person)
    assert (shown.id, shown.label, shown.last_used_at) == (id_, "わたしのスマートフォン", NOW)


MISBEHAVING: dict[str, dict[str, object]] = {
    "user_not_verified": {"flags": UP | BE | BS},
    "user_not_present": {"flags": UV | BE | BS},
    "backed_up_though_never_eligible": {"flags": BOUND | BS},
    "wrong_origin": {"origin": "https://shibuya.id.example.evil.example"},
    "origin_without_tls": {"origin": "http://shibuya.id.example"},
    "origin_of_another_port": {"origin": "https://shibuya.id.example:8443"},
    "wrong_rp_id": {"rp_id": "id.example"},
    "in_a_foreign_frame": {"client_data": {"crossOrigin": True}},
    "under_a_foreign_page": {"client_data": {"topOrigin": "https://evil.example"}},
    "client_data_is_no_object": {"raw": b"[]"},
    "other_ceremony": {"client_data": {"type": "payment.get"}},
    "other_challenge": {"client_data": {"challenge": b64url_encode(b"x" * 32)}},
}


@pytest.mark.parametrize("changes", MISBEHAVING.values(), ids=MISBEHAVING.keys())
def test_webauthn_7_1_registration_refuses(
    desk: Desk, hanako: Login, device: Authenticator, changes: dict[str, object]
) -> None:
    assert refused(lambda: desk.register(hanako, device.but(**changes))) == "passkey.registration_refused"


@pytest.mark.parametrize("changes", MISBEHAVING.values(), ids=MISBEHAVING.keys())
def test_webauthn_7_2_authentication_refuses(
    desk: Desk, hanako: Login, device: Authenticator, changes: dict[str, object]
) -> None:
    desk.register(hanako, device)
    assert refused(lambda: desk.authenticate(device.but(**changes))) == "passkey.refused"
    assert desk.authenticate(device).person == hanako.person


def test_webauthn_7_2_the_signature_is_the_registered_keys(
    desk: Desk, hanako: Login, device: Authenticator, ward: Ward
) -> None:
    desk.register(hanako, device)
    forged = device.but(key=Authenticator(ward.origin).key)
    assert refused(lambda: desk.authenticate(forged)) == "passkey.refused"
    assert desk.events[-1] is EventName.PASSKEY_REFUSED


def test_webauthn_7_2_a_foreign_user_handle_is_nobody(
    desk: Desk, hanako: Login, device: Authenticator, ward: Ward
) -> None:
    desk.register(hanako, device)
    yuki, hers = desk.login(desk.person()), Authenticator(ward.origin)
    desk.register(yuki, hers)
    for handle in (hers.user_handle, b"", b"\x00" * 32):
        foreign = device.but(user_handle=handle)
        assert refused(partial(desk.authenticate, foreign)) == "passkey.unknown"
    assert refused(lambda: desk.authenticate(Authenticator(ward.origin))) == "passkey.unknown"


@pytest.mark.parametrize(("was", "turns"), [(BOUND, SYNCED), (SYNCED, BOUND), (BOUND, BOUND | BE)])
def test_webauthn_7_2_backup_eligibility_never_changes(
    desk: Desk, hanako: Login, ward: Ward, was: int, turns: int
) -> None:
    device = Authenticator(ward.origin, flags=was)
    desk.register(hanako, device)
    assert refused(lambda: desk.authenticate(device.but(flags=turns))) == "passkey.refused"
    assert desk.events[-1] is EventName.PASSKEY_REFUSED
    assert desk.authenticate(device).evidence.synced is (was == SYNCED)


def test_webauthn_7_2_what_may_be_backed_up_need_not_be_yet(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    device.flags = SYNCED & ~BS
    desk.register(hanako, device)
    assert desk.authenticate(device).evidence.synced
    assert desk.authenticate(device.but(flags=SYNCED)).evidence.synced


def test_webauthn_6_1_1_a_signature_counter_that_goes_back_is_refused(
    desk: Desk, hanako: Login, ward: Ward
) -> None:
    device = Authenticator(ward.origin, flags=BOUND, counts=True)
    desk.register(hanako, device)
    clone = device.but()
    assert desk.authenticate(device).person == hanako.person
    assert refused(lambda: desk.authenticate(clone)) == "passkey.refused"
    assert desk.authenticate(device).person == hanako.person


def test_webauthn_13_4_3_a_challenge_is_answered_once(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    challenge, options = desk.ask_to_add(hanako)
    created = device.create(options)
    desk.add(hanako, challenge, created)
    assert refused(lambda: desk.add(hanako, challenge, created)) == "challenge.gone"
    challenge, options = desk.ask_to_log_in()
    assertion = device.get(options)
    assert desk.show(challenge, assertion).person == hanako.person
    assert refused(lambda: desk.show(challenge, assertion)) == "challenge.gone"


def test_webauthn_13_4_3_a_refused_answer_spends_the_challenge_too(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    challenge, options = desk.ask_to_add(hanako)
    bad, good = device.but(origin="https://evil.example").create(options), device.create(options)
    assert refused(lambda: desk.add(hanako, challenge, bad)) == "passkey.registration_refused"
    assert refused(lambda: desk.add(hanako, challenge, good)) == "challenge.gone"


def test_webauthn_13_4_3_a_challenge_lapses(desk: Desk, hanako: Login, device: Authenticator) -> None:
    (adding, create), (logging_in, get) = desk.ask_to_add(hanako), desk.ask_to_log_in()
    desk.clock.advance(5 * MINUTE)
    assert refused(lambda: desk.add(hanako, adding, device.create(create))) == "challenge.expired"
    assert refused(lambda: desk.show(logging_in, device.get(get))) == "challenge.expired"


def test_webauthn_13_4_3_a_challenge_is_for_one_browser_one_purpose_and_one_person(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    challenge, options = desk.ask_to_add(hanako)
    assert refused(lambda: desk.show(challenge, device.create(options))) == "challenge.gone"
    yuki = desk.login(desk.person())
    assert refused(lambda: desk.add(yuki, challenge, device.create(options))) == "passkey.too_weak"
    challenge, options = desk.ask_to_add(hanako)
    desk.browser = "other"
    assert refused(lambda: desk.add(hanako, challenge, device.create(options))) == "challenge.foreign"


def test_webauthn_7_1_a_credential_id_belongs_to_one_passkey(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    desk.register(hanako, device)
    assert refused(lambda: desk.register(hanako, device)) == "passkey.taken"
    assert refused(lambda: desk.register(desk.login(desk.person()), device.but())) == "passkey.taken"


def test_webauthn_7_1_a_credential_id_is_no_longer_than_1023_octets(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    desk.register(hanako, device.but(credential_id=b"i" * 1023))
    long = device.but(credential_id=b"i" * 1024)
    assert refused(lambda: desk.register(hanako, long)) == "passkey.registration_refused"


@pytest.mark.parametrize("cose", [[], [1, 2], 4, "key", b"", b"\x04", 0, -7, True, {}, {1: 2}, {1: 2, 3: -7}])
def test_rfc9052_7_a_crafted_public_key_is_refused_and_spends_the_challenge(
    desk: Desk, hanako: Login, device: Authenticator, cose: object
) -> None:
    challenge, options = desk.ask_to_add(hanako)
    crafted = device.but(cose=cose).create(options)
    assert refused(lambda: desk.add(hanako, challenge, crafted)) == "passkey.registration_refused"
    assert refused(lambda: desk.add(hanako, challenge, device.create(options))) == "challenge.gone"


@pytest.mark.parametrize("alg", [-8, -35, -37, -47, -257, -65535, 5, 0])
def test_rfc9053_2_a_key_under_another_algorithms_number_is_refused(
    desk: Desk, hanako: Login, device: Authenticator, alg: int
) -> None:
    """EdDSA, ES384, PS256, ES256K, RS256, RS1 and HS256 with an EC key, and none."""
    crafted = device.but(cose={**device.public_key(), 3: alg})
    assert refused(lambda: desk.register(hanako, crafted)) == "passkey.registration_refused"


@pytest.mark.parametrize("where", ["clientDataJSON", "attestationObject"])
def test_rfc8949_5_3_1_octets_after_what_was_attested_are_refused(
    desk: Desk, hanako: Login, device: Authenticator, where: str
) -> None:
    challenge, options = desk.ask_to_add(hanako)
    created = json.loads(device.create(options))
    created["response"][where] = b64url_encode(b64url_decode(created["response"][where]) + b"\xa0")
    assert refused(lambda: desk.add(hanako, challenge, json.dumps(created))) == "passkey.registration_refused"


def test_octets_after_what_an_authenticator_signed_are_refused(
    desk: Desk, hanako: Login, device: Authenticator
) -> None:
    desk.register(hanako, device)
    challenge, options = desk.ask_to_log_in()
    shown = json.loads(device.get(options))
    data = b64url_decode(shown["response"]["authenticatorData"])
    shown["response"]["authenticatorData"] = b64url_encode(data + b"\xa0")
    assert refused(lambda: desk.show(challenge, json.dumps(shown))) == "passkey.refused"


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 300) | st.binary(max_size=40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-4, 4), inner, max_size=5),
    max_leaves=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("AAAA"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "attestationObject"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=10,
)


@given(key=CBOR.filter(lambda key: key is not None), answer=JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_a_refusal(desk: Desk, hanako: Login, key: object, answer: object) -> None:
    challenge, options = desk.ask_to_add(hanako)
    crafted = Authenticator(desk.ward.origin, cose=key).create(options)
    assert refused(lambda: desk.add(hanako, challenge, crafted)) == "passkey.registration_refused"
    challenge, _ = desk.ask_to_add(hanako)
    told = refused(lambda: desk.add(hanako, challenge, json.dumps(answer)))
    assert told == "passkey.registration_refused"
    challenge, _ = desk.ask_to_log_in()
    assert refused(lambda: desk.show(challenge, json.dumps(answer))) in {"passkey.refused", "passkey.unknown"}


def test_asvs_6_8_4_adding_needs_two_factors_shown_just_now(
    desk: Desk, device: Authenticator, ward: Ward
) -> None:
    person = desk.person()
    login = desk.login(person)
    challenge, options = desk.ask_to_add(login)
    desk.clock.advance(20 * MINUTE)
    stale = desk.login(person, *login.evidence)
    desk.ask_to_add(stale)
    desk.clock.advance(timedelta(seconds=1))
    stale = desk.login(person, *login.evidence)
    assert refused(lambda: desk.ask_to_add(stale)) == "passkey.too_weak"
    both = desk.login(person, *login.evidence, EmailCode(desk.clock.now(), "m"))
    assert refused(lambda: desk.ask_to_add(both)) == "passkey.too_weak", "a code by mail freshens nothing"
    assert refused(lambda: desk.add(stale, challenge, device.create(options))) == "challenge.expired"
    assert desk.register(desk.login(person), Authenticator(ward.origin))


def test_a_person_without_proof_adds_a_first_passkey_after_mail_and_no_second(
    desk: Desk, device: Authenticator, ward: Ward
) -> None:
    stranger = desk.person(proven=False)
    by_mail = desk.login(stranger, EmailCode(NOW, "m"))
    id_ = desk.register(by_mail, device)
    assert refused(lambda: desk.ask_to_add(by_mail)) == "passkey.too_weak"
    by_passkey = desk.login(stranger, desk.authenticate(device).evidence)
    assert by_passkey.assurance.acr == "urn:dairi:acr:ial0:aal2"
    assert desk.register(by_passkey, Authenticator(ward.origin)) != id_


@pytest.mark.parametrize("changes", [{"proven": True}, {"proven": False, "card": b"a card"}])
def test_a_proven_person_and_one_with_a_card_add_nothing_after_mail(
    desk: Desk, changes: dict[str, bool | bytes]
) -> None:
    person = desk.person(**changes)  # type: ignore[arg-type] # as the function has them
    assert refused(lambda: desk.ask_to_add(desk.login(person, EmailCode(NOW, "m")))) == "passkey.too_weak"


def test_two_challenges_after_mail_still_give_one_first_passkey(
    desk: Desk, device: Authenticator, ward: Ward
) -> None:
    by_mail = desk.login(desk.person(proven=False), EmailCode(NOW, "m"))
    (first, options), (second, more) = desk.ask_to_add(by_mail), desk.ask_to_add(by_mail)
    desk.add(by_mail, first, device.create(options))
    late = Authenticator(ward.origin).create(more)
    assert refused(lambda: desk.add(by_mail, second, late)) == "passkey.too_weak"


@pytest.mark.parametrize("label", [MY_NUMBER, f"花子 {MY_NUMBER}", "１２３４　５６７８　９０１８"])
def test_a_label_holds_no_my_number(desk: Desk, hanako: Login, device: Authenticator, label: str) -> None:
    challenge, options = desk.ask_to_add(hanako)
    created = device.create(options)
    assert refused(lambda: desk.add(hanako, challenge, created, label)) == "passkey.my_number"
    assert desk.add(hanako, challenge, created), "what was typed can be mended"


def test_a_removed_passkey_is_gone(desk: Desk, hanako: Login, device: Authenticator) -> None:
    id_ = desk.register(hanako, device)
    desk.remove(hanako, id_)
    assert id_ not in desk.live(hanako.person)
    assert desk.events[-1] is EventName.PASSKEY_REMOVED
    assert refused(lambda: desk.authenticate(device)) == "passkey.unknown"
    assert refused(lambda: desk.remove(hanako, id_)) == "passkey.unknown"


def test_removing_needs_two_factors_shown_just_now(desk: Desk, device: Authenticator) -> None:
    person = desk.person(card=b"card")
    login = desk.login(person)
    id_ = desk.register(login, device)
    desk.clock.advance(20 * MINUTE + timedelta(seconds=1))
    for evidence in (login.evidence, (EmailCode(desk.clock.now(), "m"),)):
        weak = desk.login(person, *evidence)
        assert refused(partial(desk.remove, weak, id_)) == "passkey.too_weak"
    desk.remove(desk.login(person), id_)


def test_nobody_removes_anothers_passkey(desk: Desk, hanako: Login, device: Authenticator) -> None:
    id_ = desk.register(hanako, device)
    yuki = desk.login(desk.person(card=b"card of yuki"))
    assert refused(lambda: desk.remove(yuki, id_)) == "passkey.unknown"
    assert desk.authenticate(device).person == hanako.person


def test_the_last_strong_way_in_is_not_removed(desk: Desk, device: Authenticator, ward: Ward) -> None:
    login = desk.login(desk.person())
    first, second = desk.register(login, device), desk.register(login, Authenticator(ward.origin))
    desk.remove(login, first)
    assert refused(lambda: desk.remove(login, second)) == "passkey.last"
    with_card = desk.login(desk.person(card=b"card"))
    desk.remove(with_card, desk.register(with_card, Authenticator(ward.origin)))


def test_live_credentials_of_many_people_are_read_at_once(
    desk: Desk, hanako: Login, device: Authenticator, ward: Ward
) -> None:
    id_ = desk.register(hanako, device)
    yuki, nobody = desk.person(), PersonId("0" * 32)
    hers = desk.register(desk.login(yuki), Authenticator(ward.origin))
    with desk.database.reading() as session:
        found = credentials.live_of_all(session.connection(), ward.code, [hanako.person, yuki, nobody])
    assert (set(found[yuki]), set(found[nobody])) == ({hers}, set())
    assert (id_ in found[hanako.person], len(found[hanako.person])) == (True, 2)
