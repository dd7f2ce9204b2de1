"""Deleting what expired, in small batches: a database that only grows is the field's commonest complaint.

Everything is kept for a day past its end, so that a code or refresh token that comes a second time is still
known as one, and a person who comes back late is told what happened.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog

from assurance.database import Database, StorageUnavailable, table_of
from assurance.tables import ChallengeRow
from assurance.wards import WardCode
from card.clock import Clock
from delegation.counter.tables import CounterCardRow, PaperEntryRow, VisitRow
from delegation.tables import NoticeRow
from idp.tables import (
    AuthorizationRow,
    CodeRow,
    InteractionRow,
    LoginSessionRow,
    RefreshTokenRow,
    UsedJtiRow,
)

_EVERY_S: Final = 60.0
_KEPT: Final = timedelta(days=1)
_AT_ONCE: Final = 500
_EXPIRING: Final = tuple(
    table_of(row)
    for row in (
        ChallengeRow,
        NoticeRow,
        VisitRow,
        CounterCardRow,
        PaperEntryRow,
        InteractionRow,
        CodeRow,
        RefreshTokenRow,
        UsedJtiRow,
        LoginSessionRow,
    )
)
_LOGIN: Final = table_of(LoginSessionRow)
_AUTHORIZATION: Final = table_of(AuthorizationRow)


def _over(table: sa.Table) -> sa.ColumnElement[bool]:
    if table is not _AUTHORIZATION:
        return table.c.expires_at < sa.bindparam("before", type_=table.c.expires_at.type)
    login = sa.exists().where(_LOGIN.c.ward == table.c.ward, _LOGIN.c.id == table.c.login)
    # One that acts for another stays: it remembers whom the person chose at this client.
    return table.c.grant.is_(None) & ~login & (table.c.created_at < sa.bindparam("before"))


def _deletion(table: sa.Table) -> sa.Delete:
    key = sa.tuple_(*table.primary_key.columns)
    some = (
        sa.select(*table.primary_key.columns)
        .where(table.c.ward == sa.bindparam("ward"), _over(table))
        .limit(_AT_ONCE)
    )
    return sa.delete(table).where(key.in_(some))


_DELETIONS: Final[Mapping[str, sa.Delete]] = {
    table.name: _deletion(table) for table in (*_EXPIRING, _AUTHORIZATION)
}


def sweep(database: Database, ward: WardCode, now: datetime) -> Mapping[str, int]:
    """Delete a ward's rows that expired; each batch is a transaction of its own, so that nobody waits.

    :returns: how many of each table.
    """
    deleted = dict.fromkeys(_DELETIONS, 0)
    for name, deletion in _DELETIONS.items():
        while True:
            with database.writing(ward) as unit:
                moment = {"ward": ward, "before": now - _KEPT}
                count = unit.session.connection().execute(deletion, moment).rowcount
            deleted[name] += count
            if count < _AT_ONCE:
                break
    return deleted


class Sweeper:
    """A thread that sweeps every ward once a minute; several at once do no harm."""

    def __init__(self, database: Database, wards: Sequence[WardCode], clock: Clock) -> None:
        self._database, self._wards, self._clock = database, wards, clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._log = structlog.get_logger("sweeper")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is begun."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            for ward in self._wards:
                try:
                    deleted = sweep(self._database, ward, self._clock.now())
                except StorageUnavailable:
                    continue  # tried again at the next turn
                if any(deleted.values()):
                    self._log.info("swept", ward=ward, **deleted)
