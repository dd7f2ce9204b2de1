"""Asking a service over HTTP, from the core that it does not have."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

SERVED, ASKING = "0", "1"
CONNECTIONS = 32
SECONDS = 4
_WARMING_S, _WARMING_ONCE_S = 3, 1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Rate:
    """What one row of a column shows.

    :param late: 99th percentile, in milliseconds.
    :param cpu: of the worker for each request, in microseconds.
    :param refused: answers that were no success.
    """

    rate: float
    late: float
    cpu: float
    refused: int


@dataclass(frozen=True)
class Load:
    """Requests of one kind.

    :param bodies: taken in turn; those of one that works once last as long as they last.
    """

    path: str
    headers: Mapping[str, str]
    bodies: Sequence[str]
    once: bool = False


def _script(path: Path, load: Load, bodies: Sequence[str]) -> None:
    """What wrk runs: the bodies are made before, so that it has the time to ask."""
    kept = path.with_suffix(".bodies")
    kept.write_text("\n".join(bodies) + "\n", "utf-8")
    lines = [
        *(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in load.headers.items()),
        f"local bodies = {{}} for line in io.lines({json.dumps(str(kept))}) do",
        "  bodies[#bodies + 1] = line end",
        "local sent = 0",
        "function request() sent = sent + 1",
        '  return wrk.format("POST", nil, nil, bodies[(sent - 1) % #bodies + 1]) end',
        "function done(summary, latency)",
        "  local bad = summary.errors.status + summary.errors.timeout + summary.errors.read",
        '  io.write(string.format("RESULT %d %d %.2f %d\\n", summary.requests, summary.duration,',
        "    latency:percentile(99) / 1000, bad)) end",
    ]
    path.write_text("\n".join(lines), "utf-8")


def _wrk(script: Path, address: str, seconds: int, connections: int) -> tuple[int, float, float, int]:
    asking = ("taskset", "-c", ASKING, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script))
    out = subprocess.run([*asking, address], check=True, capture_output=True, text=True).stdout
    requests, microseconds, late, bad = out.rpartition("RESULT ")[2].split()
    return int(requests), int(microseconds) / 1e6, float(late), int(bad)


def cpu_s(pid: int) -> float:
    """How long a process worked so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int | str) -> float:
    """The memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb(pid: int | str) -> float:
    """The most memory that a process ever had; what `getrusage` tells includes who started it."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def measure(folder: Path, base: str, pid: int, load: Load, connections: int = CONNECTIONS) -> Rate:
    """Warm a service, then measure it."""
    script, warming = folder / "measured.lua", folder / "warming.lua"
    first = len(load.bodies) // 5 if load.once else 0
    _script(warming, load, load.bodies[:first] if load.once else load.bodies)
    _script(script, load, load.bodies[first:])
    _wrk(warming, base + load.path, _WARMING_ONCE_S if load.once else _WARMING_S, connections)
    before = cpu_s(pid)
    requests, seconds, late, bad = _wrk(script, base + load.path, SECONDS, connections)
    return Rate(requests / seconds, late, (cpu_s(pid) - before) / max(requests, 1) * 1e6, bad)


def wait_for(address: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until a service answers; whether it does."""
    while process.poll() is None:
        try:
            if httpx2.get(address, timeout=2).status_code == 200:
                return True
        except httpx2.TransportError:
            time.sleep(0.01)
    return False


@contextmanager
def serving(
    command: Sequence[str], address: str, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator["subprocess.Popen[bytes] | None"]:
    """A service on its core; None for one that ends, or is not there, instead of answering."""
    pinned, silent = ["taskset", "-c", SERVED, *command], subprocess.DEVNULL
    with subprocess.Popen(
        pinned, cwd=folder, env={**os.environ, **environment}, stdout=silent, stderr=silent
    ) as process:
        try:
            yield process if wait_for(address, process) else None
        finally:
            process.terminate()
            process.wait(60)


def as_dict(rate: Rate) -> dict[str, float]:
    """As it goes into `results.json`."""
    return {name: round(value, 1) for name, value in asdict(rate).items()}
