"""From the proposal to the mandate, through the pages, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from assurance.evidence import EmailCode
from card.dates import add_months, ward_day
from card.jose import unverified_claims, unverified_header
from card.virtual.card import VirtualCard
from delegation.tables import GrantRow, MandateRow
from idp.keys import KeyPurpose
from tests.conftest import FixedClock
from tests.delegation.conftest import Town


def test_a_grant_is_proposed_accepted_compared_signed_and_ended(town: Town) -> None:
    grant = town.active()
    assert "代わりに次の手続きができます" in town.hanako.get(f"/grants/{grant}").text
    assert "田中\u3000花子さんの代わりに" in town.yuki.get(f"/grants/{grant}").text
    told = [mail.to for mail in town.mail.sent]
    assert told == ["yuki@example.jp", "hanako@example.jp", "hanako@example.jp", "yuki@example.jp"]
    assert not any("認定" in mail.body + mail.subject for mail in town.mail.sent)
    assert town.hanako.post(f"/grants/{grant}/end").status_code == 303
    assert town.row(grant).ended_reason == "revoked"
    assert town.yuki.post(f"/grants/{grant}/end").status_code == 400
    assert "もう何もできません" in town.hanako.get(f"/grants/{grant}").text


def test_a_mandate_is_kept_sealed_with_a_record_by_the_archive_key(town: Town) -> None:
    grant = town.active()
    with town.services.database.reading() as session:
        kept = session.exec(select(MandateRow).where(MandateRow.grant == grant)).one()
    assert "花子".encode() not in kept.container
    record = unverified_claims(kept.record)
    assert record["revocation"]["state"] == "good"  # type: ignore[index] # the record's own shape
    archive = town.services.keys.signer(KeyPurpose.ARCHIVE).kid
    assert unverified_header(kept.record)["kid"] == archive
    for reader, audience in ((town.hanako, "principal"), (town.yuki, "delegate")):
        receipt = reader.get(f"/grants/{grant}/receipt")
        told = unverified_claims(receipt.text)
        assert (told["aud"], told["state"], told["principal"]) == (audience, "active", "田中\u3000花子")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"address": "ｈａｎａｋｏ@example.jp"}, "自分自身"),
        ({"last": "2026-11-23"}, "過ぎています"),
        ({"last": "いつまでも"}, "読み取れません"),
        ({"last": "2027-02-24"}, "2027年（令和9年）2月23日までの日"),
        ({"procedure": ["inkan.register"]}, "お願いできないもの"),
        ({"procedure": []}, "一つ以上"),
        ({"action": []}, "一つ以上"),
        ({"name": "  "}, "名前を入力"),
        ({"name": "1234 5678 9018"}, "マイナンバー（12けたの番号）は"),
        ({"address": "yuki"}, "形が正しくない"),
    ],
)
def test_what_cannot_be_given_is_refused_and_nothing_typed_is_lost(
    town: Town, changes: dict[str, Any], says: str
) -> None:
    answer = town.hanako.propose(town.yuki, **changes)
    assert answer.status_code == 400
    assert says in answer.text
    assert str(changes.get("address", town.yuki.address)) in answer.text
    assert not town.mail.sent


def test_a_grant_of_the_longest_time_is_allowed(town: Town) -> None:
    last = add_months(ward_day(town.services.clock.now()), 3) - timedelta(days=1)
    town.proposed(last=last.isoformat())


def test_a_procedure_of_another_basis_cannot_be_slipped_in(town: Town) -> None:
    answer = town.hanako.propose(town.yuki, procedure=["kaigo.nintei.renew", "no.such"])
    assert answer.status_code == 400


def test_an_invitation_shows_nothing_to_a_weak_login_and_get_consumes_nothing(town: Town) -> None:
    _, invitation = town.proposed()
    now = town.services.clock.now()
    mac = town.services.vault.mac(town.services.ward.code, "email", town.yuki.address)
    town.yuki.log_in(EmailCode(now, mac))
    for _ in range(3):
        page = town.yuki.get(invitation)
        assert "引き受けることもできません" in page.text
        assert "花子" not in page.text
    assert town.yuki.post(f"{invitation}/accept", proposal="x").status_code == 403


def test_an_invitation_is_accepted_only_at_the_invited_address(town: Town) -> None:
    grant, invitation = town.proposed()
    town.yuki.log_in()
    assert "花子" not in town.yuki.get(invitation).text
    assert town.yuki.post(f"{invitation}/accept", proposal="x").status_code == 403
    page = town.yuki.post(f"{invitation}/mail")
    challenge = page.text.partition('name="challenge" value="')[2][:32]
    wrong = town.yuki.post(f"{invitation}/code", challenge=challenge, code="000000")
    assert "あと4回" in wrong.text
    code = town.mail.code()
    assert town.yuki.post(f"{invitation}/code", challenge=challenge, code=code).status_code == 303
    assert "引き受ける" in town.yuki.get(invitation).text
    assert town.row(grant).state == "proposed"


def test_an_invitation_is_for_the_name_that_was_typed(town: Town) -> None:
    grant, invitation = town.proposed(name="田中\u3000由美")
    town.yuki.log_in(read_back=True)
    refused = town.yuki.post(f"{invitation}/accept", proposal="x")
    assert refused.status_code == 403
    assert town.row(grant).state == "proposed"
    assert town.mail.sent[-1].to == town.hanako.address


def test_nobody_accepts_their_own_proposal(town: Town) -> None:
    _, invitation = town.proposed(name="田中花子", address="another@example.jp")
    town.hanako.address = "another@example.jp"
    town.hanako.log_in(read_back=True)
    refused = town.hanako.post(f"{invitation}/accept", proposal="x")
    assert (refused.status_code, "自分自身" in refused.text) == (400, True)


def test_an_acceptance_names_what_was_read(town: Town) -> None:
    _, invitation = town.proposed()
    town.yuki.log_in(read_back=True)
    assert "読んだ内容" in town.yuki.post(f"{invitation}/accept", proposal="0" * 64).text


def test_an_invitation_closes_after_thirty_days_and_after_an_answer(town: Town, clock: FixedClock) -> None:
    _, declined = town.proposed()
    town.yuki.log_in(read_back=True)
    assert town.yuki.post(f"{declined}/decline").status_code == 200
    assert town.yuki.get(declined).status_code == 404
    _, old = town.proposed()
    clock.advance(timedelta(days=30))
    assert town.yuki.get(old).status_code == 404


def test_three_wrong_digits_end_the_proposal(town: Town) -> None:
    grant = town.accepted()
    right = town.digits(grant)
    wrong = "000000" if right != "000000" else "111111"
    answers = [town.hanako.post(f"/grants/{grant}/digits", digits=wrong) for _ in range(3)]
    assert ["あと2回" in answers[0].text, "あと1回" in answers[1].text] == [True, True]
    assert "お願いは終わりました" in answers[2].text
    assert town.row(grant).state == "ended"
    assert town.hanako.post(f"/grants/{grant}/digits", digits=right).status_code == 400


def test_the_digits_are_the_delegates_alone(town: Town) -> None:
    grant = town.accepted()
    assert 'class="digits"' not in town.hanako.get(f"/grants/{grant}").text
    assert not any(town.digits(grant) in mail.body for mail in town.mail.sent)
    assert town.yuki.post(f"/grants/{grant}/digits", digits=town.digits(grant)).status_code == 400


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


def test_a_mandate_whose_grant_changed_meanwhile_is_refused(town: Town) -> None:
    grant = town.compared()
    page = town.hanako.post(f"/grants/{grant}/sign")
    jws = page.text.partition('name="request" value="')[2].partition('"')[0]
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.exec(select(GrantRow).where(GrantRow.id == grant)).one()
        row.last = (ward_day(town.services.clock.now()) + timedelta(days=60)).isoformat()
        unit.session.add(row)
    refused = town.hanako.answer(jws)
    assert (refused.status_code, town.row(grant).state) == (400, "accepted")
    assert "お願いの内容と違います" in refused.text


def test_a_grant_of_others_answers_like_none(town: Town) -> None:
    grant = town.active()
    unknown = town.hanako.get(f"/grants/{'0' * 32}")
    assert unknown.status_code == 404
    with town.services.database.writing(town.services.ward.code) as unit:
        row = unit.session.exec(select(GrantRow).where(GrantRow.id == grant)).one()
        row.principal = row.delegate = "0" * 32
        unit.session.add(row)
    strange = town.hanako.get(f"/grants/{grant}")
    assert (strange.status_code, strange.text.replace(grant, "0" * 32)) == (404, unknown.text)


def test_pausing_is_each_sides_own(town: Town) -> None:
    grant = town.active()
    town.yuki.post(f"/grants/{grant}/pause")
    town.hanako.post(f"/grants/{grant}/pause")
    town.hanako.post(f"/grants/{grant}/resume")
    assert "使えません" in town.hanako.get(f"/grants/{grant}").text
    town.yuki.post(f"/grants/{grant}/resume")
    assert "代わりに次の手続きができます" in town.hanako.get(f"/grants/{grant}").text


@pytest.mark.parametrize("path", ["/grants", "/grants/new", "/grants/x", "/grants/x/sign", "/grants/x/end"])
def test_grants_are_shown_to_strong_logins_alone(town: Town, path: str) -> None:
    now = town.services.clock.now()
    mac = town.services.vault.mac(town.services.ward.code, "email", town.hanako.address)
    town.hanako.log_in(EmailCode(now, mac))
    answer = town.hanako.get(path)
    assert (answer.status_code, answer.headers["location"][:9]) == (303, "/login?i=")
