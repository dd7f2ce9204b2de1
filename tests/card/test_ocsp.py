"""card.revocation.ocsp: which answer counts, and that no other ever says "good" (RFC 6960, 9654, 5019)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID
from hypothesis import given, settings
from hypothesis import strategies as st

from card.certificates import Purpose, read_certificate
from card.revocation import RevocationState, RevocationStatus, StatusUnavailable
from card.revocation.ocsp import ask_about, judge
from card.test_authority import TestAuthority, new_card_key
from card.virtual.card import VirtualCard
from tests.card.bending import usage, with_hash
from tests.card.conftest import HANAKO, NOW
from tests.card.ocsp_answers import (
    BY_NAME,
    NONCE,
    PROFILE,
    SIGNS_ANSWERS,
    Extensions,
    Said,
    Signer,
    as_signer,
    bent,
    delegated,
    reissued,
    root_of,
)

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus
ADVANCE = timedelta(minutes=30)
NO_OTHER: Extensions = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]


@pytest.fixture(scope="module")
def root(authority: TestAuthority) -> Signer:
    return root_of(authority)


@pytest.fixture(scope="module")
def responder(root: Signer) -> Signer:
    return delegated(root)


@pytest.fixture(scope="module")
def leaf(printed_card: VirtualCard) -> x509.Certificate:
    return read_certificate(printed_card.contents.authentication_certificate).x509


@pytest.fixture(scope="module")
def said(responder: Signer, leaf: x509.Certificate, root: Signer) -> Said:
    return Said(responder, leaf, root.certificate)


@pytest.fixture(scope="module")
def revoked(said: Said) -> bytes:
    return replace(said, status=REVOKED, reason=x509.ReasonFlags.key_compromise).der()


def judged(answer: Said | bytes, of: Said, **how: Any) -> RevocationStatus:
    asked = ask_about(of.certificate, of.issuer, NONCE)
    return judge(answer if isinstance(answer, bytes) else answer.der(), asked, of.issuer, NOW, **how)


def why_refused(answer: Said | bytes, of: Said, **how: Any) -> str:
    with pytest.raises(StatusUnavailable) as refused:
        judged(answer, of, **how)
    assert refused.value.code == "card.status_unavailable"
    return repr(refused.value.__cause__)


def test_rfc6960_4_1_1_the_question_names_one_certificate_and_a_nonce_of_32_octets(
    said: Said, leaf: x509.Certificate
) -> None:
    asked = ocsp.load_der_ocsp_request(ask_about(leaf, said.issuer, NONCE).public_bytes(Encoding.DER))
    named = x509.SubjectKeyIdentifier.from_public_key(said.issuer.public_key()).digest
    assert (asked.serial_number, asked.issuer_key_hash) == (leaf.serial_number, named)
    assert [extension.value for extension in asked.extensions] == [x509.OCSPNonce(NONCE)]


def test_rfc6960_2_2_good_is_good_and_says_until_when(said: Said) -> None:
    expected = RevocationStatus(RevocationState.GOOD, "ocsp", None, said.since, said.until)
    assert judged(said, said) == expected


REASONS = [reason for reason in x509.ReasonFlags if reason.value != "removeFromCRL"]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_rfc6960_2_2_a_revoked_certificate_is_revoked_for_the_reason_that_a_list_would_give(
    said: Said, reason: x509.ReasonFlags
) -> None:
    status = judged(replace(said, status=REVOKED, reason=reason), said)
    assert (status.state, status.reason) == (RevocationState.REVOKED, reason.value)


def test_rfc6960_2_2_a_revoked_certificate_without_a_reason_is_revoked(said: Said) -> None:
    status = judged(replace(said, status=REVOKED), said)
    assert (status.state, status.reason) == (RevocationState.REVOKED, "unspecified")


def test_rfc6960_2_2_unknown_is_no_status(said: Said) -> None:
    assert "does not know" in why_refused(replace(said, status=UNKNOWN), said)


NO_ANSWER = [status for status in ocsp.OCSPResponseStatus if status is not ocsp.OCSPResponseStatus.SUCCESSFUL]


@pytest.mark.parametrize("status", NO_ANSWER, ids=lambda status: status.name)
def test_rfc6960_2_3_a_responder_that_cannot_say_is_no_status(
    said: Said, status: ocsp.OCSPResponseStatus
) -> None:
    answer = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
    assert status.name in why_refused(answer, said)


# Which certificate it is about.


def test_rfc6960_3_2_1_an_answer_about_another_certificate_is_refused(
    said: Said, authority: TestAuthority
) -> None:
    holder = authority.roots[Purpose.AUTHENTICATION]
    other = holder.leaf(HANAKO, new_card_key().public_key(), NOW).sign(holder.key, SHA256())
    assert "another certificate" in why_refused(replace(said, certificate=other), said)


def test_rfc6960_3_2_1_an_answer_about_the_serial_of_another_issuer_is_refused(
    said: Said, authority: TestAuthority
) -> None:
    other = authority.roots[Purpose.SIGNATURE].certificate
    same_serial = reissued(said.certificate, root_of(authority, Purpose.SIGNATURE))
    answer = replace(said, certificate=same_serial, issuer=other)
    assert "another certificate" in why_refused(answer, said)


def test_rfc6960_3_2_1_an_answer_about_another_generation_of_the_issuer_is_refused(
    said: Said, tmp_path: Any
) -> None:
    other = TestAuthority.create(tmp_path, NOW).roots[Purpose.AUTHENTICATION]
    assert other.certificate.subject == said.issuer.subject
    answer = replace(said, certificate=reissued(said.certificate, as_signer(other)), issuer=other.certificate)
    assert "another certificate" in why_refused(answer, said)


def test_rfc6960_3_2_1_an_answer_that_finds_certificates_in_another_way_is_refused(said: Said) -> None:
    assert "another certificate" in why_refused(replace(said, id_hash=SHA256()), said)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("issuer_name_hash", b"n" * 20),
        ("issuer_key_hash", b"k" * 20),
        ("serial_number", 1),
        ("hash_algorithm", {"algorithm": "sha256"}),
    ],
)
def test_rfc6960_3_2_1_each_part_of_which_certificate_is_meant_counts(
    said: Said, member: str, value: object
) -> None:
    def another(signed: Any) -> None:
        signed["responses"][0]["cert_id"][member] = value

    assert "another certificate" in why_refused(bent(said, another), said)


def test_rfc6960_3_2_1_of_two_answers_neither_counts(said: Said) -> None:
    def twice(signed: Any) -> None:
        single = signed["responses"][0]
        signed["responses"] = asn1.Responses([single, single.copy()])

    assert "too many values" in why_refused(bent(said, twice), said)


def test_rfc6960_4_2_1_an_answer_about_nothing_is_refused(said: Said) -> None:
    def none(signed: Any) -> None:
        signed["responses"] = asn1.Responses([])

    assert "ValueError" in why_refused(bent(said, none), said)


def test_an_answer_that_was_signed_anew_without_a_change_still_counts(said: Said) -> None:
    assert judged(bent(said), said).state is RevocationState.GOOD


# Who signed it.


@pytest.mark.parametrize("brings_itself", [True, False])
def test_rfc6960_4_2_2_2_the_issuer_may_answer_itself(said: Said, root: Signer, brings_itself: bool) -> None:
    for by in ocsp.OCSPResponderEncoding:
        answer = replace(said, signer=root, by=by, brings=None if brings_itself else ())
        assert judged(answer, said).state is RevocationState.GOOD


def test_rfc6960_4_2_2_2_a_delegated_responder_may_be_named(said: Said) -> None:
    assert judged(replace(said, by=BY_NAME), said).state is RevocationState.GOOD


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda curve: curve.name)
def test_rfc6960_4_2_2_2_a_delegated_responder_may_have_a_key_on_a_curve(
    said: Said, root: Signer, curve: ec.EllipticCurve
) -> None:
    signer = delegated(root, key=ec.generate_private_key(curve))
    assert judged(replace(said, signer=signer, signed_with=SHA384()), said).state is RevocationState.GOOD


NOBODY = "nobody whom the issuer lets answer"
NO_CHECK, MAY_SIGN = (x509.OCSPNoCheck(), False), (usage(digital_signature=True), True)
BENT: Mapping[str, Extensions] = {
    "no extended key usage": [MAY_SIGN, NO_CHECK],
    "an extended key usage for another thing": [
        MAY_SIGN,
        NO_CHECK,
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    ],
    "an extended key usage for anything": [
        MAY_SIGN,
        NO_CHECK,
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),
    ],
    "no key usage": [NO_CHECK, (SIGNS_ANSWERS, False)],
    "a key usage without signatures": [
        (usage(key_encipherment=True), True),
        NO_CHECK,
        (SIGNS_ANSWERS, False),
    ],
    "without id-pkix-ocsp-nocheck": [MAY_SIGN, (SIGNS_ANSWERS, False)],
    "a critical extension that is not understood": [*PROFILE, *NO_OTHER],
}


@pytest.mark.parametrize("extensions", BENT.values(), ids=BENT)
def test_rfc6960_4_2_2_2_whom_the_issuer_did_not_let_answer_is_refused(
    said: Said, root: Signer, extensions: Extensions
) -> None:
    assert NOBODY in why_refused(replace(said, signer=delegated(root, extensions=extensions)), said)


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["over", "not yet"])
def test_rfc6960_4_2_2_2_a_responder_whose_certificate_does_not_hold_now_is_refused(
    said: Said, root: Signer, days: tuple[int, int]
) -> None:
    since, until = (NOW + timedelta(days=day) for day in days)
    assert NOBODY in why_refused(replace(said, signer=delegated(root, since=since, until=until)), said)


def test_rfc6960_4_2_2_2_a_responder_of_another_authority_of_that_name_is_refused(
    said: Said, tmp_path: Any
) -> None:
    other = root_of(TestAuthority.create(tmp_path, NOW))
    assert NOBODY in why_refused(replace(said, signer=delegated(other)), said)
    assert NOBODY in why_refused(replace(said, signer=other), said)


def test_rfc6960_4_2_2_2_the_responder_of_the_other_purpose_is_refused(
    said: Said, authority: TestAuthority
) -> None:
    other = root_of(authority, Purpose.SIGNATURE)
    assert NOBODY in why_refused(replace(said, signer=delegated(other)), said)


def test_rfc6960_4_2_2_2_a_responder_below_a_responder_is_refused(said: Said, responder: Signer) -> None:
    signer = delegated(responder)
    brings = (signer.certificate, responder.certificate)
    assert NOBODY in why_refused(replace(said, signer=signer, brings=brings), said)


def test_rfc6960_4_2_2_2_a_residents_card_answers_for_nobody(
    said: Said, leaf: x509.Certificate, printed_card: VirtualCard
) -> None:
    signer = Signer(leaf, printed_card.contents.authentication_key)
    assert NOBODY in why_refused(replace(said, signer=signer), said)


def test_rfc6960_4_2_2_2_a_responder_that_brings_no_certificate_is_refused(said: Said) -> None:
    assert NOBODY in why_refused(replace(said, brings=()), said)


def test_rfc6960_4_2_2_2_another_certificate_than_the_one_that_is_named_does_not_count(
    said: Said, root: Signer
) -> None:
    unnamed = delegated(root)
    answer = replace(said, brings=(unnamed.certificate,))
    assert NOBODY in why_refused(answer, said)


@pytest.mark.parametrize("weak_hash", [MD5(), SHA1()], ids=lambda weak: weak.name)  # noqa: S303 - refused
def test_rfc6960_4_2_2_2_a_responders_certificate_over_a_broken_hash_is_refused(
    said: Said, root: Signer, responder: Signer, weak_hash: HashAlgorithm
) -> None:
    assert isinstance(root.key, rsa.RSAPrivateKey)
    der = with_hash(responder.certificate, root.key, weak_hash)
    weak = x509.load_der_x509_certificate(der)
    assert weak.signature_algorithm_oid != SignatureAlgorithmOID.RSA_WITH_SHA256
    assert NOBODY in why_refused(replace(said, brings=(weak,)), said)


def test_rfc6960_3_2_2_a_signature_by_another_key_is_refused(said: Said) -> None:
    assert "InvalidSignature" in why_refused(bent(said, key=new_card_key()), said)


def test_rfc6960_3_2_2_the_issuers_name_under_another_key_is_refused(said: Said, root: Signer) -> None:
    for by in ocsp.OCSPResponderEncoding:
        forged = bent(replace(said, signer=root, by=by), key=new_card_key())
        assert "InvalidSignature" in why_refused(forged, said)


def test_rfc6960_4_3_a_signature_over_sha1_is_refused(said: Said) -> None:
    weak = bent(said, over=SHA1())  # noqa: S303 - what is refused
    assert "no answer is signed with" in why_refused(weak, said)


@pytest.mark.parametrize("kind", ["a short RSA key", "Ed25519"])
def test_rfc6960_4_3_a_key_that_no_responder_has_is_refused(said: Said, root: Signer, kind: str) -> None:
    short = kind == "a short RSA key"
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is refused
    key: Any = weak if short else ed25519.Ed25519PrivateKey.generate()
    answer = replace(said, signer=delegated(root, key=key), signed_with=SHA256() if short else None)
    assert "no answer is signed with" in why_refused(answer, said)


# When it was so.


def test_rfc6960_4_2_2_1_a_status_of_the_future_is_refused(said: Said) -> None:
    soon = replace(said, since=NOW + timedelta(seconds=59))
    assert judged(soon, said).state is RevocationState.GOOD
    assert "future" in why_refused(replace(said, since=NOW + timedelta(seconds=61)), said)


def test_rfc6960_4_2_2_1_a_status_that_is_over_is_refused(said: Said) -> None:
    old = replace(said, since=NOW - timedelta(hours=1))
    assert judged(replace(old, until=NOW + timedelta(seconds=1)), said).state is RevocationState.GOOD
    assert "over" in why_refused(replace(old, until=NOW), said)


def test_rfc6960_4_2_2_1_a_responder_that_always_has_newer_information_may_say_no_end(said: Said) -> None:
    endless = replace(said, until=None)
    assert judged(endless, said).next_update is None
    assert "too old" in why_refused(replace(endless, since=NOW - timedelta(minutes=61)), said)


# To which question.


@pytest.mark.parametrize("nonce", [b"o" * 32, NONCE[:31], NONCE + b"n", b"n"])
def test_rfc9654_2_1_an_answer_to_another_question_is_refused(said: Said, nonce: bytes) -> None:
    for how in ({}, {"without_nonce": ADVANCE}):
        assert "another question" in why_refused(replace(said, nonce=nonce), said, **how)


def test_rfc9654_2_1_an_answer_without_the_nonce_is_refused(said: Said) -> None:
    assert "without the nonce" in why_refused(replace(said, nonce=None), said)


def test_rfc5019_4_an_answer_made_in_advance_counts_while_it_is_young_where_that_is_set(said: Said) -> None:
    young = replace(said, nonce=None, since=NOW - ADVANCE)
    old = replace(young, since=NOW - ADVANCE - timedelta(seconds=1))
    assert judged(young, said, without_nonce=ADVANCE).state is RevocationState.GOOD
    assert "too old" in why_refused(old, said, without_nonce=ADVANCE)


def test_rfc5019_2_2_4_an_answer_made_in_advance_says_when_it_ends(said: Said) -> None:
    endless = replace(said, nonce=None, until=None)
    assert "without an end" in why_refused(endless, said, without_nonce=ADVANCE)


def test_rfc5019_4_a_responder_that_repeats_the_nonce_may_do_so_also_where_it_need_not(said: Said) -> None:
    hours = replace(said, since=NOW - timedelta(hours=5))
    assert judged(hours, said, without_nonce=ADVANCE).state is RevocationState.GOOD


# What else it says.


def test_rfc6960_4_4_a_critical_extension_that_is_not_understood_is_refused(said: Said) -> None:
    assert "not understood" in why_refused(replace(said, extensions=NO_OTHER), said)


def test_rfc6960_4_4_a_critical_extension_of_the_status_that_is_not_understood_is_refused(
    said: Said,
) -> None:
    def cut_off(signed: Any) -> None:
        extension = {"extn_id": "archive_cutoff", "critical": True, "extn_value": NOW}
        signed["responses"][0]["single_extensions"] = [extension]

    def harmless(signed: Any) -> None:
        cut_off(signed)
        signed["responses"][0]["single_extensions"][0]["critical"] = False

    assert "ValueError" in why_refused(bent(said, cut_off), said)
    assert judged(bent(said, harmless), said).state is RevocationState.GOOD


# Nothing else.


@pytest.mark.parametrize("name", ["nothing", "a page", "a certificate", "a list"])
def test_what_is_no_answer_is_no_status(said: Said, authority: TestAuthority, name: str) -> None:
    lists = authority.crl_folder / "authentication.crl"
    made = {
        "nothing": b"",
        "a page": b"<!DOCTYPE html><title>Sign in to this network</title>",
        "a certificate": said.certificate.public_bytes(Encoding.DER),
        "a list": lists.read_bytes(),
    }
    why_refused(made[name], said)


Change = Callable[[bytes], bytes]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Cut, lengthen, or overwrite somewhere."""
    place, octets = draw(st.floats(0, 1, exclude_max=True)), draw(st.binary(min_size=1, max_size=4))
    kind = draw(st.sampled_from(["cut", "insert", "overwrite", "drop"]))

    def change(der: bytes) -> bytes:
        at = int(place * len(der))
        match kind:
            case "cut":
                return der[:at]
            case "insert":
                return der[:at] + octets + der[at:]
            case "drop":
                return der[:at] + der[at + len(octets) :]
            case _:
                return der[:at] + octets + der[at + len(octets) :]

    return change


@settings(max_examples=400, deadline=None)
@given(change=changes())
def test_a_changed_answer_never_says_good_where_the_true_one_did_not_and_fails_in_one_way(
    said: Said, revoked: bytes, change: Change
) -> None:
    try:
        status = judged(change(revoked), said, without_nonce=ADVANCE)
    except StatusUnavailable:
        return
    assert status.state is RevocationState.REVOKED  # what was changed is not signed, such as a certificate
