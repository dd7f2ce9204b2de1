"""card.linking: one card, both of its keys, over the provider's own bytes and the two certificates."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from card import linking
from card.certificates import Purpose, read_certificate
from card.container import SigningPurpose, ToBeSigned, prepare
from card.faults import CardRejected, Fault
from card.jose import b64url_decode, b64url_encode
from card.linking import Pair, SecretRefused, link_on, naming, parse, to_json, verify_link
from card.test_authority import TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from card.virtual.failing import FailingCard, Failure
from card.virtual.holder import lay_down, sign_as_holder
from tests.card.conftest import HANAKO, NOW

ISSUER = "https://shibuya.id.example"
TEXT = "このカードを登録します"


def request(purpose: SigningPurpose = SigningPurpose.LINK, **changes: Any) -> ToBeSigned:
    whole = {"issuer": ISSUER, "audience": f"{ISSUER}/a", "nonce": b"n" * 16, "issued_at": NOW, "text": TEXT}
    return prepare(purpose, **(whole | changes))


def linked(card: VirtualCard, prepared: ToBeSigned | None = None, **changes: Any) -> Pair:
    secrets = {"pin": bytearray(b"1234"), "password": bytearray(b"ABC123")} | changes
    return link_on(lay_down(card), prepared or request(), **secrets)


def refusal(pair: Pair, trust: Trust, prepared: ToBeSigned | None = None, **changes: Any) -> str:
    with pytest.raises(CardRejected) as rejected:
        verify_link(pair, prepared=prepared or request(), trust=trust, **({"now": NOW} | changes))
    return rejected.value.code


@pytest.fixture
def other(authority: TestAuthority) -> VirtualCard:
    """A card of somebody whose name, birth date, sex and address are the same."""
    return authority.issue_card(HANAKO, NOW)


def test_both_keys_sign_the_providers_bytes_and_the_hashes_of_both_certificates(
    card: VirtualCard, trust: Trust
) -> None:
    pair = parse(to_json(linked(card)))
    both = verify_link(pair, prepared=request(), trust=trust, now=NOW)
    assert [evidence.certificate.purpose for evidence in both] == list(SigningPurpose.LINK.certificates)
    claims = dict(both[0].container.claims())
    assert claims.pop("certificates") == {
        str(evidence.certificate.purpose): b64url_encode(hashlib.sha256(evidence.certificate.der).digest())
        for evidence in both
    }
    assert claims == request().claims()
    assert both[1].container.payload == both[0].container.payload


@pytest.mark.parametrize(
    "asked",
    [
        request(nonce=b"m" * 16),
        request(text="別の文"),
        request(issuer="https://bank.example"),
        request(audience="https://bank.example/a"),
        request(issued_at=NOW + timedelta(seconds=1)),
        request(SigningPurpose.LOGIN),
    ],
    ids=["nonce", "text", "issuer", "address", "time", "purpose"],
)
def test_an_answer_over_any_other_bytes_is_refused(
    card: VirtualCard, trust: Trust, asked: ToBeSigned
) -> None:
    assert refusal(linked(card, asked), trust) in {"card.bytes", "card.purpose"}


def test_spaces_in_the_payload_are_other_bytes(card: VirtualCard, trust: Trust) -> None:
    """The rule is octet by octet: what means the same is not the same."""
    named = naming(request(), _certificates(card))
    spaced = json.dumps(dict(named.claims()), ensure_ascii=False).encode()
    made = ToBeSigned(named.protected, b64url_encode(spaced))
    pair = (sign_as_holder(card, made, Purpose.AUTHENTICATION), sign_as_holder(card, made, Purpose.SIGNATURE))
    assert refusal(pair, trust) == "card.bytes"


def _certificates(card: VirtualCard) -> Any:
    both = (card.contents.authentication_certificate, card.contents.signature_certificate)
    return tuple(read_certificate(der) for der in both if der is not None)


Bend = Callable[[Pair, Pair], Pair]


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (lambda hers, _: (hers[0], hers[0]), "card.purpose"),
        (lambda hers, _: (hers[1], hers[1]), "card.purpose"),
        (lambda hers, _: (hers[1], hers[0]), "card.purpose"),
        (lambda hers, other: (hers[0], other[1]), "card.bytes"),
        (lambda hers, other: (other[0], hers[1]), "card.bytes"),
        (
            lambda hers, other: (hers[0], dataclasses.replace(hers[1], leaf_der=other[1].leaf_der)),
            "card.bytes",
        ),
        (
            lambda hers, _: (
                dataclasses.replace(hers[0], leaf_der=hers[1].leaf_der),
                dataclasses.replace(hers[1], leaf_der=hers[0].leaf_der),
            ),
            "card.purpose",
        ),
        (
            lambda hers, _: (hers[0], dataclasses.replace(hers[1], signature=hers[0].signature)),
            "card.signature",
        ),
    ],
    ids=["first twice", "second twice", "swapped", "her name, another's card", "another's name, her card",
         "another's certificate", "certificates swapped", "one signature twice"],
)  # fmt: skip
def test_two_containers_that_one_card_did_not_make_link_nothing(
    card: VirtualCard, other: VirtualCard, trust: Trust, bend: Bend, code: str
) -> None:
    answered = refusal(bend(linked(card), linked(other)), trust)
    assert answered in {code, "card.signature"}


@pytest.mark.parametrize("names", ["hers", "the other's", "one of each"])
def test_two_cards_that_sign_one_request_are_not_one_card(
    card: VirtualCard, other: VirtualCard, trust: Trust, names: str
) -> None:
    """Each signs with one key, over whatever names whom it likes."""
    hers, others = _certificates(card), _certificates(other)
    named = {"hers": hers, "the other's": others, "one of each": (hers[0], others[1])}[names]
    made = naming(request(), named)
    pair = (
        sign_as_holder(card, made, Purpose.AUTHENTICATION),
        sign_as_holder(other, made, Purpose.SIGNATURE),
    )
    if names == "one of each":  # who has both cards and every secret of theirs is asked no more than that
        assert verify_link(pair, prepared=request(), trust=trust, now=NOW)
    else:
        assert refusal(pair, trust) == "card.bytes"


def test_a_card_that_is_pulled_and_swapped_links_nothing(card: VirtualCard) -> None:
    with pytest.raises(Fault, match=r"card\.removed"):
        linked(FailingCard.of(card, Failure.PULLED, 20))


def test_a_revoked_certificate_of_the_two_links_nothing(authority: TestAuthority) -> None:
    for purpose, certificate in zip(Purpose, (1, 0), strict=True):
        revoked = authority.issue_card(HANAKO, NOW)
        serial = _certificates(revoked)[1 - certificate].serial
        authority.revoke(purpose, serial, NOW, x509.ReasonFlags.superseded)
        assert refusal(linked(revoked), authority.trust()) == "card.revoked"


def test_a_linking_request_is_answered_in_its_time(card: VirtualCard, trust: Trust) -> None:
    assert refusal(linked(card), trust, now=NOW + timedelta(minutes=5, seconds=1)) == "card.expired"


def test_a_request_that_names_certificates_already_is_signed_by_none(card: VirtualCard) -> None:
    with pytest.raises(CardRejected, match=r"card\.malformed"):
        linked(card, naming(request(), _certificates(card)))
    with pytest.raises(CardRejected, match=r"card\.malformed"):
        linked(card, dataclasses.replace(request(), payload=b64url_encode(b"[]")))


@pytest.mark.parametrize(
    ("typed", "code", "purpose", "tries"),
    [
        ({"pin": b"0000"}, "card.wrong_pin", Purpose.AUTHENTICATION, (2, 5)),
        ({"password": b"WRONG1"}, "card.wrong_pin", Purpose.SIGNATURE, (3, 4)),
        ({"pin": b"12"}, "card.pin_shape", Purpose.AUTHENTICATION, (3, 5)),
        ({"password": b"ab"}, "card.pin_shape", Purpose.SIGNATURE, (3, 5)),
        ({"pin": b"0000", "password": b"WRONG1"}, "card.wrong_pin", Purpose.AUTHENTICATION, (2, 5)),
    ],
)
def test_each_secret_has_its_own_tries_and_one_mistake_costs_one(
    card: VirtualCard, typed: dict[str, bytes], code: str, purpose: Purpose, tries: tuple[int, int]
) -> None:
    with pytest.raises(SecretRefused) as refused:
        linked(card, **{name: bytearray(value) for name, value in typed.items()})
    assert (refused.value.code, refused.value.purpose) == (code, purpose)
    assert (card.contents.pin.tries_left, card.contents.password.tries_left) == tries


@pytest.mark.parametrize("purpose", Purpose)
def test_the_last_try_of_each_needs_the_persons_word(card: VirtualCard, purpose: Purpose) -> None:
    secret = card.contents.pin if purpose is Purpose.AUTHENTICATION else card.contents.password
    secret.tries_left = 1
    (another,) = set(Purpose) - {purpose}
    for said in (frozenset[Purpose](), frozenset({another})):
        with pytest.raises(SecretRefused, match=r"card\.last_try"):
            linked(card, confirm_last_try=said)
        assert secret.tries_left == 1
    assert linked(card, confirm_last_try=frozenset({purpose}))


def test_a_childs_card_has_nothing_to_link_with(childs_card: VirtualCard) -> None:
    with pytest.raises(Fault, match=r"card\.no_certificate"):
        linked(childs_card)


def test_rfc7515_7_2_1_the_answer_is_one_payload_with_two_signatures(card: VirtualCard) -> None:
    pair = linked(card)
    whole = json.loads(to_json(pair))
    assert whole.keys() == {"payload", "signatures"}
    assert [one.keys() for one in whole["signatures"]] == [{"protected", "header", "signature"}] * 2
    assert b64url_decode(whole["payload"])
    assert parse(to_json(pair)) == pair


def _bent(text: str, bend: Callable[[dict[str, Any]], Any]) -> str:
    whole = json.loads(text)
    bend(whole)
    return json.dumps(whole)


@pytest.mark.parametrize(
    "bend",
    [
        lambda whole: whole.pop("payload"),
        lambda whole: whole.update(extra=1),
        lambda whole: whole.update(payload=""),
        lambda whole: whole.update(payload=1),
        lambda whole: whole.update(payload="a="),
        lambda whole: whole.update(signatures={}),
        lambda whole: whole["signatures"].pop(),
        lambda whole: whole["signatures"].append(whole["signatures"][0]),
        lambda whole: whole["signatures"].__setitem__(1, None),
        lambda whole: whole["signatures"][1].update(payload="AA"),
        lambda whole: whole["signatures"][1].update(extra=1),
        lambda whole: whole["signatures"][1].pop("header"),
        lambda whole: whole["signatures"][1]["header"].update(kid="1"),
        lambda whole: whole["signatures"][1]["header"]["x5c"].append("AA"),
        lambda whole: whole["signatures"][0].update(signature="*"),
        lambda whole: whole.update(payload="A" * 40000),
    ],
)
def test_rfc7515_7_2_1_what_is_not_exactly_that_is_refused(
    card: VirtualCard, bend: Callable[[dict[str, Any]], Any]
) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each in words of its own
        parse(_bent(to_json(linked(card)), bend))


def test_rfc8259_4_a_second_payload_is_refused(card: VirtualCard) -> None:
    text = to_json(linked(card))
    with pytest.raises(ValueError, match="duplicate"):
        parse(text[:-1] + ',"payload":"AA"}')


def test_a_link_is_no_login_and_a_login_no_link(card: VirtualCard) -> None:
    with pytest.raises(ValueError, match="exactly"):
        linking.Flattened.parse(to_json(linked(card)))
    with pytest.raises(ValueError, match="exactly"):
        parse(sign_as_holder(card, request(SigningPurpose.LOGIN), Purpose.AUTHENTICATION).to_json())
