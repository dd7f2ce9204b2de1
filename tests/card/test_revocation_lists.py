"""card.revocation: the current lists of pinned roots, and what they name (RFC 5280 §5.1.2.6, §5.3.1)."""

import gc
import os
import tracemalloc
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from card.certificates import Purpose, read_certificate
from card.revocation import CrlFiles, InTurn, NoRevocation, RevocationList, StatusUnavailable
from card.revocation.responder import OcspResponder
from card.test_authority import TestAuthority
from card.trust import Trust
from tests.card.conftest import HANAKO, NOW
from tests.card.test_revocation import FOREIGN, OURS, idp

SIGNATURE = Purpose.SIGNATURE


def named(trust: Trust, now: datetime = NOW) -> list[tuple[bytes, str]]:
    lists = trust.revocation.lists(trust.anchors[SIGNATURE], now)
    return [(listed.identity, listed.reason) for found in lists for listed in found]


def names(
    path: Path, authority: TestAuthority, *serials: int, at: datetime = NOW, scope: object = None
) -> None:
    """A list of the true authority that names these serials, without a word why."""
    root = authority.roots[SIGNATURE]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(at)
        .next_update(at + timedelta(hours=25))
    )
    if isinstance(scope, x509.IssuingDistributionPoint):
        builder = builder.add_extension(scope, critical=True)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    path.write_bytes(builder.sign(root.key, SHA256()).public_bytes(Encoding.DER))


def serials(found: Iterable[tuple[bytes, str]]) -> list[int]:
    return [int.from_bytes(identity[-20:], "big") for identity, _ in found]


@pytest.mark.parametrize("reason", [r for r in x509.ReasonFlags if r is not x509.ReasonFlags.remove_from_crl])
def test_rfc5280_5_3_1_a_list_names_a_certificate_as_a_card_does_with_its_reason(
    tmp_path: Path, reason: x509.ReasonFlags
) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    lost = authority.issue_card(HANAKO, NOW)
    certificate = read_certificate(lost.contents.signature_certificate or b"")
    assert named(authority.trust()) == []
    authority.revoke(SIGNATURE, certificate.serial, NOW, reason)
    assert named(authority.trust()) == [(certificate.identity, reason.value)]


def test_rfc5280_5_3_1_a_list_that_does_not_say_why_says_unspecified(
    authority: TestAuthority, tmp_path: Path
) -> None:
    names(tmp_path / "a.crl", authority, 7)
    trust = Trust(authority.trust().anchors, authority.trust().policies, CrlFiles(tmp_path))
    assert [reason for _, reason in named(trust)] == ["unspecified"]


def test_what_other_roots_signed_is_not_among_them(tmp_path: Path) -> None:
    """The list of authentications, and one that a stranger signed in the root's own name."""
    authority = TestAuthority.create(tmp_path / "true", NOW)
    forger = TestAuthority.create(tmp_path / "forged", NOW)
    authority.revoke(Purpose.AUTHENTICATION, 7, NOW)
    forger.revoke(SIGNATURE, 7, NOW)
    trust = authority.trust()
    for folder in (authority.crl_folder, forger.crl_folder):
        assert named(Trust(trust.anchors, trust.policies, CrlFiles(folder))) == []


def test_each_list_is_the_one_generations_that_signed_it(tmp_path: Path) -> None:
    old, new = (TestAuthority.create(tmp_path / name, NOW) for name in ("old", "new"))
    new.revoke(SIGNATURE, 7, NOW)
    roots = [authority.roots[SIGNATURE].certificate for authority in (old, new)]
    assert roots[0].subject == roots[1].subject
    (found,) = CrlFiles(new.crl_folder).lists(roots, NOW)
    assert (found.root, found.since) == (roots[1], NOW)


def test_rfc5280_6_3_3_a_list_that_is_stale_or_not_yet_is_none(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    authority.revoke(SIGNATURE, 7, NOW)
    for hours, count in ((-1, 0), (0, 1), (24, 1), (25, 0), (26, 0)):
        assert len(named(authority.trust(), NOW + timedelta(hours=hours))) == count, hours


def test_of_one_scope_the_newest_list_counts_and_other_scopes_beside_it(
    authority: TestAuthority, tmp_path: Path
) -> None:
    trust = Trust(authority.trust().anchors, authority.trust().policies, CrlFiles(tmp_path))
    hour = timedelta(hours=1)
    names(tmp_path / "older.crl", authority, 1, 2, at=NOW - hour, scope=idp(OURS))
    names(tmp_path / "newer.crl", authority, 2, 3, at=NOW, scope=idp(OURS))
    names(tmp_path / "other.crl", authority, 4, at=NOW - 2 * hour, scope=idp(FOREIGN))
    assert serials(named(trust)) == [4, 2, 3]


def test_the_mark_tells_a_list_from_every_other(authority: TestAuthority, tmp_path: Path) -> None:
    files, roots = CrlFiles(tmp_path), authority.trust().anchors[SIGNATURE]

    def marks() -> list[bytes]:
        return [found.mark for found in files.lists(roots, NOW)]

    names(tmp_path / "a.crl", authority, 1)
    first = marks()
    assert marks() == first
    names(tmp_path / "b.crl", authority, 2)
    os.replace(tmp_path / "b.crl", tmp_path / "a.crl")
    assert marks() != first


def test_a_folder_that_cannot_be_read_is_no_list(authority: TestAuthority, tmp_path: Path) -> None:
    with pytest.raises(StatusUnavailable):
        CrlFiles(tmp_path / "missing").lists(authority.trust().anchors[SIGNATURE], NOW)


def test_of_several_sources_those_with_lists_have_them(authority: TestAuthority) -> None:
    files, roots = CrlFiles(authority.crl_folder), authority.trust().anchors[SIGNATURE]
    responder = OcspResponder("http://127.0.0.1:9/")
    assert list(InTurn([responder, files]).lists(roots, NOW)) == list(files.lists(roots, NOW))
    assert list(InTurn([responder]).lists(roots, NOW)) == list(NoRevocation().lists(roots, NOW)) == []


def test_a_long_list_streams_without_a_copy_of_the_whole(authority: TestAuthority) -> None:
    key, root = ec.generate_private_key(ec.SECP256R1()), authority.roots[SIGNATURE].certificate
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(hours=25))
    )
    builder._revoked_certificates = [  # added one by one, each would copy all before
        x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
        for serial in range(1, 10_001)
    ]
    found = RevocationList(root, b"", NOW, builder.sign(key, SHA256()))
    gc.collect()
    tracemalloc.start()
    try:
        assert sum(1 for _ in found) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
