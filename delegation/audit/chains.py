"""What the leaves of each writer must show: one after the other, none altered, none after its closing."""

from typing import Final

from assurance.events import EventName
from delegation.audit.closing import ClosedBy
from delegation.audit.leaf import Leaf, Malformed
from delegation.audit.tables import LeafRow
from delegation.audit.tree import leaf_hash

_FIRST: Final = (-1, "")


class Chains:
    """The writers met so far that are not closed; a closed one is forgotten, and so has no leaf to follow.

    :ivar abandoned: how many were closed for a process that ended without a word.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, str]] = {}
        self.abandoned = 0

    def __len__(self) -> int:
        return len(self._last)

    def judge(self, row: LeafRow, rows_of_parts: int, place: str) -> list[str]:
        """Judge the next leaf of the log.

        :param rows_of_parts: how many rows tell whose its sealed parts are.
        :param place: what it is called in a problem.
        :returns: each problem in one sentence.
        """
        counter, previous = self._last.get(row.writer, _FIRST)
        self._last[row.writer] = (row.counter, row.hash.hex())
        leaf = _unaltered(row)
        if leaf is None:
            return [f"{place} was altered"]
        problems, closes = list[str](), leaf.event == EventName.WRITER_CLOSED
        if (leaf.writer, leaf.counter) != (row.writer, row.counter):
            problems.append(f"{place} stands in another's place")
        if len(leaf.parts) != rows_of_parts:
            problems.append(f"{place} holds {len(leaf.parts)} sealed parts, and {rows_of_parts} are found")
        if counter == -1 and row.counter > 0:
            problems.append(
                f"{place} is of no open writer: it follows a closing leaf, or the first is missing"
            )
        elif (row.counter, leaf.previous) != (counter + 1, previous):
            problems.append(
                f"{place} closes a writer whose last leaves are missing"
                if closes
                else f"{place} does not follow its writer's last"
            )
        if closes:
            del self._last[row.writer]
            self.abandoned += leaf.clear.get("by") == ClosedBy.SEQUENCER
        return problems


def _unaltered(row: LeafRow) -> Leaf | None:
    if leaf_hash(row.content) != row.hash:
        return None
    try:
        return Leaf.parse(row.content)
    except Malformed:
        return None
