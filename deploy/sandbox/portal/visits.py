"""What the portal remembers of a browser: for whom it acts, in as many contexts as were opened."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request

from delegation.client import Access

_MOST: Final = 1000


@dataclass
class Context:
    """One login for one principal.

    :param name: who logged in; `principal` for whom, None for themselves.
    :param typed: what was typed, by procedure, kept over a step-up.
    """

    access: Access
    refresh_token: str
    id_token: str
    name: str
    principal: str | None
    typed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filing:
    """Something that was filed."""

    at: datetime
    principal: str
    procedure: str
    text: str


@dataclass
class Visit:
    """A browser.

    :param back_to: where a step-up leads, by the `state` of its login.
    """

    contexts: dict[str, Context] = field(default_factory=dict)
    back_to: dict[str, str] = field(default_factory=dict)


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
