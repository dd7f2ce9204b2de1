"""What identifies something at the pages of care offices, and of the people whom offices ask."""

from collections.abc import Mapping
from typing import Final

from tests.idp.wall.entry import Entry, entry

_ASKED: Final = {
    "name": "田中花子",
    "birth": "1978-05-03",
    "procedure": ["kaigo.plan.notify"],
    "action": ["file"],
    "last": "2027-05-31",
}
_INVITED: Final = {
    "name": "田中由紀",
    "address": "yuki@example.jp",
    "number": "13000009",
    "number_until": "2027-10-31",
}

OFFICES: Final[Mapping[str, tuple[Entry, ...]]] = {
    "GET /memberships/{handle}": (entry("yuki", handle="membership", alike="login"),),
    "POST /memberships/{handle}": (entry("yuki", handle="membership", spends="invited"),),
    "GET /offices": (entry("admin"),),
    "GET /offices/{office}": (entry("admin", office="office"),),
    "POST /offices/{office}/members": (entry("admin", fixed=_INVITED, office="office"),),
    "POST /offices/{office}/members/{member}/attest": (entry("admin", office="office", member="member"),),
    "POST /offices/{office}/members/{member}/end": (
        entry("admin", office="office", member=("invited", "member"), spends="invited"),
    ),
    "GET /offices/{office}/ask": (entry("sato", office="office"),),
    "POST /offices/{office}/ask": (entry("sato", fixed=_ASKED, office="office"),),
    "POST /offices/{office}/grants/{grant}/hand-over": (
        entry("admin", office="office", grant="for office", member="member", spends="for office"),
    ),
    "POST /offices/{office}/grants/{grant}/confirm": (
        entry("sato", office="office", grant=("handed over", "for office"), spends="handed over"),
    ),
    "POST /offices/{office}/grants/{grant}/end": (
        entry("admin", office="office", grant="for office", spends="for office"),
    ),
    "GET /requests/{id_}": (entry("hanako", id_="request"),),
    "POST /requests/{id_}/agree": (entry("hanako", id_="request", spends="request"),),
    "POST /requests/{id_}/decline": (entry("hanako", id_="request", spends="request"),),
    "POST /grants/{id_}/designation/confirm": (
        entry("hanako", id_=("handed over", "active"), spends="handed over"),
    ),
    "POST /grants/{id_}/designation/refuse": (
        entry("hanako", id_=("handed over", "active"), spends="handed over"),
    ),
}
