"""Counter registration, cards and mail, on both databases."""

from collections.abc import Callable

import pytest

from assurance import card_login, counter, identifiers, people
from assurance.database import Database
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.thresholds import Thresholds
from assurance.wards import Ward, WardCode
from card.certificates import Purpose
from card.container import SigningPurpose
from card.faults import Fault
from card.test_authority import TestAuthority
from card.virtual.card import VirtualCard
from tests.assurance.conftest import linking, prepared, sign
from tests.conftest import NOW

ADDRESS = "hanako@example.jp"


@pytest.fixture
def hanako(
    database: Database,
    vault: Vault,
    ward: Ward,
    thresholds: Thresholds,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
) -> PersonId:
    with database.writing(ward.code) as unit:
        return counter.register(
            unit,
            vault,
            thresholds,
            linked("田中花子"),
            staff=(staff[0], staff[1]),
            address_read_back=ADDRESS,
            now=NOW,
        )


def test_the_counter_proves_a_person_by_her_card(
    database: Database, vault: Vault, ward: Ward, hanako: PersonId
) -> None:
    with database.reading() as session:
        profile = people.profile(session, vault, ward.code, hanako)
        assert profile is not None
        assert profile.name == "田中\u3000花子"
        assert [proof.ial for proof in people.proofs_of(session, ward.code, hanako)] == [3]
        assert identifiers.addresses_of(session, vault, ward.code, hanako) == [ADDRESS]


def test_her_card_logs_her_in_and_signs_for_her_alone(
    database: Database,
    vault: Vault,
    ward: Ward,
    hanako: PersonId,
    cards: dict[str, VirtualCard],
    authority: TestAuthority,
) -> None:
    trust = authority.trust()
    to_log_in, mandate = prepared(SigningPurpose.LOGIN), prepared(SigningPurpose.MANDATE)
    login = sign(cards["田中花子"], trust, Purpose.AUTHENTICATION, to_log_in)
    signature = sign(cards["田中花子"], trust, Purpose.SIGNATURE, mandate)
    stranger = sign(cards["田中由紀"], trust, Purpose.AUTHENTICATION, to_log_in)
    with database.reading() as session:
        assert card_login.log_in(session, vault, ward.code, login).person == hanako
        assert card_login.signer_of(session, vault, ward.code, signature)[0] == hanako
        with pytest.raises(Fault, match=r"card\.unknown"):
            card_login.log_in(session, vault, ward.code, stranger)
        with pytest.raises(Fault, match=r"card\.unknown"):
            card_login.log_in(session, vault, WardCode("131121"), login)
        with pytest.raises(Fault, match=r"card\.purpose"):
            card_login.log_in(session, vault, ward.code, signature)


@pytest.mark.parametrize("pair", [(0, 0), (0, None)])
def test_registration_takes_two_different_staff(
    database: Database,
    vault: Vault,
    ward: Ward,
    thresholds: Thresholds,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    pair: tuple[int, int | None],
) -> None:
    members = (staff[pair[0]], PersonId("nobody") if pair[1] is None else staff[pair[1]])
    with pytest.raises(Fault, match=r"counter\.staff"), database.writing(ward.code) as unit:
        counter.register(
            unit, vault, thresholds, linked("田中由紀"), staff=members, address_read_back=None, now=NOW
        )


def test_staff_are_named_once(
    database: Database,
    vault: Vault,
    ward: Ward,
    thresholds: Thresholds,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
) -> None:
    three = (linked("職員一郎"), linked("職員二郎"), linked("田中由紀"))
    with pytest.raises(Fault, match=r"counter\.staff"), database.writing(ward.code) as unit:
        counter.begin_staff(unit, vault, thresholds, three, NOW)


def test_a_login_and_a_linking_signature_are_not_one_card(
    cards: dict[str, VirtualCard], authority: TestAuthority
) -> None:
    hanako, trust = cards["田中花子"], authority.trust()
    login = sign(hanako, trust, Purpose.AUTHENTICATION, prepared(SigningPurpose.LOGIN))
    link = sign(hanako, trust, Purpose.SIGNATURE, linking(hanako))
    with pytest.raises(Fault, match="cards_differ"):
        LinkedCard(login, link)


@pytest.mark.parametrize("named", ["hers", "the other's", "none"])
def test_two_peoples_cards_that_sign_one_request_are_not_one_card(
    cards: dict[str, VirtualCard], authority: TestAuthority, named: str
) -> None:
    hanako, yuki, trust = cards["田中花子"], cards["田中由紀"], authority.trust()
    requests = {
        "hers": linking(hanako),
        "the other's": linking(yuki),
        "none": prepared(SigningPurpose.LINK),
    }
    pair = [
        sign(card, trust, certificate, requests[named])
        for card, certificate in zip((hanako, yuki), Purpose, strict=True)
    ]
    with pytest.raises(Fault, match="cards_differ"):
        LinkedCard(*pair)


def test_a_linking_request_without_its_certificates_links_nothing(
    cards: dict[str, VirtualCard], authority: TestAuthority
) -> None:
    made = prepared(SigningPurpose.LINK)
    pair = [sign(cards["田中花子"], authority.trust(), certificate, made) for certificate in Purpose]
    with pytest.raises(Fault, match="cards_differ"):
        LinkedCard(*pair)


def test_an_identifier_belongs_to_one_person(
    database: Database, vault: Vault, ward: Ward, hanako: PersonId
) -> None:
    with pytest.raises(Fault, match=r"counter\.taken"), database.writing(ward.code) as unit:
        other = people.create_person(unit, vault, NOW)
        identifiers.bind(unit, vault, other, IdentifierKind.EMAIL, ADDRESS, NOW)
