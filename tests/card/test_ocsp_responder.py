"""card.revocation.responder: asking over a socket, and every silence of it (RFC 6960 appendix A)."""

import os
import socket
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from card.certificates import Purpose, read_certificate
from card.faults import CardRejected
from card.revocation import (
    CrlFiles,
    InTurn,
    RevocationSource,
    RevocationState,
    RevocationStatus,
    StatusUnavailable,
    responder,
)
from card.revocation.responder import OcspResponder
from card.test_authority import TestAuthority, new_card_key
from card.trust import check_path, check_status
from card.virtual.card import VirtualCard
from tests.card.certomancer import certomancer
from tests.card.conftest import HANAKO, NOW
from tests.card.ocsp_answers import Said, Signer, delegated, root_of
from tests.card.raw_server import ok, server

AUTHENTICATION = Purpose.AUTHENTICATION


@pytest.fixture(scope="module")
def root(authority: TestAuthority) -> Signer:
    return root_of(authority)


@pytest.fixture(scope="module")
def signer(root: Signer) -> Signer:
    return delegated(root)


@pytest.fixture(scope="module")
def leaf(printed_card: VirtualCard) -> x509.Certificate:
    return read_certificate(printed_card.contents.authentication_certificate).x509


@pytest.fixture
def lists(authority: TestAuthority) -> CrlFiles:
    authority.publish_crls(NOW)
    return CrlFiles(authority.crl_folder)


def silent(source: RevocationSource, leaf: x509.Certificate, root: Signer) -> BaseException | None:
    with pytest.raises(StatusUnavailable) as refused:
        source.status(leaf, root.certificate, NOW)
    return refused.value.__cause__


# A responder that we did not write.


def test_rfc6960_a_responder_by_others_says_good_and_its_nonce_is_ours(
    authority: TestAuthority, signer: Signer, root: Signer, leaf: x509.Certificate, tmp_path: Path
) -> None:
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}) as address:
        source = OcspResponder(f"{address}/ocsp/responder")
        status = source.status(leaf, root.certificate, NOW)
    expected = RevocationStatus(RevocationState.GOOD, "ocsp", None, NOW, NOW + timedelta(minutes=10))
    assert status == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("key_compromise", "keyCompromise"),
        ("affiliation_changed", "affiliationChanged"),
        ("cessation_of_operation", "cessationOfOperation"),
        ("superseded", "superseded"),
        ("certificate_hold", "certificateHold"),
    ],
)
def test_rfc6960_2_2_what_a_responder_by_others_revoked_is_refused_as_its_own_list_has_it(
    authority: TestAuthority,
    signer: Signer,
    leaf: x509.Certificate,
    printed_card: VirtualCard,
    tmp_path: Path,
    said: str,
    reason: str,
) -> None:
    read = read_certificate(printed_card.contents.authentication_certificate)
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}, revoked={"hanako": said}) as address:
        published = httpx2.get(f"{address}/crls/lists/latest.crl").raise_for_status().content
        (tmp_path / "theirs.crl").write_bytes(published)
        by_list, by_answer = CrlFiles(tmp_path), OcspResponder(f"{address}/ocsp/responder")
        for source in (by_list, by_answer):
            trust = replace(authority.trust(), revocation=source)
            with pytest.raises(CardRejected) as refused:
                check_status(read, check_path(read, AUTHENTICATION, trust, NOW), trust, NOW)
            assert (refused.value.code, refused.value.values) == ("card.revoked", {"reason": reason})


def test_rfc5280_6_3_3_a_list_by_others_says_good(
    authority: TestAuthority, signer: Signer, root: Signer, leaf: x509.Certificate, tmp_path: Path
) -> None:
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}) as address:
        published = httpx2.get(f"{address}/crls/lists/latest.crl").raise_for_status().content
    (tmp_path / "theirs.crl").write_bytes(published)
    status = CrlFiles(tmp_path).status(leaf, root.certificate, NOW)
    assert (status.state, status.source) == (RevocationState.GOOD, "crl")


def test_rfc6960_4_2_2_1_a_responder_by_others_that_states_no_end_counts_while_it_is_young(
    authority: TestAuthority, signer: Signer, root: Signer, leaf: x509.Certificate, tmp_path: Path
) -> None:
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}, validity=None) as address:
        source = OcspResponder(f"{address}/ocsp/responder")
        assert source.status(leaf, root.certificate, NOW).next_update is None
        with pytest.raises(StatusUnavailable):
            source.status(leaf, root.certificate, NOW + timedelta(hours=2))


def test_rfc6960_2_3_a_certificate_that_a_responder_by_others_does_not_have_is_no_status(
    authority: TestAuthority, signer: Signer, root: Signer, leaf: x509.Certificate, tmp_path: Path
) -> None:
    other = authority.issue(AUTHENTICATION, HANAKO, new_card_key().public_key(), NOW)
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}) as address:
        cause = silent(OcspResponder(f"{address}/ocsp/responder"), other, root)
    assert "UNAUTHORIZED" in repr(cause)


# HTTP.


def test_rfc6960_a_1_the_question_is_a_post_with_its_type_and_asks_each_time_anew(
    leaf: x509.Certificate, root: Signer
) -> None:
    with server([ok(b"")]) as other:
        source = OcspResponder(other.address)
        for _ in range(2):
            silent(source, leaf, root)
        (head, first), (_, second) = other.asked
    assert head.startswith(b"POST /ocsp HTTP/1.1\r\n")
    assert b"content-type: application/ocsp-request\r\n" in head.lower()
    nonces = {
        ocsp.load_der_ocsp_request(asked).extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        for asked in (first, second)
    }
    assert sorted(len(nonce) for nonce in nonces) == [32, 32]


ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
FAILS = {
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nConte",
    "half a body": ok(b"\x30", length=100),
    "hangs up": b"",
    "a page": ok(b"<title>Sign in to this network</title>"),
    "longer than any answer": ok(bytes(64 * 1024 + 1)),
    "longer, and says so": ok(b"", length=2**40),
    "longer, in pieces": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"8000\r\n%s\r\n" % bytes(0x8000) * 3,
}


@pytest.mark.parametrize("says", FAILS.values(), ids=FAILS)
def test_rfc6960_a_1_2_what_is_no_whole_200_is_no_status(
    leaf: x509.Certificate, root: Signer, says: bytes
) -> None:
    with server([says]) as other:
        source = OcspResponder(other.address)
        silent(source, leaf, root)
        silent(source, leaf, root)
        assert len(other.asked) == 2  # it is asked again


def test_an_answer_without_a_nonce_counts_where_the_deployment_says_so(
    leaf: x509.Certificate, root: Signer, signer: Signer
) -> None:
    answer = Said(signer, leaf, root.certificate, nonce=None).der()
    with server([ok(answer)]) as other:
        silent(OcspResponder(other.address), leaf, root)
        advance = OcspResponder(other.address, without_nonce=timedelta(minutes=15))
        assert advance.status(leaf, root.certificate, NOW).state is RevocationState.GOOD


def test_an_answer_that_was_recorded_says_nothing_when_it_is_played_again(
    leaf: x509.Certificate, root: Signer, signer: Signer
) -> None:
    with server([ok(Said(signer, leaf, root.certificate).der())]) as other:
        assert "another question" in repr(silent(OcspResponder(other.address), leaf, root))


def test_no_redirect_is_followed(leaf: x509.Certificate, root: Signer, signer: Signer) -> None:
    answer = Said(signer, leaf, root.certificate, nonce=None).der()
    with server([ok(answer)]) as other, server([ELSEWHERE % other.address.encode("ascii")]) as first:
        silent(OcspResponder(first.address, without_nonce=timedelta(hours=1)), leaf, root)
        assert (len(first.asked), len(other.asked)) == (1, 0)


def test_no_proxy_of_the_environment_is_used(
    leaf: x509.Certificate, root: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server([ok(b"")]) as other, server([ok(b"")]) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        silent(OcspResponder(other.address), leaf, root)
        assert (len(other.asked), len(proxy.asked)) == (1, 0)


def test_the_address_in_a_certificate_is_never_called(authority: TestAuthority, root: Signer) -> None:
    maker, key = authority.roots[AUTHENTICATION], new_card_key()
    with server([ok(b"")]) as named, server([ok(b"")]) as configured:
        address = x509.UniformResourceIdentifier(named.address)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)
        builder = maker.leaf(HANAKO, key.public_key(), NOW)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        silent(OcspResponder(configured.address), builder.sign(maker.key, SHA256()), root)
        assert (len(configured.asked), len(named.asked)) == (1, 0)


@pytest.mark.parametrize("how", ["says nothing", "drips"])
def test_a_responder_that_lets_people_wait_is_asked_once_and_then_not_for_a_while(
    leaf: x509.Certificate, root: Signer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(responder, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(responder, "_PAUSE_S", 1.5)
    drops = [ok(b"", length=100), *[b"\x30"] * 50] if how == "drips" else []
    with server(drops, 0.05, hangs=True) as other:
        source, began = OcspResponder(other.address), time.monotonic()
        assert isinstance(silent(source, leaf, root), httpx2.TimeoutException)
        waited = time.monotonic() - began
        silent(source, leaf, root)
        assert (waited < 1, len(other.asked)) == (True, 1)
        time.sleep(1.6)
        silent(source, leaf, root)
        assert len(other.asked) == 2


def test_nobody_at_the_address_is_no_status(leaf: x509.Certificate, root: Signer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    silent(OcspResponder(f"http://127.0.0.1:{port}"), leaf, root)
    silent(OcspResponder("http://responder.invalid"), leaf, root)


# Several sources.


def test_rfc6960_the_responder_is_believed_before_an_older_list(
    authority: TestAuthority,
    signer: Signer,
    root: Signer,
    leaf: x509.Certificate,
    lists: CrlFiles,
    tmp_path: Path,
) -> None:
    revoked = {"hanako": "key_compromise"}
    with certomancer(tmp_path, authority, signer, {"hanako": leaf}, revoked=revoked) as address:
        both = InTurn([OcspResponder(f"{address}/ocsp/responder"), lists])
        assert lists.status(leaf, root.certificate, NOW).state is RevocationState.GOOD
        assert both.status(leaf, root.certificate, NOW).state is RevocationState.REVOKED


def test_rfc5280_6_3_3_a_current_list_answers_while_the_responder_is_silent(
    root: Signer, leaf: x509.Certificate, lists: CrlFiles
) -> None:
    with server([FAILS["500"]]) as other:
        status = InTurn([OcspResponder(other.address), lists]).status(leaf, root.certificate, NOW)
        assert (status.state, status.source) == (RevocationState.GOOD, "crl")
        assert len(other.asked) == 1


def test_rfc5280_6_3_3_with_a_silent_responder_and_a_stale_list_nobody_knows(
    root: Signer, leaf: x509.Certificate, lists: CrlFiles
) -> None:
    with server([FAILS["500"]]) as other, pytest.raises(StatusUnavailable):
        source = InTurn([OcspResponder(other.address), lists])
        source.status(leaf, root.certificate, NOW + timedelta(hours=26))


def test_a_forged_answer_does_not_hide_what_the_list_revoked(tmp_path: Path) -> None:
    authority = TestAuthority.create(tmp_path, NOW)
    lost = authority.issue_card(HANAKO, NOW)
    read = read_certificate(lost.contents.authentication_certificate)
    authority.revoke(AUTHENTICATION, read.serial, NOW)
    root = root_of(authority)
    forger = delegated(Signer(root.certificate, new_card_key()))
    with server([ok(Said(forger, read.x509, root.certificate, nonce=None).der())]) as other:
        asked = OcspResponder(other.address, without_nonce=timedelta(hours=1))
        trust = replace(authority.trust(), revocation=InTurn([asked, CrlFiles(authority.crl_folder)]))
        with pytest.raises(CardRejected, match=r"card\.revoked"):
            check_status(read, root.certificate, trust, NOW)
        assert len(other.asked) == 1


def test_nothing_of_it_stays_open(leaf: x509.Certificate, root: Signer) -> None:
    with server([ok(b"")]) as other:
        source, before = OcspResponder(other.address), len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            silent(source, leaf, root)
        assert len(os.listdir("/proc/self/fd")) <= before
