"""The principal's own signature: who may bring it, what is judged again, and what is kept and told of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import col, select, update

from assurance.person import new_id
from assurance.tables import ProofRow, ProtectionRow
from card.dates import ward_day
from card.jose import unverified_claims, unverified_header
from card.virtual.card import VirtualCard
from delegation import signing
from delegation.tables import GrantRow, HoldRow, MandateRow, TransitionRow
from idp.keys import KeyPurpose
from tests.conftest import FixedClock
from tests.delegation.conftest import Resident, Town


def request_of(page: Any) -> str:
    found: str = page.text.partition('name="request" value="')[2].partition('"')[0]
    assert page.status_code == 200
    assert found
    return found


def impede(town: Town, who: str, how: str) -> None:
    person, ward, now = getattr(town, who).person, town.services.ward.code, town.services.clock.now()
    with town.services.database.writing(ward) as unit:
        if how == "proof":
            unit.session.exec(update(ProofRow).where(col(ProofRow.person) == person).values(ends_at=now))
            return
        held = HoldRow(
            ward=ward, id=new_id(), kind="person", target=person, cause="admin", placed_by="x", placed_at=now
        )
        unit.session.add(held if how == "hold" else ProtectionRow(ward=ward, person=person, since=now))


def test_a_mandate_is_kept_sealed_with_a_record_by_the_archive_key(town: Town) -> None:
    grant = town.active()
    with town.services.database.reading() as session:
        kept = session.exec(select(MandateRow).where(MandateRow.grant == grant)).one()
    assert "花子".encode() not in kept.container
    record = unverified_claims(kept.record)
    assert record["revocation"]["state"] == "good"  # type: ignore[index] # the record's own shape
    archive = town.services.keys.signer(KeyPurpose.ARCHIVE).kid
    assert unverified_header(kept.record)["kid"] == archive


def test_nothing_is_signed_before_acceptance_and_comparing(town: Town) -> None:
    grant, _ = town.proposed()
    assert town.hanako.sign(grant).status_code == 400
    grant = town.accepted()
    assert town.hanako.sign(grant).status_code == 400
    assert town.hanako.get(f"/grants/{grant}/sign").status_code == 400


def test_a_mandate_is_signed_by_the_principals_own_card_alone(
    town: Town, cards: dict[str, VirtualCard]
) -> None:
    grant = town.compared()
    refused = town.hanako.sign(grant, cards["田中由紀"])
    assert refused.status_code == 403
    assert "本人のカードによるものではありません" in refused.text
    assert town.row(grant).state == "accepted"
    assert town.yuki.sign(grant).status_code == 400


def test_the_delegate_cannot_bring_the_mandate_of_her_own_grant(town: Town) -> None:
    """Hanako opened the signing, Yuki logged in at the same browser, and Hanako's card answered."""
    grant = town.compared()
    jws = request_of(town.hanako.post(f"/grants/{grant}/sign"))
    for cookie in town.yuki.http.cookies.jar:
        if cookie.name.endswith("login"):
            town.hanako.http.cookies.delete(cookie.name)
            town.hanako.http.cookies.set(cookie.name, str(cookie.value), domain=town.services.ward.rp_id)
    refused = town.hanako.answer(jws)
    assert (refused.status_code, town.row(grant).state) == (400, "accepted")


@pytest.mark.parametrize("who", ["hanako", "yuki"])
@pytest.mark.parametrize("how", ["proof", "hold", "protection"])
def test_every_guard_runs_again_at_signing_and_at_activation(town: Town, who: str, how: str) -> None:
    grant = town.compared()
    jws = request_of(town.hanako.post(f"/grants/{grant}/sign"))
    impede(town, who, how)
    for refused in (town.hanako.post(f"/grants/{grant}/sign"), town.hanako.answer(jws)):
        assert refused.status_code in {400, 403}
    assert town.row(grant).state == "accepted"


def test_what_changed_since_it_was_accepted_cannot_be_signed(town: Town) -> None:
    grant = town.compared()
    jws = request_of(town.hanako.post(f"/grants/{grant}/sign"))
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.exec(select(GrantRow).where(GrantRow.id == grant)).one()
        row.last = (ward_day(town.services.clock.now()) + timedelta(days=60)).isoformat()
        unit.session.add(row)
    for refused in (
        town.hanako.answer(jws),
        town.hanako.get(f"/grants/{grant}/sign"),
        town.hanako.post(f"/grants/{grant}/sign"),
    ):
        assert (refused.status_code, town.row(grant).state) == (400, "accepted")
        assert "引き受けた内容と、今の内容が違います" in refused.text


def test_a_commitment_to_someone_else_is_not_what_was_accepted(town: Town) -> None:
    grant = town.compared()
    with town.services.database.writing(town.services.ward.code) as unit:
        unit.session.exec(update(GrantRow).where(col(GrantRow.id) == grant).values(commitment="x" * 43))
    assert "引き受けた内容と" in town.hanako.get(f"/grants/{grant}/sign").text


def test_a_delegate_whose_proven_attributes_changed_accepts_anew(town: Town) -> None:
    grant = town.compared()
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.exec(select(ProofRow).where(ProofRow.person == town.yuki.person)).one()
        cipher = town.services.vault.cipher_for(unit.session, unit.ward, town.yuki.person)
        row.name = cipher.seal("佐藤\u3000由紀", table="proof", column="name", row=row.id)
        unit.session.add(row)
    refused = town.hanako.get(f"/grants/{grant}/sign")
    assert (refused.status_code, "引き受けた内容と" in refused.text) == (400, True)


def test_the_steps_of_a_grant_are_numbered_as_its_versions(town: Town) -> None:
    grant = town.active()
    town.hanako.post(f"/grants/{grant}/end")
    with town.services.database.reading() as session:
        steps = session.exec(
            select(TransitionRow).where(TransitionRow.grant == grant).order_by(col(TransitionRow.version))
        ).all()
    assert [(step.version, step.state) for step in steps] == [(2, "accepted"), (3, "active"), (4, "ended")]
    assert town.row(grant).version == 4


class Held:
    """A browser that keeps its last step back, so that two can be taken at once."""

    def __init__(self, http: Any) -> None:
        self._http = http

    def post(self, *arguments: Any, **named: Any) -> Any:
        return self._http.post(*arguments, **named)

    def get(self, path: str) -> Callable[[], Any]:
        return partial(self._http.get, path)


def test_of_two_completions_at_once_one_counts_and_the_other_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant, both = town.compared(), threading.Barrier(2)
    other = Resident(
        town.hanako.person, town.hanako.address, town.hanako.card, type(town.hanako.http)(
            town.hanako.http.app, base_url=town.services.ward.origin, follow_redirects=False
        ), town.services,
    )  # fmt: skip
    other.log_in()
    browsers = (town.hanako, other)
    asked = [request_of(browser.post(f"/grants/{grant}/sign")) for browser in browsers]
    steps = []
    for browser, jws in zip(browsers, asked, strict=True):
        monkeypatch.setattr(browser, "http", Held(browser.http))
        steps.append(browser.answer(jws))
    before = signing._record

    def together(*arguments: Any) -> str:
        with suppress(threading.BrokenBarrierError):  # on SQLite the second waits for the first's commit
            both.wait(timeout=1)
        return before(*arguments)

    monkeypatch.setattr(signing, "_record", together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda step: step(), steps))
    assert sorted(answer.status_code for answer in answers) == [303, 400]
    with town.services.database.reading() as session:
        assert len(session.exec(select(MandateRow)).all()) == 1


def test_a_receipt_says_what_is_in_force_at_its_date_and_for_whom(town: Town, clock: FixedClock) -> None:
    grant, again = town.active(last="2026-12-24"), town.active(last="2026-12-24")

    def receipt(reader: Resident, of: str = grant) -> Any:
        return unverified_claims(reader.get(f"/grants/{of}/receipt").text)

    mine, hers = receipt(town.hanako), receipt(town.yuki)
    assert (mine["state"], mine["role"], mine["principal"]) == ("active", "principal", "田中\u3000花子")
    assert (hers["state"], hers["role"], hers["delegate"]) == ("active", "delegate", "田中\u3000由紀")
    assert mine["aud"] not in {hers["aud"], town.hanako.person}
    assert receipt(town.hanako, again)["aud"] == mine["aud"]
    town.yuki.post(f"/grants/{grant}/pause")
    assert receipt(town.hanako)["state"] == "unusable"
    clock.advance(timedelta(days=31))
    for resident in (town.hanako, town.yuki):
        resident.log_in()
    assert receipt(town.hanako)["state"] == "expired"
    town.hanako.post(f"/grants/{grant}/end")
    assert receipt(town.yuki)["state"] == "ended"
