"""Let the fuzzer try one target or every one: `python -m tests.fuzz [target]`.

FUZZ_SECONDS is how long it takes in all, ten minutes unless given. What was worth keeping, and what broke a
target, stays in .artifacts/fuzz.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.targets import targets

SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))


def fuzz(chosen: list[str], folder: Path) -> list[str]:
    """Fuzz each in a process of its own, for the fuzzer ends the one that it runs in.

    :returns: which broke.
    """
    broken = []
    for name in chosen:
        print(f"== {name}", flush=True)
        seconds = str(max(1, SECONDS // len(chosen)))
        command = [sys.executable, "-m", "tests.fuzz.one", name, seconds, str(folder / name)]
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
    return broken


def main() -> None:
    """Fuzz what was asked for, and say what broke."""
    if find_spec("atheris") is None:
        sys.exit("There is no fuzzer here: atheris has a wheel for Linux on x86_64 alone.")
    with TemporaryDirectory() as folder:
        names = list(targets(Path(folder) / "names"))
        if not set(sys.argv[1:]) <= set(names):
            sys.exit(f"The targets are {', '.join(names)}.")
        broken = fuzz(sys.argv[1:] or names, Path(folder))
    if broken:
        sys.exit(f"Broken: {', '.join(broken)}. What broke them is in .artifacts/fuzz.")
    print("Nothing broke.")


if __name__ == "__main__":
    main()
