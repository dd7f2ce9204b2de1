"""Checking mandates again: with every newer revocation list, and once a day whatever comes."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from assurance.database import StorageUnavailable
from assurance.wards import WardCode
from card.certificates import Purpose
from card.revocation import RevocationList, StatusUnavailable
from delegation.parts import Parts
from delegation.revoked.matching import hold_overdue, match
from idp.delegating import parts_of
from idp.services import Services

_EVERY_S: Final = 60.0
_AT_LEAST: Final = timedelta(days=1)


class Rechecker:
    """A thread that looks once a minute whether there is a list that a ward was not matched with.

    Several at once do no harm, and one that is stopped leaves the rest to the next start.
    """

    def __init__(self, wards: Sequence[Services]) -> None:
        self._wards = [(services, parts_of(services)) for services in wards]
        self._matched: dict[WardCode, tuple[frozenset[bytes], datetime]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rechecker", daemon=True)
        self._log = structlog.get_logger("rechecker")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the unit that is begun."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            for services, parts in self._wards:
                try:
                    self._check(services, parts)
                except StorageUnavailable:
                    continue  # tried again at the next turn

    def _check(self, services: Services, parts: Parts) -> None:
        ward, now = services.ward.code, services.clock.now()
        trust, lists = services.trust, list[RevocationList]()
        with suppress(StatusUnavailable):
            lists += trust.revocation.lists(trust.anchors[Purpose.SIGNATURE], now)
        marks = frozenset(found.mark for found in lists)
        matched, at = self._matched.get(ward, (frozenset[bytes](), None))
        if marks <= matched and at is not None and now - at < _AT_LEAST:
            hold_overdue(parts)
            return
        if not lists:
            self._log.warning("no current revocation list: mandates are not checked again", ward=ward)
        done = match(parts, lists, self._stopped)
        if self._stopped.is_set():
            return
        self._matched[ward] = marks, now
        self._log.info(
            "mandates checked again", ward=ward, listed=done.listed, new=done.new, holds=done.holds
        )
