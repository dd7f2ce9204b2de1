"""`python -m tests.bench.profile`: whose code the time of each row goes to, on SQLite."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.bench.load import serving
from tests.bench.own import Column

_THREADS = {"MainThread": "event loop", "reader": "reader", "writer": "writer", "sequencer": "sequencer"}
_LEAST = 0.03


def _line(name: str, shares: Mapping[str, Mapping[str, float]]) -> str:
    total = sum(seconds for libraries in shares.values() for seconds in libraries.values())
    parts = []
    for thread, libraries in shares.items():
        told = sorted(libraries.items(), key=lambda entry: -entry[1])
        most = [f"{whose} {used / total:.0%}" for whose, used in told if used / total >= _LEAST]
        parts.append(f"{_THREADS[thread]} {sum(libraries.values()) / total:.0%} ({', '.join(most)})")
    return f"{name}: {'; '.join(parts)}"


def main() -> None:
    """One line for each row; what a service does before its first request is taken off."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told, column = folder / "shares.json", Column(folder, f"sqlite:///{folder / 'dairi.db'}")
        service = [sys.executable, "-m", "tests.bench.profiled", str(told)]
        for row, load in column.hot_rows().items():
            shares: list[dict[str, dict[str, float]]] = []
            for measured in (False, True):
                with serving(service, column.ready, column.environment) as process:
                    assert process is not None, "the service does not start"
                    if measured:
                        column.measure(row, process.pid, load)
                shares.append(json.loads(told.read_text("utf-8")))
            idle, busy = shares
            spent = {
                thread: {
                    whose: max(used - idle.get(thread, {}).get(whose, 0), 0)
                    for whose, used in libraries.items()
                }
                for thread, libraries in busy.items()
            }
            print(_line(row, spent), flush=True)


if __name__ == "__main__":
    main()
