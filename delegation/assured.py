"""How sure we must be of whoever takes a step with a grant.

What gives power needs proof and two factors. What takes it away needs less: two factors are enough to end, to
decline, to renounce and to resume, also after one's proof lapsed; any login of its principal pauses a grant,
since a pause that was wrong costs little, and a theft that goes on costs much.
"""

from typing import Final

from assurance.levels import AAL, ACTING, IAL, LOWEST, Level, Requirement
from assurance.login import Login
from card.faults import Fault
from delegation.parts import Parts

PROVEN: Final = Requirement(ACTING)
"""Proposing, reading an invitation, accepting, comparing, signing."""

TWO_FACTORS: Final = Requirement(Level(IAL.NONE, AAL.MULTI))
"""Seeing one's own grants, ending, declining, renouncing, resuming."""

ANY_LOGIN: Final = Requirement(LOWEST)
"""Pausing what one gave."""


def required(parts: Parts, login: Login | None, requirement: Requirement) -> Login:
    """The login, if it is enough.

    :raises Fault: `login.needed`.
    """
    if login is None or not login.assurance.meets(requirement, parts.clock.now()):
        raise Fault("login.needed")
    return login
