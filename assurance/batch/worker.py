"""A thread that serves everybody: what waits for it is taken all at once.

The thread is woken once for all that an event loop asks in one turn, and its answers go back to the loop in
one call: every hand-over between two threads of one interpreter costs more than a look-up.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from assurance.database import StorageUnavailable

T = TypeVar("T")
_LARGEST_BATCH: Final = 256


class Waiting(Generic[T]):
    """A request that waits in the loop for what a thread does."""

    def __init__(self, item: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.item, self.loop = item, loop
        self.future: asyncio.Future[T] = loop.create_future()
        self._result: T | BaseException = StorageUnavailable()

    def settle(self, result: T | BaseException) -> None:
        """Answer it, from the thread; it goes out with the whole batch."""
        self._result = result

    def deliver(self) -> None:
        """Hand the answer over, in the loop."""
        if self.future.done():
            return  # the request went away
        if isinstance(self._result, BaseException):
            self.future.set_exception(self._result)
        else:
            self.future.set_result(self._result)


class Worker(Generic[T]):
    """A thread that takes everything that waits, again and again."""

    def __init__(self, name: str, work: Callable[[list[Waiting[T]]], None]) -> None:
        self._work = work
        self._waiting: list[Waiting[T]] = []
        self._condition = threading.Condition()
        self._waking = set[asyncio.AbstractEventLoop]()
        self._ready = self._stopping = False
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
        loop = asyncio.get_running_loop()
        waiting: Waiting[T] = Waiting(item, loop)
        with self._condition:
            if self._stopping:
                raise StorageUnavailable
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(waiting)
            if loop not in self._waking:
                self._waking.add(loop)
                loop.call_soon(self._wake, loop)
        return waiting.future

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._condition:
            self._waking.discard(loop)
            self._ready = True
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or self._ready)
                taken, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
                self._ready = bool(self._waiting)
                if self._stopping and not taken:
                    return
            try:
                self._work(taken)
            except Exception as error:  # the thread serves everybody, and must outlive whatever one asked
                for waiting in taken:
                    waiting.settle(error)
            _deliver(taken)


def _deliver(answered: Iterable[Waiting[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[Waiting[Any]]] = defaultdict(list)
    for waiting in answered:
        loops[waiting.loop].append(waiting)
    for loop, mine in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_deliver_all, mine)


def _deliver_all(mine: Iterable[Waiting[Any]]) -> None:
    for waiting in mine:
        waiting.deliver()
