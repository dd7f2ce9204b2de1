"""What a bridge knows of its providers: the pinned key, and the successors that it follows it to."""

import json
import stat
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from card.bridge import command
from card.bridge.enrolment import Enrolment, Pin, write_enrolment
from card.container import SigningPurpose, prepare
from card.jose import SoftwareSigner, b64url_encode, sign_compact, unverified_claims
from card.private_file import write_private
from card.request import TYP as REQUEST
from card.request import CardRequest, ReadingRequest, RequestRefused, sign_request
from card.successors import GRACE, MOST, TYP, certify
from tests.bridge.conftest import PinPage, Start
from tests.conftest import NOW, FixedClock

WARDS = ("https://shibuya.id.example", "https://setagaya.id.example")
SHIBUYA, SETAGAYA = WARDS
KEYS = {issuer: SoftwareSigner.generate() for issuer in WARDS}
LINE = [KEYS[SHIBUYA], *(SoftwareSigner.generate() for _ in range(6))]
"""The request keys of one ward, as they followed each other."""
SOON = timedelta(minutes=5)
PINS = [Pin(issuer, f"{issuer}/card/answer", KEYS[issuer].public_jwk()) for issuer in WARDS]


def request_of(
    issuer: str, signer: SoftwareSigner, successors: Sequence[Any] = (), now: datetime = NOW
) -> str:
    address = f"{issuer}/card/answer"
    made = prepare(SigningPurpose.LOGIN, issuer=issuer, audience=address, nonce=b"n" * 16, issued_at=now)
    request = CardRequest(
        issuer=issuer,
        issuer_name={"ja": "区", "en": "Ward"},
        response_uri=address,
        cancel_uri=f"{issuer}/login?i=1",
        purpose=SigningPurpose.LOGIN,
        state="state",
        to_be_signed=made,
        issued_at=now,
        expires_at=now + SOON,
        request_id=now.isoformat() + signer.kid,
    )
    return sign_request(request, signer, successors)


def named(old: int, new: int, issuer: str = SHIBUYA, now: datetime = NOW) -> str:
    """What one key of the line says about another."""
    return certify(issuer, LINE[new].public_jwk(), LINE[old], now)


CHAIN = [named(number, number + 1) for number in range(len(LINE) - 1)]
FIRST, SECOND = CHAIN[:2]


def answer(enrolment: Enrolment, key: int, successors: Sequence[Any] = (), now: datetime = NOW) -> str:
    """What the bridge says to a request of Shibuya that is signed with one of its keys."""
    try:
        enrolment.read_request(request_of(SHIBUYA, LINE[key], successors, now), now)
    except RequestRefused as refused:
        return refused.code
    return "counts"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bridge" / "enrolment.json"
    write_enrolment(path, PINS)
    return path


@pytest.fixture
def enrolment(path: Path) -> Enrolment:
    return Enrolment.read(path)


@pytest.mark.parametrize("issuer", WARDS)
def test_one_bridge_works_for_several_wards(enrolment: Enrolment, issuer: str) -> None:
    assert enrolment.read_request(request_of(issuer, KEYS[issuer]), NOW).issuer == issuer


def test_the_key_of_one_ward_signs_no_request_of_another(enrolment: Enrolment) -> None:
    with pytest.raises(RequestRefused) as refused:
        enrolment.read_request(request_of(SHIBUYA, KEYS[SETAGAYA]), NOW)
    assert (refused.value.code, refused.value.cancel_uri) == ("bridge.unknown_key", None)


@pytest.mark.parametrize(
    "text",
    [
        '{"issuers": [{"issuer": "https://shibuya.id.example"}]}',
        '{"issuers": [{"issuer": "a", "response_uri": "b", "request_key": "c"}]}',
        "[]",
        "{}",
    ],
)
def test_a_file_that_pins_nothing_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "enrolment.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="is no enrolment"):
        Enrolment.read(path)


# Following the request key to its successor.


def test_a_successor_counts_if_the_pinned_key_named_it(enrolment: Enrolment) -> None:
    assert answer(enrolment, 1) == "bridge.unknown_key"
    assert answer(enrolment, 1, [FIRST]) == "counts"
    assert answer(enrolment, 1) == "counts"


def test_a_request_to_read_leads_to_a_successor_too(enrolment: Enrolment) -> None:
    asked = ReadingRequest(
        issuer=SHIBUYA,
        issuer_name={"ja": "区"},
        response_uri=PINS[0].response_uri,
        cancel_uri=f"{SHIBUYA}/login?i=1",
        state="state",
        issued_at=NOW,
        expires_at=NOW + SOON,
        request_id="one",
        reader_name={"ja": "窓口"},
    )
    assert enrolment.read_request(sign_request(asked, LINE[1], [FIRST]), NOW) == asked


def test_a_bridge_that_slept_through_two_rotations_follows_both(enrolment: Enrolment) -> None:
    assert answer(enrolment, 2, [FIRST, SECOND]) == "counts"


def test_a_bridge_that_was_enrolled_later_passes_over_what_came_before() -> None:
    later = Enrolment([Pin(SHIBUYA, PINS[0].response_uri, LINE[2].public_jwk())])
    assert answer(later, 3, CHAIN[1:3]) == "counts"


def test_a_bridge_follows_as_many_rotations_as_a_request_names_and_no_more(enrolment: Enrolment) -> None:
    assert answer(enrolment, MOST + 1, CHAIN[1 : MOST + 1]) == "bridge.unknown_key"
    assert answer(enrolment, MOST, CHAIN[:MOST]) == "counts"


def test_what_the_key_before_signed_counts_for_an_hour_and_then_never_again(
    path: Path, enrolment: Enrolment
) -> None:
    assert answer(enrolment, 2, [FIRST, SECOND]) == "counts"
    for old in (0, 1):
        assert answer(enrolment, old, now=NOW + GRACE - timedelta(seconds=1)) == "counts"
    for bridge in (enrolment, Enrolment.read(path)):
        for old in (0, 1):
            assert answer(bridge, old, now=NOW + GRACE) == "bridge.unknown_key"
            assert answer(bridge, old, [FIRST, SECOND], now=NOW + GRACE) == "bridge.unknown_key"
        assert answer(bridge, 2, now=NOW + GRACE) == "counts"


def test_following_again_gives_the_old_key_no_more_time(enrolment: Enrolment) -> None:
    answer(enrolment, 1, [FIRST])
    assert answer(enrolment, 1, [FIRST], now=NOW + GRACE) == "counts"
    assert answer(enrolment, 0, now=NOW + GRACE) == "bridge.unknown_key"


def test_a_key_that_was_left_names_nobody_any_more(enrolment: Enrolment) -> None:
    """Whoever steals it later comes too late."""
    answer(enrolment, 1, [FIRST])
    assert answer(enrolment, 3, [named(0, 3)]) == "bridge.unknown_key"
    assert answer(enrolment, 1) == "counts"


def test_a_loop_back_to_a_key_that_had_its_time_is_refused(path: Path, enrolment: Enrolment) -> None:
    back = named(1, 0)
    assert answer(enrolment, 0, [FIRST, back]) == "bridge.request_invalid"
    answer(enrolment, 1, [FIRST])
    late = NOW + 2 * GRACE
    for bridge in (enrolment, Enrolment.read(path)):
        assert answer(bridge, 0, [back], now=late) == "bridge.request_invalid"
        assert answer(bridge, 1, now=late) == "counts"
    assert answer(enrolment, 1, [named(1, 1)]) == "bridge.request_invalid"


def test_a_chain_out_of_its_order_leads_nowhere(enrolment: Enrolment) -> None:
    assert answer(enrolment, 2, [SECOND, FIRST]) == "bridge.unknown_key"
    assert answer(enrolment, 3, [FIRST, CHAIN[2]]) == "bridge.request_invalid"
    assert answer(enrolment, 1, [FIRST, FIRST]) == "bridge.request_invalid"
    assert answer(enrolment, 0) == "counts"


def bent(header: dict[str, Any], signer: SoftwareSigner = LINE[0], **claims: Any) -> str:
    """A statement of the pinned key that is made by hand."""
    said = {"iss": SHIBUYA, "successor": LINE[1].public_jwk(), "iat": int(NOW.timestamp())} | claims
    whole = {"alg": "ES256", "kid": LINE[0].kid, "typ": TYP} | header
    parts = [b64url_encode(json.dumps(part).encode()) for part in (whole, said)]
    signature = signer.sign(".".join(parts).encode("ascii"))
    return ".".join([*parts, b64url_encode(signature)])


def test_a_statement_made_by_hand_counts_as_one_that_the_provider_made(enrolment: Enrolment) -> None:
    assert answer(enrolment, 1, [bent({})]) == "counts"


JWK = LINE[1].public_jwk()
FORGED = {
    "signed by its own successor": bent({}, LINE[1]),
    "signed by another issuer's key": bent({}, KEYS[SETAGAYA]),
    "about another issuer": named(0, 1, SETAGAYA),
    "of no issuer": bent({}, iss=None),
    "of the future": named(0, 1, now=NOW + timedelta(minutes=2)),
    "of no time": bent({}, iat="now"),
    "of another type": sign_compact({"iss": SHIBUYA, "successor": JWK, "iat": 1}, LINE[0], typ="JWT"),
    "a request itself": request_of(SHIBUYA, LINE[0]),
    "unsigned": bent({"alg": "none"}),
    "by a shared secret": bent({"alg": "HS256"}),
    "with a critical header": bent({"crit": ["exp"], "exp": 1}),
    "names nobody": bent({}, successor=None),
    "names a private key": bent({}, successor=JWK | {"d": "AA"}),
    "names an RSA key": bent({}, successor=SoftwareSigner.generate("RS256").public_jwk()),
    "names another curve": bent({}, successor=JWK | {"crv": "P-384"}),
    "names no point": bent({}, successor=JWK | {"x": b64url_encode(b"\x01" * 32)}),
    "names a key in another spelling": bent({}, successor=JWK | {"x": JWK["x"] + "="}),
    "no statement": "a.b.c",
    "no text": 7,
    "too long": bent({}, more="x" * 1024),
}


@pytest.mark.parametrize("statement", FORGED.values(), ids=FORGED)
def test_rfc8725_3_a_forged_successor_is_refused_and_nothing_changes(
    path: Path, enrolment: Enrolment, statement: object
) -> None:
    assert answer(enrolment, 1, [statement]) == "bridge.request_invalid"
    assert answer(enrolment, 1) == "bridge.unknown_key"
    assert answer(enrolment, 0) == "counts"
    assert not path.with_suffix(".keys.json").exists()


@pytest.mark.parametrize("header", [{"jwk": JWK}, {"jku": "https://evil.example/"}, {"kid": LINE[1].kid}])
def test_rfc8725_3_10_a_statement_brings_no_key_along(enrolment: Enrolment, header: dict[str, Any]) -> None:
    assert answer(enrolment, 1, [bent(header, LINE[1])]) != "counts"
    assert answer(enrolment, 0) == "counts"


def test_the_name_that_a_successor_gives_itself_counts_for_nothing(enrolment: Enrolment) -> None:
    """Under the old key's name it would push that out, and keep requests from being told apart."""
    claims = {"iss": SHIBUYA, "successor": JWK | {"kid": LINE[0].kid}, "iat": 1}
    assert answer(enrolment, 1, [sign_compact(claims, LINE[0], typ=TYP)]) == "counts"
    assert answer(enrolment, 0) == "counts"


@pytest.mark.parametrize(
    "successors",
    [CHAIN[: MOST + 1], [FIRST] * 100, "text", {"a": 1}],
    ids=["one more", "100", "text", "object"],
)
def test_a_chain_of_another_shape_is_refused(enrolment: Enrolment, successors: Any) -> None:
    whole = dict(unverified_claims(request_of(SHIBUYA, LINE[0]))) | {"successors": successors}
    with pytest.raises(RequestRefused, match=r"bridge\.request_invalid"):
        enrolment.read_request(sign_compact(whole, LINE[0], typ=REQUEST), NOW)
    assert enrolment.read_request(sign_compact(whole | {"successors": []}, LINE[0], typ=REQUEST), NOW)


def test_a_successor_is_kept_only_with_a_request_that_is_in_order(path: Path, enrolment: Enrolment) -> None:
    late = request_of(SHIBUYA, LINE[1], [FIRST], NOW - SOON)
    with pytest.raises(RequestRefused, match=r"bridge\.expired") as refused:
        enrolment.read_request(late, NOW)
    assert refused.value.cancel_uri == f"{SHIBUYA}/login?i=1"
    assert not path.with_suffix(".keys.json").exists()


# What is kept, and where.


def test_what_was_followed_outlives_the_bridge_and_is_nobody_elses(path: Path, enrolment: Enrolment) -> None:
    answer(enrolment, 1, [FIRST])
    kept = path.with_suffix(".keys.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert answer(Enrolment.read(path), 1) == "counts"


def test_two_bridges_of_one_enrolment_keep_what_the_other_followed(path: Path) -> None:
    one, other = Enrolment.read(path), Enrolment.read(path)
    answer(one, 1, [FIRST])
    new = SoftwareSigner.generate()
    statement = certify(SETAGAYA, new.public_jwk(), KEYS[SETAGAYA], NOW)
    other.read_request(request_of(SETAGAYA, new, [statement]), NOW)
    third = Enrolment.read(path)
    assert answer(third, 1) == "counts"
    assert third.read_request(request_of(SETAGAYA, new), NOW).issuer == SETAGAYA


def test_without_a_file_it_is_kept_while_the_bridge_runs(tmp_path: Path) -> None:
    unwritable = tmp_path / "a file"
    unwritable.write_text("", "utf-8")
    for kept in (None, unwritable / "enrolment.keys.json"):
        bridge = Enrolment(PINS, kept)
        assert answer(bridge, 1, [FIRST]) == "counts"
        assert answer(bridge, 0, now=NOW + GRACE) == "bridge.unknown_key"


def test_a_bridge_that_is_enrolled_anew_begins_at_the_new_pin(path: Path, enrolment: Enrolment) -> None:
    """A thief of the first key named another successor before the true one was heard of."""
    thiefs = SoftwareSigner.generate()
    theirs = request_of(SHIBUYA, thiefs, [certify(SHIBUYA, thiefs.public_jwk(), LINE[0], NOW)])
    assert enrolment.read_request(theirs, NOW).issuer == SHIBUYA
    assert answer(enrolment, 1, [FIRST]) == "bridge.unknown_key"
    write_enrolment(path, [Pin(SHIBUYA, PINS[0].response_uri, LINE[1].public_jwk()), PINS[1]])
    anew = Enrolment.read(path)
    assert answer(anew, 1, [FIRST]) == "counts"
    with pytest.raises(RequestRefused, match=r"bridge\.unknown_key"):
        anew.read_request(request_of(SHIBUYA, thiefs), NOW)


@pytest.mark.parametrize(
    "text", ["", "[]", "[[]]", '{"a": 1}', '{"a": [{"jwk": {}, "until": null}]}', '{"a": [{}]}']
)
def test_a_file_that_keeps_no_keys_is_told(path: Path, text: str) -> None:
    """To pass over it would bring the keys back that were left."""
    path.with_suffix(".keys.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match="holds no request keys; enrol this bridge anew"):
        Enrolment.read(path)


# At the bridge's pages.


def test_a_person_sees_nothing_of_a_rotation_and_is_told_of_one_that_was_missed(
    start: Start, clock: FixedClock
) -> None:
    person = start(enrolment=Enrolment(PINS))
    told = person.http.get("/request", params={"request": request_of(SHIBUYA, LINE[1])})
    assert (told.status_code, "登録のやり直し" in told.text) == (403, True)
    page = person.http.get("/request", params={"request": request_of(SHIBUYA, LINE[1], [FIRST])})
    assert "data-onward" in person.type(PinPage.read(page.text), "1234").text


# The command.

PC = typer.Typer()
PC.command()(command.bridge)


@pytest.mark.parametrize("broken", ["enrolment", "keys", "key"])
def test_a_bridge_does_not_start_with_files_that_it_cannot_trust(tmp_path: Path, broken: str) -> None:
    """It says which, in a sentence and without a stack trace."""
    path, key = tmp_path / "enrolment.json", tmp_path / "bridge.pem"
    write_enrolment(path, PINS)
    write_private(key, LINE[0].private_pem())
    says = {"enrolment": "is no", "keys": "holds no", "key": "holds no key"}[broken]
    {"enrolment": path, "keys": path.with_suffix(".keys.json"), "key": key}[broken].write_text("{]", "utf-8")
    told = CliRunner().invoke(PC, ["--enrolment", str(path), "--key", str(key)])
    assert (told.exit_code, says in " ".join(told.stderr.split())) == (2, True), told.stderr
