"""card.revocation: which list says something about a certificate, and what silence means (RFC 5280 §6.3)."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from card.certificates import Purpose, read_certificate
from card.faults import CardRejected
from card.revocation import CrlFiles, NoRevocation, RevocationState, crl
from card.test_authority import TestAuthority, distribution_point
from card.trust import Trust, check_path, check_status
from card.virtual.card import VirtualCard
from tests.card.conftest import HANAKO, NOW

AUTHENTICATION = Purpose.AUTHENTICATION


def status(card: VirtualCard, trust: Trust, now: datetime = NOW) -> RevocationState:
    certificate = read_certificate(card.contents.authentication_certificate)
    return check_status(certificate, check_path(certificate, AUTHENTICATION, trust, now), trust, now).state


def refusal(card: VirtualCard, trust: Trust, now: datetime = NOW) -> CardRejected:
    with pytest.raises(CardRejected) as rejected:
        status(card, trust, now)
    return rejected.value


def with_lists(authority: TestAuthority, folder: Path) -> Trust:
    trust = authority.trust()
    return Trust(trust.anchors, trust.policies, CrlFiles(folder))


Bend = list[tuple[x509.ExtensionType, bool]]


def write_list(authority: TestAuthority, path: Path, bend: Bend, at: datetime = NOW) -> None:
    """An empty list of the true authority with these extensions."""
    root = authority.roots[AUTHENTICATION]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(at)
        .next_update(at + timedelta(hours=25))
    )
    for extension, critical in bend:
        builder = builder.add_extension(extension, critical=critical)
    path.write_bytes(builder.sign(root.key, SHA256()).public_bytes(Encoding.DER))


def idp(names: list[x509.GeneralName] | None = None, **flags: object) -> x509.IssuingDistributionPoint:
    arguments: dict[str, object] = {
        "full_name": names,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(arguments | flags))  # type: ignore[arg-type] # a table of arguments


OURS: list[x509.GeneralName] = [distribution_point(AUTHENTICATION)]
FOREIGN: list[x509.GeneralName] = [
    x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Setagaya-ku CRLDP")]))
]
RELATIVE = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "Shibuya-ku CRLDP")])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
NO_STATUS: dict[str, Bend] = {
    "5.2 an unknown critical extension": [(UNKNOWN, True), (idp(OURS), True)],
    "5.2.4 a delta list": [(x509.DeltaCRLIndicator(1), True), (idp(OURS), True)],
    "5.2.4 a delta list that hides it": [(x509.DeltaCRLIndicator(1), False), (idp(OURS), True)],
    "6.3.3 b2 another distribution point": [(idp(FOREIGN), True)],
    "6.3.3 b2 also when that is not critical": [(idp(FOREIGN), False)],
    "6.3.3 b2 a relative name": [(idp(None, relative_name=RELATIVE), True)],
    "6.3.3 b2 authorities alone": [(idp(OURS, only_contains_ca_certs=True), True)],
    "6.3.3 b2 attributes alone": [(idp(OURS, only_contains_attribute_certs=True), True)],
    "6.3.3 d some reasons": [
        (idp(OURS, only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), True)
    ],
    "5.2.5 an indirect list": [(idp(OURS, indirect_crl=True), True)],
}
COVERS: dict[str, Bend] = {
    "no distribution point: everything": [],
    "ours": [(idp(OURS), True)],
    "ours among others": [(idp([*FOREIGN, *OURS]), True)],
    "ours, for users": [(idp(OURS, only_contains_user_certs=True), True)],
    "an unknown extension that is not critical": [(UNKNOWN, False), (idp(OURS), True)],
}


@pytest.mark.parametrize("bend", NO_STATUS.values(), ids=NO_STATUS)
def test_rfc5280_6_3_3_a_list_that_does_not_cover_the_certificate_is_no_status(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path, bend: Bend
) -> None:
    write_list(authority, tmp_path / "bent.crl", bend)
    assert refusal(card, with_lists(authority, tmp_path)).code == "card.status_unavailable"


@pytest.mark.parametrize("bend", COVERS.values(), ids=COVERS)
def test_rfc5280_6_3_3_a_list_that_covers_the_certificate_is_its_status(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path, bend: Bend
) -> None:
    write_list(authority, tmp_path / "ours.crl", bend)
    assert status(card, with_lists(authority, tmp_path)) is RevocationState.GOOD


@pytest.mark.parametrize("bend", NO_STATUS.values(), ids=NO_STATUS)
def test_rfc5280_6_3_3_a_newer_list_of_another_scope_revives_nothing(tmp_path: Path, bend: Bend) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    lost = authority.issue_card(HANAKO, NOW)
    serial = read_certificate(lost.contents.authentication_certificate).serial
    authority.revoke(AUTHENTICATION, serial, NOW)
    write_list(authority, authority.crl_folder / "newer.crl", bend, NOW + timedelta(hours=1))
    assert refusal(lost, authority.trust(), NOW + timedelta(hours=2)).code == "card.revoked"


def test_rfc5280_6_3_3_a_list_for_a_municipality_says_nothing_of_a_certificate_without_one(
    authority: TestAuthority, card: VirtualCard
) -> None:
    authority.publish_crls(NOW)
    root = authority.roots[AUTHENTICATION]
    builder = root.leaf(HANAKO, card.contents.authentication_key.public_key(), NOW)
    builder._extensions = [
        entry for entry in builder._extensions if not isinstance(entry.value, x509.CRLDistributionPoints)
    ]
    leaf = builder.sign(root.key, SHA256())
    with pytest.raises(CardRejected, match="status_unavailable"):
        CrlFiles(authority.crl_folder).status(leaf, root.certificate, NOW)


def test_rfc5280_5_2_5_the_authoritys_lists_name_the_distribution_point_of_its_certificates(
    authority: TestAuthority, card: VirtualCard
) -> None:
    authority.publish_crls(NOW)
    crl = x509.load_der_x509_crl((authority.crl_folder / "authentication.crl").read_bytes())
    named = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert (named.critical, named.value.full_name) == (True, OURS)


def test_rfc5280_6_3_a_revoked_certificate_is_refused_and_stays_so(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    lost = authority.issue_card(HANAKO, NOW)
    certificate = read_certificate(lost.contents.authentication_certificate)
    authority.revoke(AUTHENTICATION, certificate.serial, NOW)
    authority.publish_crls(NOW)
    refused = refusal(lost, authority.trust())
    assert (refused.code, refused.values["reason"]) == ("card.revoked", "affiliationChanged")


def test_rfc5280_6_3_3_a_stale_list_is_no_status(card: VirtualCard, trust: Trust) -> None:
    assert refusal(card, trust, NOW + timedelta(hours=26)).code == "card.status_unavailable"


def test_a_list_that_is_gone_or_broken_is_no_status(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path
) -> None:
    (tmp_path / "broken.crl").write_bytes(b"nothing")
    for folder in (tmp_path / "missing", tmp_path):
        assert refusal(card, with_lists(authority, folder)).code == "card.status_unavailable"


def test_a_list_that_was_taken_away_no_longer_counts(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path
) -> None:
    trust = with_lists(authority, tmp_path)
    write_list(authority, tmp_path / "ours.crl", [])
    assert status(card, trust) is RevocationState.GOOD
    os.unlink(tmp_path / "ours.crl")
    assert refusal(card, trust).code == "card.status_unavailable"


def test_a_list_that_is_published_is_seen_by_the_next_look_up(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    trust, cards = authority.trust(), [authority.issue_card(HANAKO, NOW) for _ in range(3)]
    for lost in cards * 2:
        serial = read_certificate(lost.contents.authentication_certificate).serial
        if lost in cards[:2]:
            authority.revoke(AUTHENTICATION, serial, NOW)
            assert refusal(lost, trust).code == "card.revoked"
        assert status(cards[2], trust) is RevocationState.GOOD


def test_a_list_that_is_overwritten_where_it_lies_is_seen_within_a_second(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    trust, lost, path = authority.trust(), authority.issue_card(HANAKO, NOW), authority.crl_folder
    path /= "authentication.crl"
    authority.revoke(AUTHENTICATION, read_certificate(lost.contents.authentication_certificate).serial, NOW)
    revoking = path.read_bytes()
    path.unlink()
    authority.publish_crls(NOW)
    assert status(lost, trust) is RevocationState.GOOD
    path.write_bytes(revoking)
    time.sleep(1.05)
    assert refusal(lost, trust).code == "card.revoked"


def test_the_folder_is_walked_once_a_second_and_not_with_every_look_up(
    card: VirtualCard, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks, walk = list[str](), os.scandir

    def counted(folder: str) -> object:
        walks.append(folder)
        return walk(folder)

    time.sleep(0.03)  # until it is sure that the folder did not change after the last look
    monkeypatch.setattr(crl.os, "scandir", counted)
    began = time.monotonic()
    for _ in range(200):
        status(card, trust)
    assert 1 <= len(walks) <= 1 + (time.monotonic() - began)


def test_a_broken_list_of_one_municipality_stops_no_other(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path
) -> None:
    (tmp_path / "broken.crl").write_bytes(b"nothing")
    write_list(authority, tmp_path / "ours.crl", [(idp(OURS), True)])
    assert status(card, with_lists(authority, tmp_path)) is RevocationState.GOOD


def test_a_list_whose_issuer_s_name_is_a_bit_string_stops_no_other(tmp_path: Path, card: VirtualCard) -> None:
    """The library reads such a name when it is asked for it, and then raises what no reader expects."""
    authority = TestAuthority.create(tmp_path, NOW)
    whole = (authority.crl_folder / "authentication.crl").read_bytes()
    country = bytes.fromhex("06035504061302")  # the country's OID, then a PrintableString of two octets
    assert country in whole
    bent = whole.replace(country, bytes.fromhex("06035504060302"), 1)
    (authority.crl_folder / "bent.crl").write_bytes(bent)
    issued = authority.issue_card(HANAKO, NOW)
    assert status(issued, authority.trust()) is RevocationState.GOOD


def test_a_list_of_another_authority_with_the_same_name_is_no_status(
    authority: TestAuthority, card: VirtualCard, tmp_path: Path
) -> None:
    foreign = TestAuthority.create(tmp_path, NOW)
    assert refusal(card, with_lists(authority, foreign.crl_folder)).code == "card.status_unavailable"


def test_without_a_source_the_status_says_so(card: VirtualCard, trust: Trust) -> None:
    unchecked = Trust(trust.anchors, trust.policies, NoRevocation())
    assert status(card, unchecked) is RevocationState.UNCHECKED
