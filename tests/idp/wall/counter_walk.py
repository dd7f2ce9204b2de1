"""What identifies something at the counter."""

from collections.abc import Mapping
from typing import Final

from tests.delegation.conftest import Resident
from tests.delegation.counter.test_papers import paper
from tests.idp.wall.entry import Entry, Kinds, Own, entry
from tests.idp.wall.sides import Side
from tests.idp.wall.staff_kinds import CHILD, read_card, visit_of

_VISIT: Final = "/counter/visits/{id_}"


def _visit(side: Side, resident: Resident) -> Own:
    """A visit stands in the login of its staff member."""
    return Own({"id_": visit_of(side, resident)}, side.cookies(resident.http))


def _in_visit(spends: str = "", **places: Kinds) -> tuple[Entry]:
    return (entry("ichiro", own=_visit, spends=spends, id_="visit", **places),)


def _read_card(side: Side, resident: Resident) -> Own:
    """A card waits for the choice of who had it read."""
    return Own({"id_": read_card(side, resident), "choice": side.town.hanako.person})


COUNTER: Final[Mapping[str, tuple[Entry, ...]]] = {
    "GET /counter": (entry("ichiro"),),
    "POST /counter/read": (entry("ichiro", fixed={"language": "ja"}),),
    f"GET {_VISIT}": _in_visit(),
    f"POST {_VISIT}/leave": _in_visit(),
    f"GET {_VISIT}/requests/{{asked}}": _in_visit(asked="request"),
    f"POST {_VISIT}/requests/{{asked}}/agree": _in_visit("request", asked="request"),
    f"POST {_VISIT}/requests/{{asked}}/decline": _in_visit("request", asked="request"),
    f"GET {_VISIT}/grants/{{grant}}/sign": _in_visit(grant="compared"),
    f"POST {_VISIT}/grants/{{grant}}/sign": _in_visit(grant="compared"),
    f"GET {_VISIT}/grants/{{grant}}/end": _in_visit(grant="active"),
    f"POST {_VISIT}/grants/{{grant}}/pause": _in_visit(grant="active"),
    f"POST {_VISIT}/grants/{{grant}}/resume": _in_visit(grant="active"),
    f"POST {_VISIT}/grants/{{grant}}/end": _in_visit("proposed", grant="proposed"),
    "GET /counter/cards/new": (entry("ichiro"),),
    "POST /counter/cards/new": (entry("ichiro", fixed={"language": "ja"}),),
    "GET /counter/cards/done": (entry("ichiro"),),
    "GET /counter/cards/{id_}": (entry("ichiro", id_=("chosen card", "read card")),),
    "POST /counter/cards/{id_}/choose": (entry("ichiro", own=_read_card, id_="read card", choice="person"),),
    "POST /counter/cards/{id_}/confirm": (entry("ichiro", id_=("chosen card", "read card")),),
    "POST /counter/cards/{id_}/drop": (entry("ichiro", id_=("chosen card", "read card")),),
    "GET /counter/papers/new": (entry("ichiro"),),
    "POST /counter/papers/new": (entry("ichiro", alike="number", fixed=paper(), number="paper"),),
    "GET /counter/children/new": (entry("ichiro"),),
    "POST /counter/children/new": (entry("ichiro", alike="number", fixed=CHILD, number="child's paper"),),
    "GET /counter/received": (entry("ichiro"),),
    "GET /counter/letters": (entry("ichiro"),),
    "GET /counter/letters/{id_}": (entry("ichiro", id_=("letter", "active")),),
    "POST /counter/letters/{id_}/printed": (entry("ichiro", id_=("letter", "active"), spends="letter"),),
}
