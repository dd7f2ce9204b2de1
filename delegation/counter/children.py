"""Children under fifteen have no signature certificate: two staff register them by what they saw.

As with a paper mandate the desk is told "received", whatever comes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from assurance import counter, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.login import Login
from assurance.person import Profile
from assurance.roles import Role
from assurance.sealed import holds_my_number
from card.dates import ward_day
from card.faults import Fault
from delegation.counter.ages import SIGNS_FROM, is_below
from delegation.counter.attesting import refuse
from delegation.counter.dual_entry import Pair, enter
from delegation.counter.papers import Named, ProofSeen
from delegation.counter.visiting import STAFF_PART, staff_login
from delegation.parts import Parts
from delegation.staffing.staff import roles_now

PROOFS: Final = (ProofSeen.FAMILY_REGISTER, ProofSeen.RESIDENCE_RECORD)
SEXES: Final = ("1", "2", "9")
"""JIS X 0303, as certificates say it."""
_LONGEST_ADDRESS: Final = 200


@dataclass(frozen=True, slots=True)
class Child:
    """What the child's card and the register say.

    :raises Fault: `paper.child`, `paper.proof`, `grant.my_number`.
    """

    person: Named
    sex: str
    address: str
    proof: ProofSeen

    def __post_init__(self) -> None:
        if self.sex not in SEXES or not self.address.strip() or len(self.address) > _LONGEST_ADDRESS:
            raise Fault("paper.child")
        if self.proof not in PROOFS:
            raise Fault("paper.proof")
        if holds_my_number(self.address):
            raise Fault("grant.my_number")

    def document(self) -> Mapping[str, Any]:
        """What two entries of it have in common."""
        return {
            "kind": "child",
            "person": self.person.key,
            "sex": self.sex,
            "address": "".join(self.address.split()),
            "proof": self.proof,
        }


def register(unit: Unit, parts: Parts, login: Login | None, number: str, child: Child) -> None:
    """Take one staff member's entry of a child; the second of two equal ones registers them.

    :param number: as `dual_entry.read_number` gave it.
    :raises Fault: `request.unknown_page` for anybody but staff.
    """
    staff = staff_login(unit.session, parts, login)
    pair = enter(unit, parts, staff.person, number, child.document())
    if pair is None:
        return
    code = _hindrance(unit, parts, pair, child)
    if code is not None:
        refuse(unit, parts, pair, code)
        return
    now, named = parts.clock.now(), child.person
    profile = Profile(named.name, named.birth_date, child.sex, child.address.strip())
    made = counter.register_child(unit, parts.vault, parts.thresholds, profile, now)
    told = {made: dict[str, str]()} | dict.fromkeys(pair.by, STAFF_PART)
    unit.record(Event(EventName.CHILD_REGISTERED, unit.ward, now, told, {"proof": child.proof}))


def _hindrance(unit: Unit, parts: Parts, pair: Pair, child: Child) -> str | None:
    now, named = parts.clock.now(), child.person
    today = ward_day(now)
    if not pair.same:
        return "paper.differs"
    if not all(Role.STAFF in roles_now(unit.session, unit.ward, member, now) for member in pair.by):
        return "counter.staff"
    if named.birth_date > today or not is_below(named.birth_date, SIGNS_FROM, today):
        return "paper.child"
    if people.named(unit.session, parts.vault, unit.ward, named.name, named.birth_date):
        return "counter.taken"
    return None
