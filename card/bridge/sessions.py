"""Requests at the bridge, from their arrival to their one answer."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

from card.bridge.enrolment import Enrolment
from card.clock import Clock
from card.faults import Fault
from card.request import CardRequest, ReadingRequest, RequestRefused

_MOST: Final = 64
_REMEMBERED: Final = timedelta(hours=1)
"""How long a late page still knows its way back."""


def _new_handle() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class SigningSession:
    """One request that a person decides about.

    :param attempt: names the PIN page that may be posted next.
    :param fault: why the last attempt failed.
    :param answer: the container with what the card signed or told; it ends the session.
    """

    request: CardRequest | ReadingRequest
    attempt: str = field(default_factory=_new_handle)
    fault: Fault | None = None
    answer: str | None = None

    def spend(self, attempt: str) -> bool:
        """Use a PIN page up, before the card is touched: a double click or a reload costs no try."""
        if self.answer is not None or not compare_digest(attempt.encode(), self.attempt.encode()):
            return False
        self.attempt = _new_handle()
        return True


class SigningSessions:
    """The requests of one bridge by handle, each taken in once."""

    def __init__(self, enrolled: Enrolment, clock: Clock) -> None:
        self._enrolled = enrolled
        self._clock = clock
        self._sessions: dict[str, SigningSession] = {}
        self._seen: dict[str, datetime] = {}

    def open(self, jws: str) -> str:
        """Take a request in.

        :returns: the session's handle.
        :raises RequestRefused: as `read_request` of the enrolment; `bridge.replayed` for one that was here
            before.
        """
        now = self._clock.now()
        request = self._enrolled.read_request(jws, now)
        self._forget(now)
        if request.request_id in self._seen:
            raise RequestRefused("bridge.replayed", request.cancel_uri)
        self._seen[request.request_id] = request.expires_at
        handle = _new_handle()
        self._sessions[handle] = SigningSession(request)
        return handle

    def get(self, handle: str) -> SigningSession:
        """The session of a page.

        :raises RequestRefused: `bridge.unknown_session` or `bridge.expired`.
        """
        session = self._sessions.get(handle)
        if session is None:
            raise RequestRefused("bridge.unknown_session")
        if self._clock.now() >= session.request.expires_at:
            raise RequestRefused("bridge.expired", session.request.cancel_uri)
        return session

    def _forget(self, now: datetime) -> None:
        self._seen = {jti: until for jti, until in self._seen.items() if until > now}
        kept = [
            (handle, session)
            for handle, session in self._sessions.items()
            if session.request.expires_at + _REMEMBERED > now
        ]
        self._sessions = dict(kept[-_MOST + 1 :])
