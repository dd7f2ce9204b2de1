"""What the portal remembers of a browser: for whom it acts, in as many contexts as were opened."""

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request

from delegation.client import Access, Decision, Printed, TokenRefused, WardSystem, require_context

_MOST: Final = 1000
_DECISIONS: Final = 10


@dataclass(frozen=True)
class Filed:
    """Something that was filed.

    :param once: made with its form, so that a form sent twice is filed once.
    :param delegated: a delegate filed it; who they are is not everybody's to know.
    """

    number: int
    once: str
    at: datetime
    principal: str
    procedure: str
    text: str
    delegated: bool


@dataclass
class Context:
    """One login for one principal.

    :param name: who logged in; `principal` for whom, empty for themselves.
    :param typed: what was typed, by procedure, kept over a step-up and over a login that ended.
    :param filed: what was filed last, for its receipt.
    :param over: its tokens count no longer; a new login goes on from here.
    :param decisions: the last ones, the newest first.
    :param opened_at: by a clock that is never set back.
    """

    access: Access
    refresh_token: str = field(repr=False)
    id_token: str = field(repr=False)
    name: str
    principal: str
    typed: dict[str, str] = field(default_factory=dict, repr=False)
    filed: Filed | None = None
    over: bool = False
    decisions: deque[Decision] = field(default_factory=lambda: deque(maxlen=_DECISIONS), repr=False)
    opened_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def live(self, system: WardSystem) -> Access:
        """A token that counts, refreshed if it must be.

        One tab after the other: a refresh token counts once, and its second use ends the login (RFC 9700
        §4.14.2). The new one is kept before anything else can fail.

        :raises TokenRefused: when the login is over.
        """
        with self._lock:
            try:
                return system.verify(self.access.token)
            except TokenRefused:
                renewed = system.refresh(self.refresh_token)
            self.refresh_token = renewed.refresh_token
            access = system.verify(renewed.access_token)
            require_context(access, self.access.context)
            self.access = access
            return access

    def decide(self, system: WardSystem, procedure: str, action: str) -> Decision:
        """Ask whether this may be done, and keep the answer for the developer's page.

        :raises TokenRefused: when the login is over.
        """
        decision = system.decide(self.live(system), procedure, action)
        self.decisions.appendleft(decision)
        return decision


@dataclass
class Visit:
    """A browser.

    :param back_to: where a login leads, by its `state`.
    :param printed: what is printed on the card that lies at the counter, until its form is taken in.
    """

    contexts: dict[str, Context] = field(default_factory=dict)
    back_to: dict[str, str] = field(default_factory=dict)
    printed: Printed | None = field(default=None, repr=False)

    def open(self, context: Context) -> None:
        """Add a login. Whoever used this browser before is out: families share one."""
        id_, who = context.access.context, context.access.subject
        known = self.contexts.get(id_)
        if known is not None:
            context.typed = known.typed
        kept = {other: kept for other, kept in self.contexts.items() if kept.access.subject == who}
        self.contexts = kept | {id_: context}

    def last(self) -> Context | None:
        """The newest login for another; without any, the newest."""
        opened = self.contexts.values()
        return max(opened, key=lambda one: (one.access.delegated, one.opened_at), default=None)


class Visits:
    """All of them, in memory: this is a sample."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}

    def of(self, request: Request) -> Visit:
        """The visit of a browser, made at its first request."""
        key = request.session.setdefault("visit", secrets.token_urlsafe(32))
        while len(self._visits) >= _MOST and key not in self._visits:
            self._visits.pop(next(iter(self._visits)))
        return self._visits.setdefault(str(key), Visit())
