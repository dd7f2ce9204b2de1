"""The invitation, the yes that answers it, and the digits that join the two, on both databases."""

from datetime import timedelta

from assurance.evidence import EmailCode
from tests.conftest import FixedClock
from tests.delegation.conftest import Town


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
