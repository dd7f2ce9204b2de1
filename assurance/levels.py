"""Assurance levels: how sure we are who someone is (IAL) and that it is them again (AAL)."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final, Self

_ACR: Final = re.compile(r"urn:dairi:acr:ial([0-3]):aal([0-3])\Z")


class IAL(IntEnum):
    """Identity assurance (NIST SP 800-63A, DS-511)."""

    NONE = 0
    LOW = 1
    SUBSTANTIAL = 2
    HIGH = 3


class AAL(IntEnum):
    """Authenticator assurance (NIST SP 800-63B, DS-511)."""

    CONTACT = 0
    SINGLE = 1
    MULTI = 2
    HARDWARE = 3


@dataclass(frozen=True, slots=True)
class Level:
    """Both coordinates; a requirement is met when each of them is."""

    ial: IAL
    aal: AAL

    @property
    def acr(self) -> str:
        """Authentication context class reference (OIDC Core §2)."""
        return f"urn:dairi:acr:ial{int(self.ial)}:aal{int(self.aal)}"

    @classmethod
    def parse_acr(cls, text: str) -> Self | None:
        """Read an `acr`; None for one that we do not know."""
        match = _ACR.match(text)
        return None if match is None else cls(IAL(int(match[1])), AAL(int(match[2])))

    def reaches(self, other: "Level") -> bool:
        """Whether this level is at least the other in both coordinates."""
        return self.ial >= other.ial and self.aal >= other.aal


LOWEST: Final = Level(IAL.NONE, AAL.CONTACT)
ACTING: Final = Level(IAL.SUBSTANTIAL, AAL.MULTI)
"""What acceptance, the picker's choice and every delegated token need."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a step needs.

    :param fresh_within: how long ago the person may have authenticated at most.
    """

    level: Level = LOWEST
    phishing_resistant: bool = False
    fresh_within: timedelta | None = None


FRESH_TWO_FACTORS: Final = Requirement(Level(IAL.NONE, AAL.MULTI), fresh_within=timedelta(minutes=20))
"""What changing a person's ways in needs: adding a passkey, and removing one."""
