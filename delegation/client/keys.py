"""The provider's published keys, remembered (RFC 7517 §5; OIDC Core §10.1.1)."""

import threading
import time
from collections.abc import Callable
from typing import Final

from card.jose import KeySet
from delegation.client.provider import DecisionUnavailable

FRESH_S: Final = 300.0
AGAIN_AFTER_S: Final = 10.0
STALE_S: Final = 3600.0


class PublishedKeys:
    """Keys that go on verifying while the provider is down, for an hour at most.

    That hour bounds how long a withdrawn key counts for whom someone keeps from fetching; tokens live ten
    minutes. Keys are fetched again when they are older than five minutes or a token names an unknown one,
    and no more than once in ten seconds: whoever sends tokens with made-up key ids must not make us ask.

    :param fetch: asks the provider; raises DecisionUnavailable.
    :param seconds: a clock that is never set back.
    """

    def __init__(self, fetch: Callable[[], KeySet], seconds: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._seconds = fetch, seconds
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")

    def get(self, *, newer: bool = False) -> KeySet:
        """The keys; with `newer` what is published now, as far as it may be asked for again.

        :raises DecisionUnavailable: when there are none that still count.
        """
        asked, known = self._seconds(), self._counting()
        if known is not None and not newer and asked - self._fetched <= FRESH_S:
            return known
        if known is not None and not newer:
            if not self._lock.acquire(blocking=False):
                return known  # somebody fetches already, and these still count
        else:
            self._lock.acquire()
        try:
            return self._fetched_since(asked)
        finally:
            self._lock.release()

    def _counting(self) -> KeySet | None:
        return self._keys if self._seconds() - self._fetched <= STALE_S else None

    def _fetched_since(self, asked: float) -> KeySet:
        """Fetch, unless somebody tried a moment ago or while we waited: then theirs is the outcome."""
        known, reason = self._counting(), "the provider's keys could not be had"
        if asked - self._tried >= (0 if known is None else AGAIN_AFTER_S):
            try:
                self._keys, self._fetched = self._fetch(), self._seconds()
            except DecisionUnavailable as error:
                reason = str(error)
            self._tried = self._seconds()
        found = self._counting()
        if found is None:
            raise DecisionUnavailable(reason)
        return found
