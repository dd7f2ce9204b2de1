"""`make bench`: Dairi's hot endpoints beside npm's `oidc-provider`, each on one pinned core, in one run.

The service that is measured has core 0; wrk and PostgreSQL have the other. Every answer of Dairi's is durable
before it is sent. Writes `results.json`, `rates.svg` and the tables of both READMEs.
"""

import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests import postgresql
from tests.bench import cards, others, own
from tests.bench.load import as_dict
from tests.bench.report import PEER, POSTGRESQL, SQLITE, plot, put, summary, table
from tests.bench.seeding import FEW, MANY

FOLDER = Path(__file__).parent
_COMMAND = "make bench"


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _column(url: str) -> dict[str, Any]:
    made = own.column(url)
    rates = {name: as_dict(rate) for name, rate in made.rows.items()}
    return {"rates": rates, "start_ms": round(made.start_ms), "memory_mb": round(made.memory_mb, 1)}


def measured() -> dict[str, Any]:
    """Everything, one after the other: two services at once would share the core."""
    columns: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        _note("a bare route ...")
        bare = others.floor(Path(name))
        _note("oidc-provider ...")
        rows, memory = others.peer(Path(name))
    if rows:
        rates = {row: as_dict(rate) for row, rate in rows.items()}
        columns[PEER] = {"rates": rates, "memory_mb": round(memory, 1)}
    _note(f"Dairi on SQLite, with {MANY:,} grants in the end ...")
    columns[SQLITE] = _column("")
    with postgresql.cluster(durable=True) as url:
        if url is not None:
            _note("Dairi on PostgreSQL ...")
            columns[POSTGRESQL] = _column(url)
    machine = {"processor": _processor(), "python": platform.python_version(), "node": others.node_version()}
    _note("cards and a list of a million ...")
    return {
        "machine": machine,
        "floor": as_dict(bare),
        "grants": [FEW, MANY],
        "columns": columns,
        "cards": cards.measured(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))


def main() -> None:
    """Measure, write it down, and print the table."""
    results = measured()
    machine, bare = results["machine"], results["floor"]
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (FOLDER / "rates.svg").write_text(plot(results), "utf-8")
    said = (
        f"One core of a virtual machine ({machine['processor']}), Python {machine['python']}, "
        f"Node {machine['node']}; in the same run a bare Starlette route answers {bare['rate']:,.0f} "
        f"requests a second.\n\n{table(results)}\n\n![Requests a second on one core](rates.svg)\n"
    )
    put(FOLDER / "README.md", _COMMAND, said)
    put(FOLDER.parents[1] / "README.md", _COMMAND, summary(results))
    cards.write(results["cards"])
    print(said)


if __name__ == "__main__":
    main()
