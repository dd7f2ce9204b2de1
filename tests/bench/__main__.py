"""`make bench`: the hot endpoints on one pinned core, over SQLite (FULL) and PostgreSQL.

The service has core 0; wrk and PostgreSQL have the others. Every answer is durable before it is sent.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from card.jose import unverified_claims
from tests import postgresql
from tests.bench.seeding import CALLBACK, VERIFIER, WARD, Seeded, basic, seed
from tests.end_to_end.conftest import free_ports

SECONDS = 5
CONNECTIONS = 32
CODES = 12_000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def lua(folder: Path, name: str, headers: Mapping[str, str], body: str, codes: Path | None = None) -> Path:
    """A script for wrk; with `codes`, each request takes the next line in the place of CODE."""
    lines = [
        'wrk.method = "POST"',
        *(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in headers.items()),
    ]
    lines.append(f"local body = {json.dumps(body)}")
    if codes is None:
        lines.append("wrk.body = body")
    else:
        lines += [
            f"local codes = {{}} for line in io.lines({json.dumps(str(codes))}) do",
            "  codes[#codes + 1] = line end",
            "local next = 0",
            "function request() next = next + 1",
            '  return wrk.format(nil, nil, nil, (body:gsub("CODE", codes[next] or "none"))) end',
        ]
    lines += [
        "function done(summary, latency, requests)",
        "  local bad = summary.errors.status + summary.errors.timeout + summary.errors.read",
        '  io.write(string.format("RESULT %d %d %.2f %d\\n", summary.requests, summary.duration,',
        "    latency:percentile(99) / 1000, bad)) end",
    ]
    path = folder / f"{name}.lua"
    path.write_text("\n".join(lines), "utf-8")
    return path


def wrk(script: Path, address: str, seconds: int = SECONDS) -> tuple[float, float, int]:
    """Requests a second, the 99th percentile in milliseconds, and how many were no success."""
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(script),
        address,
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests, microseconds, late, bad = out.rpartition("RESULT ")[2].split()
    return int(requests) / (int(microseconds) / 1e6), float(late), int(bad)


@contextmanager
def serving(environment: Mapping[str, str], address: str) -> Iterator[int]:
    """The service on core 0; yields its process id."""
    command = ["taskset", "-c", "0", sys.executable, "-m", "deploy.sandbox.provider"]
    with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            try:
                if httpx2.get(f"{address}/health/ready", timeout=2).status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield process.pid
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def redeem(issuer: str, code: str) -> Mapping[str, Any]:
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER
    }  # fmt: skip
    found: Mapping[str, Any] = (
        httpx2.post(f"{issuer}/token", data=form, headers={"Authorization": basic()})
        .raise_for_status()
        .json()
    )
    return found


def measure(folder: Path, issuer: str, seeded: Seeded) -> dict[str, tuple[float, float, int]]:
    """One database's column."""
    form = {**FORM, "Authorization": basic()}
    own = redeem(issuer, seeded.codes[0])["access_token"]
    acting = redeem(issuer, seeded.acting_code)["access_token"]
    decide = httpx2.post(
        f"{issuer}/token",
        data={"grant_type": "client_credentials", "scope": "decide"},
        headers={"Authorization": basic()},
    ).json()["access_token"]
    told: Mapping[str, Any] = unverified_claims(acting)
    question = {
        "subject": {"type": "person", "id": told["act"]["sub"]},
        "action": {"name": "file"},
        "resource": {
            "type": "procedure",
            "id": "kaigo.nintei.renew",
            "properties": {"principal": told["sub"]},
        },
        "context": {"token": acting},
    }
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {decide}"}
    assert httpx2.post(f"{issuer}/access/v1/evaluation", json=question, headers=headers).json()["decision"]
    codes = folder / "codes"
    codes.write_text("\n".join(seeded.codes[1:]) + "\n", "utf-8")
    redeeming = f"grant_type=authorization_code&code=CODE&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    client = "grant_type=client_credentials&scope=decide"
    scripts = {  # codes first: they live for a minute
        "token: authorization_code": (lua(folder, "code", form, redeeming, codes), "/token"),
        "token: client_credentials": (lua(folder, "client", form, client), "/token"),
        "introspection": (lua(folder, "introspect", form, f"token={own}"), "/introspect"),
        "evaluation": (lua(folder, "evaluate", headers, json.dumps(question)), "/access/v1/evaluation"),
    }
    rows: dict[str, tuple[float, float, int]] = {}
    for name, (script, path) in scripts.items():
        if "code" not in name:
            wrk(script, issuer + path, 1)
        rows[name] = wrk(script, issuer + path, 2 if "code" in name else SECONDS)
    return rows


def run(url: str) -> dict[str, tuple[float, float, int]]:
    """Seed, serve and measure one database."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeded = seed(folder, url or f"sqlite:///{folder / 'dairi.db'}", port, CODES)
        address = f"http://localhost:{port}"
        with serving(seeded.environment, address) as pid:
            rows = measure(folder, f"{address}/{WARD}", seeded)
            memory = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
            rows["memory of the worker, MB"] = (int(memory) * 4096 / 1e6, 0, 0)
    return rows


def main() -> None:
    """Print the table of the README."""
    columns = {"SQLite, FULL": run("")}
    with postgresql.cluster(durable=True) as url:
        if url is not None:
            columns["PostgreSQL"] = run(url)
    print(f"\n{platform.processor() or platform.machine()}, Python {platform.python_version()}, one core\n")
    print("| requests a second (99th percentile) | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name in next(iter(columns.values())):
        cells = [columns[column][name] for column in columns]
        shown = [
            f"{rate:,.0f}" + (f" ({late:.0f} ms)" if late else "") + (f", {bad} refused" if bad else "")
            for rate, late, bad in cells
        ]
        print(f"| {name} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
