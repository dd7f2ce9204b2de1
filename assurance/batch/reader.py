"""Look-ups of all requests in flight."""

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import Connection, Engine

from assurance.batch.worker import Waiting, Worker
from assurance.database import StorageUnavailable, unavailable

K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class BatchQuery(Protocol[K_contra, V_co]):
    """One kind of look-up, set-based: distinct keys in, found values out."""

    def run(self, connection: Connection, keys: Sequence[K_contra]) -> Mapping[Any, V_co]:
        """Look the keys up in one statement or few."""


class Reader:
    """Look-ups of all requests in flight, in one snapshot a batch. Its thread begins with the first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._worker: Worker[Any] = Worker("reader", self._answer)

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

    def _answer(self, taken: list[Waiting[Any]]) -> None:
        try:
            with unavailable():
                self._answer_together(taken)
        except Exception as error:
            self._drop()
            if isinstance(error, StorageUnavailable) or len(taken) == 1:
                for waiting in taken:
                    waiting.settle(error)
                return
            for waiting in taken:  # one bad key fails alone
                self._answer([waiting])

    def _answer_together(self, taken: list[Waiting[Any]]) -> None:
        queries: dict[int, tuple[BatchQuery[Any, Any], list[Waiting[Any]]]] = {}
        for waiting in taken:
            query = waiting.item[0]
            queries.setdefault(id(query), (query, []))[1].append(waiting)
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._connection.begin():
            for query, asking in queries.values():
                found = query.run(self._connection, list(dict.fromkeys(one.item[1] for one in asking)))
                for waiting in asking:
                    waiting.settle(found.get(waiting.item[1]))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
