"""A thread that serves everybody: what waits for it is taken all at once."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from assurance.database import StorageUnavailable

T = TypeVar("T")
_LARGEST_BATCH: Final = 256


class Waiting(Generic[T]):
    """A request that waits in the loop for what a thread does."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def settle(self, result: T | BaseException) -> None:
        """Answer it, from the thread."""

        def set_result() -> None:
            if self.future.done():
                return  # the request went away
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)

        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(set_result)


class Worker(Generic[T]):
    """A thread that takes everything that waits, again and again."""

    def __init__(self, name: str, work: Callable[[list[Waiting[T]]], None]) -> None:
        self._work = work
        self._waiting: list[Waiting[T]] = []
        self._condition = threading.Condition()
        self._stopping = False
        self._name = name
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """Do what waits, then end."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def ask(self, item: Any) -> asyncio.Future[T]:
        """Let something wait, together with whatever else does.

        :raises StorageUnavailable: once it is stopped.
        """
        waiting: Waiting[T] = Waiting(item)
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
            try:
                self._work(taken)
            except Exception as error:  # the thread serves everybody, and must outlive whatever one asked
                for waiting in taken:
                    waiting.settle(error)
