"""What identifies something at the pages of staff."""

from collections.abc import Mapping
from typing import Final

from tests.delegation.offices.conftest import NUMBER
from tests.idp.wall.entry import Entry, entry

_OFFICE: Final = {
    "number": NUMBER,  # registered already, so that it is answered alike however often it is asked
    "name": "もう一つ",
    "until": "",
    "administrator": "佐藤桜",
    "address": "sakura@example.jp",
}
_GIVEN: Final = {"role": "staff", "last": "2027-05-31"}

STAFF: Final[Mapping[str, tuple[Entry, ...]]] = {
    "GET /staff": (entry("ichiro"),),
    "GET /staff/roles": (entry("ichiro"),),
    "GET /staff/people": (entry("ichiro"),),
    "POST /staff/people": (entry("ichiro", fixed={"name": "田中花子", "birth": "1978-05-03"}),),
    "GET /staff/people/{id_}": (entry("ichiro", id_=("person", "staff")),),
    "GET /staff/people/{id_}/hold": (entry("ichiro", id_="person"),),
    "POST /staff/people/{id_}/hold": (
        entry("ichiro", fixed={"reason": "死亡の届出"}, id_=("colleague", "person")),
    ),
    "POST /staff/holds/{id_}/lift": (entry("ichiro", id_="hold"),),
    "GET /staff/people/{id_}/role": (entry("ichiro", id_="person"),),
    "POST /staff/people/{id_}/role": (entry("ichiro", fixed=_GIVEN, id_="person"),),
    "POST /staff/people/{id_}/end-role": (
        entry("ichiro", fixed={"role": "staff"}, id_=("colleague", "person")),
    ),
    "GET /staff/grants/{id_}": (entry("ichiro", id_=("active", "proposed", "for office")),),
    "GET /staff/changes": (entry("ichiro"),),
    "GET /staff/changes/{id_}": (entry("ichiro", id_="change"),),
    "POST /staff/changes/{id_}/sign": (entry("ichiro", id_="change"),),
    "GET /staff/looks": (entry("ichiro", by=("staff", "person")),),
    "GET /staff/reviews": (entry("ichiro"),),
    "GET /staff/reviews/{id_}": (entry("ichiro", id_="review"),),
    "POST /staff/reviews/{id_}/go-on": (entry("ichiro", id_="review", spends="review"),),
    "POST /staff/reviews/{id_}/hold": (entry("ichiro", id_="review", spends="review"),),
    "GET /staff/offices": (entry("ichiro"),),
    "POST /staff/offices": (entry("ichiro", fixed=_OFFICE),),
    "GET /staff/offices/{office}": (entry("ichiro", office="office"),),
    "POST /staff/offices/{office}/members/{member}/check": (
        entry("ichiro", office="office", member="member"),
    ),
}
