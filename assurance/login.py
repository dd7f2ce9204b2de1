"""A login: one browser, one person, and how sure we are of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from assurance.engine import Assurance
from assurance.evidence import Authentication
from assurance.person import PersonId
from assurance.wards import WardCode

LoginId = NewType("LoginId", str)


@dataclass(frozen=True, slots=True)
class Login:
    """A running login as the layers above see it.

    :param display_name: None while the login is too weak to release a name.
    :param evidence: of this login alone, without the person's proofs and without what rests on a credential
        that is gone.
    """

    id: LoginId
    ward: WardCode
    person: PersonId
    assurance: Assurance
    started_at: datetime
    evidence: Collection[Authentication]
    display_name: str | None = None
