"""The ward's rules over kinds of acting: *(basis, procedure, action, mode)*, in Casbin.

Grants are never policy rows: pycasbin costs some 8 µs a row. The rules are few, compiled once a version, and
each question is put to the enforcer once: what it answers cannot change while this object lives.
Deny overrides; nothing loaded is nothing allowed; an empty question is never asked.
One thread asks, that of the event loop: several at once make the enforcer fail while it parses its matcher.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from casbin import Enforcer
from casbin.model import Model
from casbin.persist.adapters.string_adapter import StringAdapter

from assurance.procedures import Action

_FIELDS: Final = 6


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say.

    :param row: the row that decided, or None where none fits.
    """

    allowed: bool
    row: str | None


class Rules:
    """The rules in one version.

    :raises ValueError: for a row that is not `p, basis, procedure, action, mode, effect`.
    """

    def __init__(self, model: str, rows: str) -> None:
        lines = [line.strip() for line in rows.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        for line in lines:
            cells = [cell.strip() for cell in line.split(",")]
            if (
                len(cells) != _FIELDS
                or cells[0] != "p"
                or not all(cells)
                or cells[5] not in {"allow", "deny"}
            ):
                raise ValueError(f"no rule: {line}")
        self.rows = tuple(lines)
        compiled: Any = Model()
        compiled.load_model_from_text(model)
        self._enforcer: Any = Enforcer(compiled, StringAdapter("\n".join(lines))) if lines else None
        self._known: dict[tuple[str, str, str, str], Ruling] = {}

    def ruling(self, basis: str, procedure: str, action: Action, mode: str) -> Ruling:
        """Whether a kind of acting is allowed."""
        question = (basis, procedure, str(action), mode)
        found = self._known.get(question)
        if found is None:
            asked = self._enforcer is not None and all(question)
            allowed, row = self._enforcer.enforce_ex(*question) if asked else (False, [])
            found = Ruling(bool(allowed), ", ".join(row) or None)
            self._known[question] = found
        return found


def load_rules() -> Rules:
    """The rules that ship with Dairi."""
    folder = files("policies").joinpath("rules")
    return Rules(
        folder.joinpath("model.conf").read_text("utf-8"), folder.joinpath("acting.csv").read_text("utf-8")
    )
