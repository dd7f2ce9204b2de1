"""What an entry of the walk says of a route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.delegation.conftest import Resident
from tests.idp.wall.sides import Side

COMES_ALONG: Final = frozenset({"login", "browser", "answer", "credential"})
"""Places that one's own request fills by itself, as cookies or inside of something else."""

Kinds = str | tuple[str, ...]
Fields = dict[str, Any]


@dataclass
class Own:
    """What belongs together in a request of one's own, and cannot be made place by place."""

    fields: Fields
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A route.

    :param places: the kinds that stand in a place; one's own is of the first. `bearer`, `basic`,
        `assertion`, `details` and those of `COMES_ALONG` are what `asking` makes of them, the others parts of
        the path, of the query, of the form, or with dots of the JSON.
    :param who: who is logged in, whose login is one more place.
    :param own: makes what `places` alone cannot.
    :param fixed: what is always the same.
    :param alike: places at which one's own value is answered like any other.
    :param spends: what a good request uses up.
    """

    places: Mapping[str, Kinds] = field(default_factory=dict)
    who: str = ""
    own: Callable[[Side, Resident], Own] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    alike: frozenset[str] = frozenset()
    spends: str = ""

    @property
    def every_place(self) -> Mapping[str, tuple[str, ...]]:
        """With those that follow from the others: the login, and the browser of an interaction."""
        more: dict[str, Kinds] = {"login": ("login", "staff login")} if self.who else {}
        if "i" in self.places:
            more["browser"] = "browser"
        each = {**self.places, **more}
        return {place: (kinds,) if isinstance(kinds, str) else kinds for place, kinds in each.items()}


def entry(
    who: str = "", /, own: Any = None, alike: str = "", spends: str = "", fixed: Any = None, **places: Kinds
) -> Entry:
    return Entry(places, who, own, fixed or {}, frozenset(alike.split()), spends)
