"""The list of attacks itself: whole, and every test that it names is there."""

import ast
import functools
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LIST: Final = tomllib.loads((ROOT / "tests" / "attacks.toml").read_text("utf-8"))
SECTIONS: Final[dict[str, dict[str, Any]]] = LIST["sections"]
ENTRIES: Final[dict[str, dict[str, Any]]] = {
    name: entry for name, entry in LIST.items() if name != "sections"
}
ATTACKS: Final = 231
PITFALLS: Final = 26


def spelled_out(ids: str) -> list[str]:
    """The ids of a section: single ones, and ranges with both ends."""
    found = []
    for part in ids.split():
        ends = [re.fullmatch(r"(\D+)(\d\d)", end) for end in part.split("..")]
        prefixes = {end[1] for end in ends if end is not None}
        numbers = [int(end[2]) for end in ends if end is not None]
        assert (len(numbers), len(prefixes)) == (len(ends), 1), part
        found += [f"{prefixes.copy().pop()}{number:02}" for number in range(numbers[0], numbers[-1] + 1)]
    return found


@functools.cache
def functions_in(file: str) -> frozenset[str]:
    """The test functions that stand at the top of a file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    functions = (
        node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    )
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_as_many_ids_as_it_says(section: str) -> None:
    ids = spelled_out(SECTIONS[section]["ids"])
    assert (len(ids), len(set(ids))) == (SECTIONS[section]["count"],) * 2
    assert [name for name in ENTRIES if name in ids] == ids


def test_every_attack_is_in_one_section_and_no_other_is() -> None:
    ids = [id_ for section in SECTIONS.values() for id_ in spelled_out(section["ids"])]
    assert len(ids) == ATTACKS + PITFALLS
    assert list(ENTRIES) == ids


@pytest.mark.parametrize("id_", ENTRIES)
def test_an_attack_is_tried_or_said_to_come_later_and_why(id_: str) -> None:
    entry = ENTRIES[id_]
    assert entry.keys() in (
        {"attack", "tests"}, {"attack", "later", "because"}, {"attack", "tests", "later", "because"},
    )  # fmt: skip
    for name in entry.keys() - {"tests"}:
        assert isinstance(entry[name], str)
        assert entry[name].strip()
    if "tests" in entry:
        assert entry["tests"]
        assert len(entry["tests"]) == len(set(entry["tests"]))
        for test in entry["tests"]:
            file, _, function = test.partition("::")
            assert function in functions_in(file), test
