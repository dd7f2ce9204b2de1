"""The counter where nobody writes (書かない窓口): a form filled in from the card that lies there.

What a card tells is no proof, and the form can be corrected; who stands there is for staff to see.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import Posted, read_posted, refuse_foreign_pages, see_other
from deploy.sandbox.portal.login import COUNTER, Login
from deploy.sandbox.portal.portal import Portal

_LONGEST: Final = 200
_FIELDS: Final = ("name", "birthdate", "sex", "address")
_SEXES: Final = frozenset({"1", "2", "9"})


@dataclass(frozen=True, slots=True)
class Taken:
    """A form that was taken in at the counter.

    :param values: by field.
    """

    number: int
    at: datetime
    procedure: str
    values: dict[str, str]


def _is_right(field: str, value: str) -> bool:
    """Whether a field holds what it is for."""
    if field == "birthdate":
        return _day(value) is not None
    return value in _SEXES if field == "sex" else bool(value)


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


class Counter:
    """The pages under `/counter`, in a browser that staff opened them in."""

    def __init__(self, portal: Portal, login: Login) -> None:
        self._portal, self._login = portal, login
        self._taken: dict[str, Taken] = {}

    async def show(self, request: Request) -> Response:
        """The form as the card filled it in; before, the way to the card."""
        printed = self._portal.visits.of(request).printed
        values = {}
        if printed is not None:
            born = "" if printed.birthdate is None else printed.birthdate.isoformat()
            values = dict(zip(_FIELDS, (printed.name, born, printed.sex, printed.address), strict=True))
        return self._form(request, values)

    def _form(
        self, request: Request, values: dict[str, str], *, missing: str = "", chosen: str = ""
    ) -> Response:
        return self._portal.page(
            request,
            "counter",
            status=400 if missing else 200,
            values=values,
            missing=missing,
            chosen=chosen,
            longest=_LONGEST,
            once=secrets.token_hex(16),
            procedures=self._portal.procedures,
        )

    async def read(self, request: Request) -> Response:
        """Ask the provider for what is printed on the card."""
        self._portal.visits.of(request).printed = None
        return await self._login.to_card(request)

    async def take(self, request: Request) -> Response:
        """Take the form in; nothing typed is lost where something is missing."""
        refuse_foreign_pages(request, self._portal.address)
        posted, visit = await read_posted(request), self._portal.visits.of(request)
        if visit.printed is None:
            return see_other(COUNTER)
        values = {field: posted.one(field).strip()[:_LONGEST] for field in _FIELDS}
        procedure = posted.one("procedure")
        missing = next((field for field in _FIELDS if not _is_right(field, values[field])), "")
        if procedure not in self._portal.procedures:
            missing = missing or "procedure"
        if missing:
            return self._form(request, values, missing=missing, chosen=procedure)
        number = self._number(posted, procedure, values)
        visit.printed = None
        return see_other(f"{COUNTER}/taken/{number}")

    def _number(self, posted: Posted, procedure: str, values: dict[str, str]) -> str:
        """A form that was sent twice is taken in once."""
        once = posted.one("once")
        if once not in self._taken:
            self._taken[once] = Taken(len(self._taken) + 1, datetime.now(UTC), procedure, values)
        return once

    async def receipt(self, request: Request) -> Response:
        """What was taken in, to be printed and read by whom it is about."""
        taken = self._taken.get(request.path_params["once"])
        if taken is None:
            return see_other(COUNTER)
        name = self._portal.procedures[taken.procedure]
        born = _day(taken.values["birthdate"])
        return self._portal.page(request, "taken", taken=taken, name=name, born=born)
