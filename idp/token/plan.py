"""What a request to the token endpoint rests on, and what it wants written: one unit, all of it or none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from assurance.batch import Change, Claim, Insert, Writing
from assurance.events import Event, EventName
from assurance.person import PersonId, new_id
from assurance.wards import WardCode
from idp.clients import Client
from idp.token.lookups import CODE, REFRESH_TOKEN, USED_JTI, Kind, Known, Redeemable
from idp.token.standing import AUTHORIZATION, Standing

_USE: Final = sa.insert(USED_JTI)
_END: Final = (
    sa.update(AUTHORIZATION)
    .where(
        AUTHORIZATION.c.ward == sa.bindparam("in_ward"),
        AUTHORIZATION.c.id == sa.bindparam("authorization"),
        AUTHORIZATION.c.ended_at.is_(None),
    )
    .values(ended_at=sa.bindparam("now"))
)
_FORGET: Final = (
    sa.update(CODE)
    .where(CODE.c.ward == sa.bindparam("in_ward"), CODE.c.code == sa.bindparam("redeemed"))
    .values(printed=None)
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was looked up for a request.

    :param client: whom it says that it comes from.
    :param secret: what it shows as `client_secret_basic`.
    :param used: its assertion was used before.
    :param redeemable: the code or refresh token that it shows.
    :param known: what may be told of the people in a delegated authorization.
    """

    client: Client | None
    secret: str | None = None
    used: bool = False
    redeemable: Redeemable | None = None
    known: Mapping[PersonId, Known] = field(default_factory=dict)


class Plan:
    """What one request wants written."""

    def __init__(self, ward: WardCode, now: datetime) -> None:
        self._ward, self._now = ward, now
        self._claims: list[Claim] = []
        self._rows: list[Insert] = []
        self._changes: list[Change] = []
        self._if_lost: list[Change] = []
        self._events: list[Event] = []
        self._events_if_lost: list[Event] = []

    def add(self, row: Insert) -> None:
        """Write a row, if what is claimed is won."""
        self._rows.append(row)

    def use_assertion(self, row: Insert) -> None:
        """Use a client's assertion, whatever becomes of the request."""
        self._rows.append(row)
        self._if_lost.append(Change(_USE, row.values))

    def record(self, name: EventName, person: PersonId | None = None, **clear: str | int | bool) -> None:
        """Say what happened."""
        concerning = {} if person is None else {person: dict[str, str]()}
        self._events.append(Event(name, self._ward, self._now, concerning, clear))

    def claim(self, redeemable: Redeemable, if_lost: EventName) -> None:
        """Redeem a code or refresh token for its own client; who comes second ends what it gave.

        What a token allows is looked up whenever it is shown, so the claim repeats nothing of that.
        """
        table, name = (CODE, "code") if redeemable.kind is Kind.CODE else (REFRESH_TOKEN, "token")
        key: dict[str, Any] = {"ward": self._ward, name: redeemable.key, "client_id": redeemable.client_id}
        self._claims.append(Claim(table, key, "used_by"))
        standing = redeemable.standing
        self._if_lost.append(self._ending(standing))
        self._events_if_lost.append(Event(if_lost, self._ward, self._now, {standing.person: {}}))

    def forget_printed(self, redeemed: Redeemable) -> None:
        """What a code handed over of a card is told once, and kept no longer."""
        self._changes.append(Change(_FORGET, {"in_ward": self._ward, "redeemed": redeemed.key}))

    def end(self, standing: Standing, why: EventName) -> None:
        """End an authorization, and with it everything that hangs from it."""
        self._changes.append(self._ending(standing))
        self.record(why, standing.person)

    def _ending(self, standing: Standing) -> Change:
        return Change(_END, {"in_ward": self._ward, "authorization": standing.id, "now": self._now})

    @property
    def uses_assertion(self) -> bool:
        """Whether a client's assertion is used by it, which somebody may have done meanwhile."""
        return any(row.table is USED_JTI for row in self._rows)

    def writing(self) -> Writing | None:
        """The unit; None where nothing is to be written."""
        if not (self._claims or self._rows or self._changes or self._events):
            return None
        return Writing(
            self._ward,
            new_id(),
            claims=tuple(self._claims),
            rows=tuple(self._rows),
            changes=tuple(self._changes),
            if_lost=tuple(self._if_lost),
            events=tuple(self._events),
            events_if_lost=tuple(self._events_if_lost),
        )
