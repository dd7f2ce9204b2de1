"""The ward's procedures (手続き).

What each needs and who may be a delegate for it (`policies/procedures.toml`).
"""

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assurance.levels import AAL, IAL, Level

_ID: Final = re.compile(r"[a-z]+(\.[a-z-]+){1,2}\Z")


_Basis = Literal["voluntary", "parent", "guardian", "care_office", "counter_emergency"]


class Action(StrEnum):
    """What is done within a procedure."""

    VIEW = "view"
    DRAFT = "draft"
    FILE = "file"
    RECEIVE = "receive"


class _Names(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ja: str = Field(min_length=1)
    en: str = Field(min_length=1)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Names
    level: str = Field(pattern=r"^[0-3]/[0-3]$")
    delegates: dict[_Basis, Literal["agent", "messenger"]] = {}
    longest_months: int | None = Field(default=None, ge=1, le=12)
    never: bool = False
    address: bool = False
    money: bool = False

    @model_validator(mode="after")
    def _delegable_or_never(self) -> Self:
        if self.never and (self.delegates or self.longest_months):
            raise ValueError("what is never delegable has neither delegates nor a longest time")
        if self.delegates and self.longest_months is None:
            raise ValueError("what is delegable has a longest time")
        return self


@dataclass(frozen=True, slots=True)
class Procedure:
    """One kind of filing.

    :param delegates: by basis, the mode in which a delegate may act.
    :param longest_months: the longest grant, in calendar months.
    :param never: never delegable, whatever any grant says.
    :param address: shows an address, a place or a contact.
    :param money: pays, or says to which account.
    """

    id: str
    name: Mapping[str, str]
    level: Level
    delegates: Mapping[str, str]
    longest_months: int | None
    never: bool
    address: bool
    money: bool

    @property
    def group(self) -> str:
        """The prefix by which it is chosen; a grant never holds the group itself."""
        return self.id.partition(".")[0]

    def may_be_delegated(self, basis: str) -> bool:
        """Whether a grant on this basis may name it."""
        return not self.never and basis in self.delegates


@dataclass(frozen=True, slots=True)
class Procedures:
    """The catalogue in one version.

    :param version: hash of the file, kept with every grant that was made under it.
    """

    version: str
    by_id: Mapping[str, Procedure]

    def delegable(self, basis: str) -> tuple[Procedure, ...]:
        """What may be given on this basis, in the file's order."""
        return tuple(entry for entry in self.by_id.values() if entry.may_be_delegated(basis))

    def longest_months(self, ids: Collection[str]) -> int:
        """The longest time of several procedures together: the shortest of each."""
        return min(self.by_id[id_].longest_months or 0 for id_ in ids)


def load_procedures(text: str | None = None) -> Procedures:
    """Read and check the catalogue; without a text, the one that ships with Dairi.

    :raises ValueError: naming the entry that is wrong.
    """
    source = text if text is not None else files("policies").joinpath("procedures.toml").read_text("utf-8")
    document = tomllib.loads(source)
    if document.keys() != {"procedure"}:
        raise ValueError("the file holds `procedure` tables alone")
    by_id: dict[str, Procedure] = {}
    for id_, values in document["procedure"].items():
        if _ID.match(id_) is None:
            raise ValueError(f"{id_} is no procedure id")
        entry = _Entry.model_validate(values)
        ial, aal = entry.level.split("/")
        by_id[id_] = Procedure(
            id=id_,
            name={"ja": entry.name.ja, "en": entry.name.en},
            level=Level(IAL(int(ial)), AAL(int(aal))),
            delegates={str(basis): str(mode) for basis, mode in entry.delegates.items()},
            longest_months=entry.longest_months,
            never=entry.never,
            address=entry.address,
            money=entry.money,
        )
    return Procedures(hashlib.sha256(source.encode("utf-8")).hexdigest()[:16], by_id)
