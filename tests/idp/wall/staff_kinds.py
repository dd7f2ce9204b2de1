"""The kinds of identifiers that come about at the counter, with staff and with care offices."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from delegation.revoked.consequence import REVIEW_TAKES
from delegation.revoked.tables import RevokedMandateRow
from tests.delegation.conftest import Resident
from tests.delegation.counter.conftest import Clerk
from tests.delegation.counter.test_papers import paper
from tests.idp.steps import bring, link_answer
from tests.idp.wall.sides import Side, Value

CHILD: Final = {
    "child_name": "田中さくら",
    "child_birth": "2018-04-01",
    "sex": "2",
    "address": "東京都渋谷区１－１",
    "proof": "family_register",
}


def _named(page: Any, before: str) -> set[str]:
    """The ids that a page leads to."""
    assert page.status_code == 200, page.text
    return set(re.findall(f"{before}([0-9a-f]{{32}})", page.text))


def visit_of(side: Side, clerk: Resident) -> str:
    assert isinstance(clerk, Clerk)
    return clerk.visit(side.town.hanako.card).rpartition("/")[2]


def read_card(side: Side, clerk: Resident) -> str:
    """A card that was read to be registered: Hanako's own, which is hers already."""
    assert isinstance(clerk, Clerk)
    page = clerk.post("/counter/cards/new", language="ja")
    brought = bring(clerk, link_answer(clerk, clerk.request_of(page), side.town.hanako.card))
    return str(clerk.get(brought.headers["location"]).headers["location"]).rpartition("/")[2]


def chosen_card(side: Side) -> str:
    """One that waits for its second staff member."""
    jiro = side.logged_in("jiro")
    id_ = read_card(side, jiro)
    answer = jiro.post(f"/counter/cards/{id_}/choose", choice=side.town.hanako.person)
    assert answer.status_code == 303, answer.text
    return id_


def entered(side: Side, path: str, by: tuple[str, ...], **form: Any) -> str:
    """The number of a paper that was entered."""
    number = side.new_number()
    for name in by:
        answer = side.logged_in(name).post(f"/counter/{path}/new", **(form | {"number": number}))
        assert answer.headers["location"] == "/counter/received", answer.text
    return number


def letter(side: Side) -> Value:
    """The grant of a principal without a channel."""

    def make() -> str:
        principal = {"principal_name": "職員三郎", "principal_birth": "1968-05-03"}
        entered(side, "papers", ("ichiro", "jiro"), **paper(**principal))
        (found,) = _named(side.logged_in("ichiro").get("/counter/letters"), "/counter/letters/")
        return found

    return Value(side.once("letter", make))


def hold(side: Side) -> Value:
    """One on a colleague, whom nothing else needs from then on."""
    ichiro, page = side.logged_in("ichiro"), f"/staff/people/{side.people['saburo'].person}"
    if not _named(ichiro.get(page), "/staff/holds/"):
        assert ichiro.post(f"{page}/hold", reason="死亡の届出").status_code == 303
    (found,) = _named(ichiro.get(page), "/staff/holds/")
    return Value(found)


def change(side: Side) -> Value:
    """One that waits for its first signature."""

    def make() -> str:
        form = {"role": "staff", "last": "2027-05-31"}
        page = f"/staff/people/{side.town.hanako.person}/role"
        answer = side.logged_in("ichiro").post(page, **form)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"]).rpartition("/")[2]

    return Value(side.once("change", make))


def review(side: Side) -> Value:
    """A grant whose mandate waits for staff."""

    def make() -> str:
        grant, services = side.grant("active"), side.services
        now = services.clock.now()
        with services.database.writing(services.ward.code) as unit:
            unit.session.merge(
                RevokedMandateRow(
                    ward=unit.ward, grant=grant, reason="unspecified", seen_at=now, hold_at=now + REVIEW_TAKES
                )
            )
        return grant

    return Value(side.once("review", make))


def invited(side: Side) -> tuple[str, str]:
    """A membership that waits for its yes, and its handle."""

    def make() -> tuple[str, str]:
        page = f"/offices/{side.office.id}"
        before = _named(side.office.admin.get(page), f"{page}/members/")
        assert side.office.invite(side.town.yuki, "13000003").status_code == 303
        (new,) = _named(side.office.admin.get(page), f"{page}/members/") - before
        return new, side.office.link().rpartition("/")[2]

    made: tuple[str, str] = side.once("invited", make)
    return made


def request(side: Side) -> str:
    """What the office asks of Hanako."""

    def make() -> str:
        before = _named(side.town.hanako.get("/grants"), "/requests/")
        assert side.office.ask(side.town.hanako).status_code == 303
        (new,) = _named(side.town.hanako.get("/grants"), "/requests/") - before
        return new

    made: str = side.once("request", make)
    return made


def for_office(side: Side) -> str:
    """A grant that Hanako gave the office."""

    def make() -> str:
        hanako = side.town.hanako
        answer = hanako.post(f"/requests/{request(side)}/agree")
        side.spend("request")
        grant = str(answer.headers["location"]).split("/")[-2]
        assert hanako.sign(grant).status_code == 303
        return grant

    made: str = side.once("for office", make)
    return made


def handed_over(side: Side) -> str:
    """A grant whose next person was announced."""

    def make() -> str:
        grant = for_office(side)
        side.spend("for office")
        assert side.office.hand_over(grant, side.office.mori).status_code == 303
        return grant

    made: str = side.once("handed over", make)
    return made


STAFF_KINDS: Final[Mapping[str, Callable[[Side], Value]]] = {
    "staff": lambda side: Value(side.people["ichiro"].person),
    "colleague": lambda side: Value(side.people["saburo"].person),
    "staff login": lambda side: Value(side.cookies(side.logged_in("ichiro").http)["login"]),
    "visit": lambda side: Value(visit_of(side, side.logged_in("jiro"))),
    "read card": lambda side: Value(read_card(side, side.logged_in("jiro"))),
    "chosen card": lambda side: Value(chosen_card(side)),
    "paper": lambda side: Value(entered(side, "papers", ("jiro",), **paper())),
    "child's paper": lambda side: Value(entered(side, "children", ("jiro",), **CHILD)),
    "letter": letter,
    "hold": hold,
    "change": change,
    "review": review,
    "office": lambda side: Value(side.office.id),
    "member": lambda side: Value(side.office.member(side.office.mori).id),
    "invited": lambda side: Value(invited(side)[0]),
    "membership": lambda side: Value(invited(side)[1]),
    "request": lambda side: Value(request(side)),
    "for office": lambda side: Value(for_office(side)),
    "handed over": lambda side: Value(handed_over(side)),
}
