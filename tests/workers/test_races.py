"""Over three workers: of thirty at once one wins and the others are told so, and what ended serves nobody."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlmodel import select

from assurance.events import EventName
from assurance.tables import IdentifierRow
from delegation.tables import HoldRow, MandateRow
from tests.workers.browser import Resident, at_once
from tests.workers.deployment import Deck, Deployment, deployed
from tests.workers.scene import Scene, Users

MANY: Final = 30
WORKERS: Final = 3

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, deck: Deck
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("races")
    url = f"sqlite:///{folder / 'dairi.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_url")
        engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE races"))
        engine.dispose()
        url = server.replace("/postgres?", "/races?")
    with deployed(folder, url, deck, WORKERS) as running:
        yield running


@pytest.fixture(scope="module")
def scene(deployment: Deployment) -> Iterator[Scene]:
    made = Scene(deployment)
    for resident, who in zip((made.hanako, made.yuki), deployment.residents, strict=False):
        resident.log_in_by_mail(who.address)
        resident.log_in_by_card()
    made.portal.log_in()
    yield made
    made.balancer.close()


def one_of(answers: Sequence[Any], won: int, lost: int | set[int]) -> Any:
    """The winner's answer; everyone else was refused, in a way of its own."""
    counted = Counter(answer.status_code for answer in answers)
    refusals = {lost} if isinstance(lost, int) else lost
    assert counted[won] == 1, counted
    assert counted.keys() - {won} <= refusals, counted
    return next(answer for answer in answers if answer.status_code == won)


def all_at_once(act: Callable[[], Any], count: int = MANY) -> list[Any]:
    return at_once(*[act] * count)


def test_a_code_is_redeemed_by_one_and_the_others_end_what_it_gave(scene: Scene) -> None:
    code = scene.portal.own_code(scene.yuki)
    answers = all_at_once(partial(scene.portal.redeem, code))
    tokens = one_of(answers, 200, 400).json()
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert not scene.portal.is_active(tokens["access_token"])
    assert scene.portal.refresh(tokens["refresh_token"]).json() == {"error": "invalid_grant"}


def test_a_refresh_token_is_used_by_one_and_the_others_end_its_family(scene: Scene) -> None:
    first = scene.portal.redeem(scene.portal.own_code(scene.yuki)).json()
    assert scene.portal.is_active(first["access_token"])
    answers = all_at_once(partial(scene.portal.refresh, first["refresh_token"]))
    tokens = one_of(answers, 200, 400).json()
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert not scene.portal.is_active(first["access_token"])
    assert scene.portal.refresh(tokens["refresh_token"]).json() == {"error": "invalid_grant"}


def test_first_uses_of_one_person_at_once_give_one_sub(scene: Scene) -> None:
    residents = [Resident(scene.deployment, scene.balancer, scene.deployment.residents[2]) for _ in range(6)]
    for resident in residents:
        resident.log_in_by_card()
    codes = at_once(*[partial(scene.portal.own_code, resident) for resident in residents * 5])
    told = [scene.portal.redeem(code).json()["access_token"] for code in codes]
    subs = {scene.portal.post("/introspect", token=token).json()["sub"] for token in told}
    assert len(subs) == 1


def test_a_cards_challenge_is_answered_by_one(scene: Scene) -> None:
    form = scene.hanako.signed_login()
    post = scene.hanako.browser.send
    answers = all_at_once(partial(post, "POST", "/card/answer", data=form, headers={"origin": "null"}))
    one_of(answers, 303, 400)


def test_a_cards_answer_logs_one_in(scene: Scene) -> None:
    visitor = Resident(scene.deployment, scene.balancer, scene.deployment.residents[2])
    where = visitor.bring(visitor.signed_login())
    before = scene.leaves(EventName.LOGIN_SUCCEEDED)
    browsers = [visitor.browser.copy() for _ in range(MANY)]
    answers = at_once(*[partial(browser.send, "GET", where) for browser in browsers])
    one_of(answers, 303, 400)
    assert scene.leaves(EventName.LOGIN_SUCCEEDED) == before + 1


def test_an_email_code_logs_one_in(scene: Scene) -> None:
    visitor = Resident(scene.deployment, scene.balancer)
    form = visitor.asked_for_code("one@example.jp")
    browsers = [visitor.browser.copy() for _ in range(MANY)]
    own = {"origin": scene.deployment.services.ward.origin}
    answers = at_once(
        *[partial(browser.send, "POST", "/login/email/code", data=form, headers=own) for browser in browsers]
    )
    one_of(answers, 303, 400)


def test_wrong_email_codes_at_once_are_five_tries(scene: Scene) -> None:
    visitor = Resident(scene.deployment, scene.balancer)
    form = visitor.asked_for_code("guessed@example.jp")
    wrong = form | {"code": f"{(int(form['code']) + 1) % 10**6:06d}"}
    before = scene.leaves(EventName.EMAIL_CODE_WRONG)
    answers = all_at_once(partial(visitor.post, "/login/email/code", **wrong))
    assert {answer.status_code for answer in answers} == {400}
    assert scene.leaves(EventName.EMAIL_CODE_WRONG) == before + 5
    assert visitor.post("/login/email/code", **form).status_code == 400


def test_first_logins_of_one_address_at_once_are_one_persons(scene: Scene) -> None:
    visitors = [Resident(scene.deployment, scene.balancer) for _ in range(5)]
    forms = [visitor.asked_for_code("new@example.jp") for visitor in visitors]
    known = len(scene.rows(select(IdentifierRow)))
    answers = at_once(
        *[
            partial(visitor.post, "/login/email/code", **form)
            for visitor, form in zip(visitors, forms, strict=True)
        ]
    )
    assert {answer.status_code for answer in answers} == {303}
    assert len(scene.rows(select(IdentifierRow))) == known + 1


def test_an_invitation_is_accepted_once(scene: Scene) -> None:
    grant, handle = scene.proposed()
    proposal = scene.yuki.proposal(handle)
    accept = partial(scene.yuki.post, f"/invitations/{handle}/accept", proposal=proposal)
    one_of(all_at_once(accept), 303, 404)
    assert scene.steps(grant) == ["accepted"]


def test_digits_are_compared_once(scene: Scene) -> None:
    grant = scene.accepted()
    compare = partial(scene.hanako.post, f"/grants/{grant}/digits", digits=scene.yuki.digits(grant))
    before = scene.leaves(EventName.GRANT_COMPARED)
    one_of(all_at_once(compare), 303, 400)
    assert scene.leaves(EventName.GRANT_COMPARED) == before + 1


def test_wrong_digits_at_once_are_three_tries(scene: Scene) -> None:
    grant = scene.accepted()
    wrong = f"{(int(scene.yuki.digits(grant)) + 1) % 10**6:06d}"
    before = scene.leaves(EventName.GRANT_DIGITS_WRONG)
    answers = all_at_once(partial(scene.hanako.post, f"/grants/{grant}/digits", digits=wrong))
    assert {answer.status_code for answer in answers} == {400}
    assert scene.leaves(EventName.GRANT_DIGITS_WRONG) == before + 3
    assert scene.steps(grant) == ["accepted", "ended"]


def test_of_many_signed_mandates_one_is_taken_in(scene: Scene) -> None:
    grant = scene.compared()
    where = [scene.hanako.bring(scene.hanako.signed_mandate(grant)) for _ in range(MANY)]
    browsers = [scene.hanako.browser.copy() for _ in range(MANY)]
    answers = at_once(
        *[partial(browser.send, "GET", to) for browser, to in zip(browsers, where, strict=True)]
    )
    one_of(answers, 303, 400)
    assert scene.steps(grant) == ["accepted", "active"]
    assert len(scene.rows(select(MandateRow).where(MandateRow.grant == grant))) == 1


def test_a_grant_is_ended_once_by_whichever_side(scene: Scene) -> None:
    grant = scene.active()
    before = scene.leaves(EventName.GRANT_ENDED)
    by_each = [partial(who.post, f"/grants/{grant}/end") for who in (scene.hanako, scene.yuki)]
    one_of(at_once(*by_each * (MANY // 2)), 303, 400)
    assert scene.steps(grant) == ["accepted", "active", "ended"]
    assert scene.leaves(EventName.GRANT_ENDED) == before + 1


def test_one_sides_pause_is_placed_once_and_lifted_once(scene: Scene) -> None:
    """Both are idempotent to the side that asks: everyone is led to the grant, which says what it is now."""
    grant = scene.active()
    for path, event in (("pause", EventName.GRANT_PAUSED), ("resume", EventName.GRANT_RESUMED)):
        before = scene.leaves(event)
        answers = all_at_once(partial(scene.hanako.post, f"/grants/{grant}/{path}"))
        assert {answer.status_code for answer in answers} == {303}
        assert scene.leaves(event) == before + 1
    (hold,) = scene.rows(select(HoldRow).where(HoldRow.target == grant))
    assert hold.lifted_at is not None


def test_of_a_signature_and_an_ending_at_once_the_ending_stands(scene: Scene) -> None:
    grant = scene.compared()
    where = scene.hanako.bring(scene.hanako.signed_mandate(grant))
    signing = partial(scene.hanako.browser.copy().send, "GET", where)
    ending = partial(scene.yuki.post, f"/grants/{grant}/end")
    answers = at_once(signing, *[ending] * (MANY - 1))
    assert {answer.status_code for answer in answers} <= {303, 400}
    steps = scene.steps(grant)
    if steps[-1] == "active":  # every ending met a version that the signature had just taken
        assert scene.yuki.post(f"/grants/{grant}/end").status_code == 303
    assert scene.steps(grant)[-1] == "ended"


# What ended, while it is used on every worker.


def end(scene: Scene, grant: str, _delegate: Resident) -> int:
    return scene.hanako.post(f"/grants/{grant}/end").status_code


def pause(scene: Scene, grant: str, _delegate: Resident) -> int:
    return scene.hanako.post(f"/grants/{grant}/pause").status_code


def renounce(_scene: Scene, grant: str, delegate: Resident) -> int:
    return delegate.post(f"/grants/{grant}/end").status_code


def log_out(_scene: Scene, _grant: str, delegate: Resident) -> int:
    return delegate.post("/logout").status_code


@pytest.mark.parametrize("stop", [end, pause, renounce, log_out])
def test_no_yes_began_after_the_answer_of_what_ended_it(
    scene: Scene, stop: Callable[[Scene, str, Resident], int]
) -> None:
    grant, delegate = scene.active(), Resident(scene.deployment, scene.balancer, scene.yuki.who)
    delegate.log_in_by_card()
    tokens = [scene.portal.redeem(scene.portal.acting_code(delegate, grant)).json() for _ in range(3)]
    users = Users()
    for token in tokens:
        access, refreshed = token["access_token"], [token["refresh_token"]]

        def refresh(held: list[str] = refreshed) -> bool:
            answer = scene.portal.refresh(held[-1])
            held.append(answer.json().get("refresh_token", held[-1]))
            return answer.status_code == 200

        users.use(partial(scene.portal.decides, access))
        users.use(partial(scene.portal.decides, access))
        users.use(partial(scene.portal.is_active, access))
        users.use(refresh)
    with users.at_work():
        users.wait_for(2 * MANY)
        assert stop(scene, grant, delegate) in {200, 303}
        ended = users.now()
        users.wait_for(4 * MANY)
    before = [said for began, said in users.answers if began < ended]
    after = [said for began, said in users.answers if began > ended]
    assert sum(before) >= MANY
    assert len(after) >= MANY
    assert not any(after)
