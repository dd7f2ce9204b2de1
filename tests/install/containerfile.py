"""A container file as its instructions, by stage."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One of them: `RUN`, `COPY` …, and what follows."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.rest)


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def read_stages(path: Path) -> Sequence[Sequence[Instruction]]:
    """The instructions of each stage, which begins with its `FROM`."""
    stages: list[list[Instruction]] = []
    for line in _lines(path.read_text("utf-8")):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, rest))
    return stages
