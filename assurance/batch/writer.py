"""Commits of all requests in flight: claims first, then the rows of those who won."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assurance.among import among
from assurance.batch.worker import Waiting, Worker
from assurance.database import Database, StorageUnavailable, unavailable
from assurance.events import Event
from assurance.wards import WardCode


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that exactly one request may use: `UPDATE … SET used_by = :request WHERE … AND used_by IS NULL`.

    :param key: columns that name the row.
    :param used_by: the column that the request's id is written to.
    """

    table: sa.Table
    key: Mapping[str, Any]
    used_by: str


@dataclass(frozen=True, slots=True)
class Insert:
    """A row to add if the claims were won."""

    table: sa.Table
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A statement and its values: apart, so that it is made and compiled once."""

    statement: sa.Executable
    values: Mapping[str, Any]


class Outcome(Enum):
    """Whether a request got what it claimed.

    :cvar TAKEN: a row of its own was there already, written by another request meanwhile; nothing was done.
    """

    WON = "won"
    LOST = "lost"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Writing:
    """One request's unit: all of it or none.

    :param request: random id of the request, written into what it claims.
    :param if_lost: what runs in the place of all else when a claim was lost, such as ending a family.
    """

    ward: WardCode
    request: str
    claims: tuple[Claim, ...] = ()
    rows: tuple[Insert, ...] = ()
    changes: tuple[Change, ...] = ()
    if_lost: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()
    events_if_lost: tuple[Event, ...] = field(default=())


class Writer:
    """Commits of all requests in flight, in one transaction a batch. Its thread begins with the first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._worker: Worker[Outcome] = Worker("writer", self._write)

    def stop(self) -> None:
        """Write what waits, then end."""
        self._worker.stop()
        if self._connection is not None:
            self._connection.close()

    async def commit(self, writing: Writing) -> Outcome:
        """Make one request durable; the answer comes after the commit.

        :raises StorageUnavailable: when it is not, or when nobody knows.
        """
        return await self._worker.ask(writing)

    def _write(self, taken: list[Waiting[Outcome]]) -> None:
        try:
            outcomes = self._in_one_transaction([waiting.item for waiting in taken])
        except Exception as error:
            self._drop()
            if isinstance(error, StorageUnavailable) or len(taken) == 1:
                outcome = Outcome.TAKEN if _is_taken(error) else error
                for waiting in taken:
                    waiting.settle(outcome)
                return
            for waiting in taken:  # one bad row fails alone
                self._write([waiting])
            return
        for waiting, outcome in zip(taken, outcomes, strict=True):
            waiting.settle(outcome)

    def _in_one_transaction(self, writings: Sequence[Writing]) -> list[Outcome]:
        recorder = self._database.recorder
        with unavailable(), self._database.write_lock.held():
            if self._connection is None:
                self._connection = self._database.writing_engine.connect()
            connection = self._connection
            info = connection.info  # asked for now: a connection that broke in its commit tells nothing
            with connection.begin() as transaction:
                won = _claim(connection, writings)
                outcomes = [Outcome.WON if writing.request in won else Outcome.LOST for writing in writings]
                events = _apply(connection, list(zip(writings, outcomes, strict=True)))
                if events:
                    recorder.write(connection, events, info)
                try:
                    transaction.commit()
                except Exception as error:  # it may stand: never repeated, and nobody is told that it failed
                    recorder.doubtful(info)
                    raise StorageUnavailable from error
            if events:
                recorder.committed(info)
            return outcomes

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


Kind = tuple[sa.Table, tuple[str, ...], str, WardCode]


@lru_cache(maxsize=64)
def _claiming(table: sa.Table, names: tuple[str, ...], used_by: str) -> sa.Update:
    where = [table.c[name] == sa.bindparam(f"key_{name}") for name in names]
    return (
        sa.update(table).where(*where, table.c[used_by].is_(None)).values({used_by: sa.bindparam("request")})
    )


@lru_cache(maxsize=64)
def _winners(table: sa.Table, used_by: str) -> sa.Select[tuple[str]]:
    column = table.c[used_by]
    mine = among(column, "requests"), column.is_not(None)  # as the index on it says, which is partial
    return sa.select(column).where(*mine)


@lru_cache(maxsize=64)
def _insertion(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


def _claim(connection: Connection, writings: Sequence[Writing]) -> set[str]:
    """Make all claims, and read back who won by the requests' ids.

    Kinds and keys are in one order everywhere: unordered, two writers deadlock.
    """
    kinds: dict[Kind, list[tuple[str, Claim]]] = defaultdict(list)
    for writing in writings:
        for claim in writing.claims:
            kinds[claim.table, tuple(claim.key), claim.used_by, writing.ward].append((writing.request, claim))
    ordered = sorted(kinds.items(), key=lambda entry: (entry[0][0].name, entry[0][3]))
    got: dict[str, int] = defaultdict(int)
    for (table, names, used_by, ward), claims in ordered:
        claims.sort(key=lambda entry: tuple(entry[1].key.values()))
        values = [
            {"request": request} | {f"key_{name}": claim.key[name] for name in names}
            for request, claim in claims
        ]
        connection.execute(_claiming(table, names, used_by), values)
        asked = {"ward": ward, "requests": [request for request, _ in claims]}
        for request in connection.execute(_winners(table, used_by), asked).scalars():
            got[str(request)] += 1
    won = {writing.request for writing in writings if got[writing.request] == len(writing.claims)}
    partly = {request for request, count in got.items() if count} - won
    if partly:
        _give_back(connection, [kind for kind, _ in ordered], partly)
    return won


def _give_back(connection: Connection, kinds: Sequence[Kind], lost: set[str]) -> None:
    for table, _, used_by, ward in kinds:
        column = table.c[used_by]
        connection.execute(
            sa.update(table).where(table.c.ward == ward, column.in_(lost)).values({used_by: None})
        )


def _apply(connection: Connection, decided: Sequence[tuple[Writing, Outcome]]) -> list[Event]:
    rows: dict[tuple[str, tuple[str, ...]], tuple[sa.Table, list[Mapping[str, Any]]]] = {}
    events: list[Event] = []
    for writing, outcome in decided:
        won = outcome is Outcome.WON
        for change in writing.changes if won else writing.if_lost:
            connection.execute(change.statement, change.values)
        for insert in writing.rows if won else ():
            kind = (insert.table.name, tuple(insert.values))
            rows.setdefault(kind, (insert.table, []))[1].append(insert.values)
        events.extend(writing.events if won else writing.events_if_lost)
    for _, (table, values) in sorted(rows.items()):
        connection.execute(_insertion(table), values)
    return events


def _is_taken(error: Exception) -> bool:
    """Whether a row with this key was there already, in the drivers' own words."""
    original = error.orig if isinstance(error, sa.exc.IntegrityError) else None
    name = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return name in {"SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE", "23505"}
