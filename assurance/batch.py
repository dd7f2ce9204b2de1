"""The batch door: the hot endpoints' look-ups and writes, gathered over all requests in flight.

Two objects, each one thread with one held connection. The Reader always reads the primary in a new snapshot
and keeps no cache: what ended is refused by every look-up that starts after the commit. The Writer makes many
requests durable with one commit: first the claims, by which of two requests for one code exactly one wins,
then the rows of the winners.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from assurance.database import Database, StorageUnavailable, unavailable
from assurance.events import Event
from assurance.wards import WardCode

K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V_co = TypeVar("V_co", covariant=True)
T = TypeVar("T")

_LARGEST_BATCH: Final = 256


class BatchQuery(Protocol[K_contra, V_co]):
    """One kind of look-up, set-based: distinct keys in, found values out."""

    def run(self, connection: Connection, keys: Sequence[K_contra]) -> Mapping[Any, V_co]:
        """Look the keys up in one statement or few."""


class _Waiting(Generic[T]):
    """A request that waits in the loop for what a thread does."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def settle(self, result: T | BaseException) -> None:
        def set_result() -> None:
            if self.future.done():
                return  # the request went away
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)

        self._loop.call_soon_threadsafe(set_result)


class _Worker(Generic[T]):
    """A thread that takes everything that waits, again and again."""

    def __init__(self, name: str, work: Callable[[list[_Waiting[T]]], None]) -> None:
        self._work = work
        self._waiting: list[_Waiting[T]] = []
        self._condition = threading.Condition()
        self._stopping = False
        self._name = name
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def ask(self, item: Any) -> asyncio.Future[T]:
        waiting: _Waiting[T] = _Waiting(item)
        with self._condition:
            if self._stopping:
                raise StorageUnavailable
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(waiting)
            self._condition.notify()
        return waiting.future

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._stopping)
                taken, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
                if not taken:
                    return
            self._work(taken)


class Reader:
    """Look-ups of all requests in flight, in one snapshot a batch. Its thread begins with the first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._worker: _Worker[Any] = _Worker("reader", self._answer)

    def stop(self) -> None:
        """Answer what waits, then end."""
        self._worker.stop()
        if self._connection is not None:
            self._connection.close()

    def look_up(self, query: BatchQuery[K_contra, V_co], key: K_contra) -> asyncio.Future[V_co | None]:
        """Look one key up, together with whatever else is asked now; what is asked first waits for nothing.

        :raises StorageUnavailable: when the database is gone.
        """
        return self._worker.ask((query, key))

    def _answer(self, taken: list[_Waiting[Any]]) -> None:
        queries: dict[int, tuple[BatchQuery[Any, Any], list[_Waiting[Any]]]] = {}
        for waiting in taken:
            query = waiting.item[0]
            queries.setdefault(id(query), (query, []))[1].append(waiting)
        for query, asking in queries.values():
            try:
                with unavailable():
                    found = self._run(query, list(dict.fromkeys(waiting.item[1] for waiting in asking)))
            except Exception as error:
                self._drop()
                for waiting in asking:
                    waiting.settle(error)
                continue
            for waiting in asking:
                waiting.settle(found.get(waiting.item[1]))

    def _run(self, query: BatchQuery[Any, Any], keys: Sequence[Any]) -> Mapping[Any, Any]:
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            return query.run(self._connection, keys)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that exactly one request may use: `UPDATE … SET used_by = :request WHERE … AND used_by IS NULL`.

    :param key: columns that name the row.
    :param used_by: the column that the request's id is written to.
    :param conditions: what else the decision rested on; one constant per kind of claim.
    """

    table: sa.Table
    key: Mapping[str, Any]
    used_by: str
    conditions: tuple[sa.ColumnElement[bool], ...] = ()

    @property
    def kind(self) -> tuple[Any, ...]:
        """Claims of one kind are made in one statement."""
        return (
            self.table.name,
            tuple(self.key),
            self.used_by,
            tuple(id(condition) for condition in self.conditions),
        )


@dataclass(frozen=True, slots=True)
class Insert:
    """A row to add if the claims were won."""

    table: sa.Table
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
    :param if_lost: statements that run in the place of `rows` when a claim was lost, such as ending a family.
    """

    ward: WardCode
    request: str
    claims: tuple[Claim, ...] = ()
    rows: tuple[Insert, ...] = ()
    statements: tuple[sa.Executable, ...] = ()
    if_lost: tuple[sa.Executable, ...] = ()
    events: tuple[Event, ...] = ()
    events_if_lost: tuple[Event, ...] = field(default=())


class Writer:
    """Commits of all requests in flight, in one transaction a batch. Its thread begins with the first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._worker: _Worker[Outcome] = _Worker("writer", self._write)

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

    def _write(self, taken: list[_Waiting[Outcome]]) -> None:
        try:
            outcomes = self._in_one_transaction([waiting.item for waiting in taken])
        except Exception as error:
            self._drop()
            if isinstance(error, StorageUnavailable) or len(taken) == 1:
                taken_already = isinstance(error, sa.exc.IntegrityError)
                for waiting in taken:
                    waiting.settle(Outcome.TAKEN if taken_already else error)
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
            with connection.begin() as transaction:
                won = _claim(connection, writings)
                outcomes = [Outcome.WON if writing.request in won else Outcome.LOST for writing in writings]
                events = _apply(connection, list(zip(writings, outcomes, strict=True)))
                if events:
                    recorder.write(connection, events, connection.info)
                try:
                    transaction.commit()
                except Exception:
                    recorder.doubtful(connection.info)
                    raise
            if events:
                recorder.committed(connection.info)
            return outcomes

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _claim(connection: Connection, writings: Sequence[Writing]) -> set[str]:
    """Make all claims, kind by kind in key order, and read back who won by the requests' ids."""
    kinds: dict[tuple[Any, ...], list[tuple[str, Claim]]] = defaultdict(list)
    for writing in writings:
        for claim in writing.claims:
            kinds[claim.kind].append((writing.request, claim))
    got: dict[str, int] = defaultdict(int)
    for claims in kinds.values():
        first = claims[0][1]
        table, used_by = first.table, first.table.c[first.used_by]
        where = [table.c[name] == sa.bindparam(f"key_{name}") for name in first.key]
        update = (
            sa.update(table)
            .where(*where, used_by.is_(None), *first.conditions)
            .values({first.used_by: sa.bindparam("request")})
        )
        ordered = sorted(
            claims, key=lambda entry: tuple(entry[1].key.values())
        )  # no deadlock with another writer
        connection.execute(
            update,
            [
                {"request": request} | {f"key_{k}": v for k, v in claim.key.items()}
                for request, claim in ordered
            ],
        )
        requests = [request for request, _ in claims]
        for request in connection.execute(sa.select(used_by).where(used_by.in_(requests))).scalars():
            got[request] += 1
    won = {writing.request for writing in writings if got[writing.request] == len(writing.claims)}
    _give_back(connection, kinds.values(), {request for request, count in got.items() if count} - won)
    return won


def _give_back(connection: Connection, kinds: Iterable[list[tuple[str, Claim]]], lost: set[str]) -> None:
    if not lost:
        return
    for claims in kinds:
        first = claims[0][1]
        used_by = first.table.c[first.used_by]
        connection.execute(sa.update(first.table).where(used_by.in_(lost)).values({first.used_by: None}))


def _apply(connection: Connection, decided: Sequence[tuple[Writing, Outcome]]) -> list[Event]:
    rows: dict[tuple[str, tuple[str, ...]], tuple[sa.Table, list[Mapping[str, Any]]]] = {}
    events: list[Event] = []
    for writing, outcome in decided:
        won = outcome is Outcome.WON
        for statement in writing.statements if won else writing.if_lost:
            connection.execute(statement)
        for insert in writing.rows if won else ():
            kind = (insert.table.name, tuple(insert.values))
            rows.setdefault(kind, (insert.table, []))[1].append(insert.values)
        events.extend(writing.events if won else writing.events_if_lost)
    for table, values in rows.values():
        connection.execute(sa.insert(table), values)
    return events


class Batch:
    """Both halves of the door over one database."""

    def __init__(self, database: Database) -> None:
        self.reader = Reader(database.engine)
        self.writer = Writer(database)

    def stop(self) -> None:
        """Answer what waits, then end."""
        self.reader.stop()
        self.writer.stop()
