"""The tenant wall: whatever is of another ward answers exactly as what does not exist.

The routes are those of the application's own table, the kinds those of `wall.kinds`, and what identifies
something where is in `wall.walk`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from assurance import counter
from assurance.database import Database
from assurance.linking import LinkedCard
from assurance.person import PersonId
from assurance.wards import Ward, WardCode
from card.virtual.card import VirtualCard
from idp.app import create_app
from idp.keys import KeyPurpose, load_keys
from idp.services import Services
from idp.token.lookups import Lookups
from idp.token.presented import AccessTokens
from tests.conftest import NOW
from tests.delegation.conftest import Town, authority, cards, linked, settle, staff, thresholds, town
from tests.idp.conftest import KeptMail, WardSystem
from tests.idp.wall.asking import Answer, Everywhere, ask, difference, shape_of
from tests.idp.wall.kinds import KINDS, one_of
from tests.idp.wall.made_up import unknown_like
from tests.idp.wall.routes import routes_of
from tests.idp.wall.sides import Side, Value, side_of
from tests.idp.wall.walk import WALK

__all__ = ["authority", "cards", "linked", "staff", "thresholds", "town"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def neighbour(services: Services) -> Services:
    """A second ward of the same deployment."""
    ward = Ward(WardCode("131121"), "https://setagaya.id.example")
    keys = load_keys(services.database, services.vault, ward.code, NOW)
    return replace(
        services,
        ward=ward,
        keys=keys,
        lookups=Lookups(ward.code, services.batch, services.clock, services.vault),
        tokens=AccessTokens(ward.issuer, keys.key_set(KeyPurpose.TOKEN), services.clock),
    )


@pytest.fixture
def app(services: Services, neighbour: Services) -> Any:
    return create_app([services, neighbour])


@pytest.fixture
def staff_next_door(neighbour: Services, linked: Callable[[str], LinkedCard]) -> tuple[PersonId, ...]:
    three = (linked("職員一郎"), linked("職員二郎"), linked("職員三郎"))
    with neighbour.database.writing(neighbour.ward.code) as unit:
        return counter.begin_staff(unit, neighbour.vault, neighbour.thresholds, three, NOW)


@pytest.fixture
def town_next_door(
    neighbour: Services,
    app: Any,
    mail: KeptMail,
    staff_next_door: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
) -> Town:
    """The same people with the same cards."""
    return settle(neighbour, app, mail, staff_next_door, linked, cards)


@pytest.fixture
def ours(
    town_next_door: Town,
    staff_next_door: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
    portal: WardSystem,
    app: Any,
) -> Iterator[Side]:
    issuer = town_next_door.services.ward.issuer
    with TestClient(app) as loop:
        side = side_of(town_next_door, loop, portal, issuer, staff_next_door, linked, cards)
        side.grant("active")
        side.number()
        yield side


@pytest.fixture
def theirs(
    town: Town,
    staff: tuple[PersonId, ...],
    linked: Callable[[str], LinkedCard],
    cards: dict[str, VirtualCard],
    portal: WardSystem,
    ours: Side,
) -> Mapping[str, Value]:
    """One value of each kind, of the other ward, whose log is the longer one."""
    side = side_of(town, ours.loop, portal, ours.shown_at, staff, linked, cards)
    made = {kind: one_of(side, kind) for kind in KINDS}
    assert int(made["size"].text) > int(one_of(ours, "size").text)
    return made


@pytest.fixture
def unknown(ours: Side, theirs: Mapping[str, Value]) -> Mapping[str, Value]:
    return {kind: unknown_like(ours, kind, value) for kind, value in theirs.items()}


def rows(database: Database, ward: Ward) -> Mapping[str, Sequence[object]]:
    """Everything that is of a ward."""
    with database.engine.connect() as connection:
        return {
            table.name: sorted(
                map(repr, connection.execute(sa.select(table).where(table.c.ward == ward.code)))
            )
            for table in SQLModel.metadata.sorted_tables
            if "ward" in table.c
        }


def test_every_route_says_what_identifies_something_at_it(
    app: Any, services: Services, neighbour: Services
) -> None:
    """A new route gets its line in `WALK`, in which every part of its path has a kind."""
    for served in (services, neighbour):
        assert routes_of(app, served.ward.origin.partition("://")[2]) == set(WALK)
    for route, entries in WALK.items():
        for part in route.split("{")[1:]:
            assert all(part.partition("}")[0] in entry.places for entry in entries), route


def test_in_every_place_what_is_of_another_ward_answers_as_what_nobody_has(
    ours: Side, theirs: Mapping[str, Value], unknown: Mapping[str, Value], services: Services
) -> None:
    """And one's own does not, so that the place is one that is looked at."""
    before, wrong, also = rows(services.database, services.ward), list[object](), services.ward.code
    for route, entries in WALK.items():
        for entry in entries:
            nobodys: dict[str, Sequence[Answer]] = {}
            for place, kinds in entry.every_place.items():
                for kind in kinds:
                    shown = ask(ours, route, entry, place, theirs[kind], also)
                    nobodys[place] = ask(ours, route, entry, place, unknown[kind], also)
                    if found := difference(shown, nobodys[place]):
                        wrong.append((route, place, kind, found))
            own = ask(ours, route, entry)
            dead = [place for place in nobodys.keys() - entry.alike if nobodys[place] == own]
            wrong += [(route, place, "one's own is answered as nobody's") for place in dead]
            ours.spend(entry.spends)
    assert wrong == []
    assert rows(services.database, services.ward) == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_everywhere_at_once_it_answers_so_too(
    ours: Side, theirs: Mapping[str, Value], unknown: Mapping[str, Value], services: Services
) -> None:
    """Every route with every kind, in places of which nobody thought; what they read is the same on both."""
    before, wrong = rows(services.database, services.ward), list[object]()
    for route, entries in WALK.items():
        ask_everywhere = Everywhere(ours, route, entries[0], services.ward.code)
        nobodys: dict[tuple[object, ...], Sequence[Answer]] = {}
        for kinds in ask_everywhere.packs(theirs):
            shown, shape = ask_everywhere([theirs[kind] for kind in kinds]), shape_of(theirs[kinds[0]])
            if shape not in nobodys:
                nobodys[shape] = ask_everywhere([unknown[kind] for kind in kinds])
            if found := difference(shown, nobodys[shape]):
                wrong.append((route, kinds, found))
    assert wrong == []
    assert rows(services.database, services.ward) == before
