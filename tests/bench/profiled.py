"""The service, which tells when it stops where each of its threads spent its time, by library.

`python -m tests.bench.profile` runs it. A profiler makes calls dear, so the shares of what calls much are too
large; what stands first stays first.
"""

import cProfile
import json
import pstats
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from deploy.sandbox.provider import main

_ROOT = Path(__file__).parents[2]
_THREADS = ("MainThread", "reader", "writer", "sequencer")
_LATER = "the rest"


def _library(file: str, function: str) -> str:
    """Whose code it is; what is written in C counts by its name."""
    path = Path(file)
    if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
        return "Dairi"
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    for name in ("sqlite3", "cryptography", "psycopg"):
        if name in function:
            return name
    return "Python"


class Profiles:
    """One a thread."""

    def __init__(self) -> None:
        self._of: dict[str, cProfile.Profile] = {}

    def watch(self, name: str) -> cProfile.Profile:
        """Begin with the thread that asks."""
        self._of[name] = made = cProfile.Profile(time.thread_time_ns, 1e-9)
        made.enable()
        return made

    def shares(self) -> dict[str, dict[str, float]]:
        """Seconds by thread and library."""
        found: dict[str, Counter[str]] = {}
        for name in _THREADS:
            if name in self._of:
                told: Any = pstats.Stats(self._of[name])
                counted = found[name] = Counter[str]()
                for (file, _, function), (_, _, own, _, _) in told.stats.items():
                    counted[_library(file, function)] += own
        return {name: dict(counted) for name, counted in found.items()}


def _stop(*_: object) -> NoReturn:
    raise SystemExit


def run() -> None:
    """Serve until stopped, then write the shares to the file that was named."""
    profiles, before = Profiles(), threading.Thread.run

    def watched(self: threading.Thread) -> None:
        if self.name not in _THREADS:
            return before(self)
        profile = profiles.watch(self.name)
        try:
            before(self)
        finally:
            profile.disable()

    threading.Thread.run = watched  # type: ignore[method-assign] # as a profiler does
    signal.signal(signal.SIGTERM, _stop)
    profile = profiles.watch("MainThread")
    try:
        main()
    except SystemExit:
        profile.disable()
        Path(sys.argv[1]).write_text(json.dumps(profiles.shares()), "utf-8")


if __name__ == "__main__":
    run()
