"""Dairi's rows, on one database."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from card.clock import SystemClock
from card.jose import unverified_claims
from card.request import read_request
from card.virtual.holder import sign_as_holder
from tests.bench.load import SECONDS, Load, Rate, cpu_s, measure, resident_mb, serving
from tests.bench.seeding import FEW, MANY, WARD, Seeded, add_grants, basic, code_form, form_headers, seed
from tests.end_to_end.conftest import free_ports

SERVICE = [sys.executable, "-m", "deploy.sandbox.provider"]
LOOPED = 100
BROWSERS = 8
_STARTS = 3


def _redeem(http: httpx2.Client, issuer: str, code: str) -> Mapping[str, Any]:
    headers = {"Authorization": basic(), **form_headers()}
    found: Mapping[str, Any] = (
        http.post(f"{issuer}/token", content=code_form(code), headers=headers).raise_for_status().json()
    )
    return found


def _question(token: str) -> dict[str, Any]:
    told: Mapping[str, Any] = unverified_claims(token)
    return {
        "subject": {"type": "person", "id": told["act"]["sub"]},
        "action": {"name": "file"},
        "resource": {
            "type": "procedure",
            "id": "kaigo.nintei.renew",
            "properties": {"principal": told["sub"]},
        },
        "context": {"token": token},
    }


class Column:
    """One database's column of the table, while its service runs.

    :ivar rows: so far.
    """

    def __init__(self, folder: Path, url: str) -> None:
        (self._port,) = free_ports(1)
        self._folder = folder
        self._seeded: Seeded = seed(folder, url, self._port)
        self._address = f"http://localhost:{self._port}"
        self._issuer = f"{self._address}/{WARD}"
        self._evaluating = Load("/access/v1/evaluation", {}, [])
        self._own = list[str]()
        self.rows: dict[str, Rate] = {}
        self.memory_mb = self.start_ms = 0.0

    def fill(self) -> None:
        """Measure all of it."""
        ready = f"{self._address}/health/ready"
        with serving(SERVICE, ready, self._seeded.environment) as process:
            assert process is not None, "the service does not start"
            self._take_tokens()
            self._measure(f"evaluation, {FEW:,} grants", process.pid, self._evaluating)
        add_grants(self._seeded.environment, MANY - FEW)
        starts = [self._started_ms(ready) for _ in range(_STARTS)]
        self.start_ms = sorted(starts)[len(starts) // 2]
        with serving(SERVICE, ready, self._seeded.environment) as process:
            assert process is not None, "the service does not start"
            self._fill(process.pid)
            self.memory_mb = resident_mb(process.pid)

    def _fill(self, pid: int) -> None:
        client = {"Authorization": basic(), **form_headers()}
        refreshing = "grant_type=refresh_token&refresh_token={}"
        asked = {
            "token: authorization_code": Load(
                "/token", client, [code_form(code) for code in self._seeded.codes], once=True
            ),
            "token: client_credentials": Load(
                "/token", client, ["grant_type=client_credentials&scope=decide"]
            ),
            "token: refresh_token": Load(
                "/token",
                client,
                [refreshing.format(token) for token in self._seeded.refresh_tokens],
                once=True,
            ),
            "introspection": Load("/introspect", client, [f"token={token}" for token in self._own]),
            f"evaluation, {MANY:,} grants": self._evaluating,
        }
        for name, load in asked.items():
            self._measure(name, pid, load)
        self._measure("evaluation, one caller", pid, self._evaluating, connections=1)
        self.rows["card login"] = self._card_logins(pid)

    def _measure(self, name: str, pid: int, load: Load, **how: int) -> None:
        self.rows[name] = measure(self._folder, self._issuer, pid, load, **how)

    def _take_tokens(self) -> None:
        with httpx2.Client() as http:
            self._own = [_redeem(http, self._issuer, code)["access_token"] for code in self._seeded.own]
            acting = [_redeem(http, self._issuer, code)["access_token"] for code in self._seeded.acting]
            form = "grant_type=client_credentials&scope=decide"
            headers = {"Authorization": basic(), **form_headers()}
            caller = http.post(f"{self._issuer}/token", content=form, headers=headers).json()["access_token"]
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {caller}"}
            questions = [_question(token) for token in acting]
            answer = http.post(f"{self._issuer}/access/v1/evaluation", json=questions[0], headers=headers)
        assert answer.json()["decision"]
        bodies = [json.dumps(question) for question in questions]
        self._evaluating = Load("/access/v1/evaluation", headers, bodies)

    def _started_ms(self, ready: str) -> float:
        began = time.perf_counter()
        with serving(SERVICE, ready, self._seeded.environment):
            return (time.perf_counter() - began) * 1000

    # Logging in by card.

    def _card_logins(self, pid: int) -> Rate:
        """Whole logins: from a page that needs one to that page, with the card's signature between."""
        ended, taken, before = time.monotonic() + SECONDS, list[float](), cpu_s(pid)

        def people() -> None:
            browser = _Browser(self._address, self._seeded)
            while time.monotonic() < ended:
                began = time.perf_counter()
                browser.log_in()
                taken.append((time.perf_counter() - began) * 1000)

        threads = [threading.Thread(target=people) for _ in range(BROWSERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        late = sorted(taken)[int(len(taken) * 0.99)]
        return Rate(len(taken) / SECONDS, late, (cpu_s(pid) - before) / len(taken) * 1e6, 0)


class _Browser:
    """One that sends its cookies over http, as browsers do to localhost."""

    def __init__(self, address: str, seeded: Seeded) -> None:
        self._http, self._seeded = httpx2.Client(base_url=address), seeded
        self._cookies: dict[str, str] = {}

    def _go(self, path: str, form: Mapping[str, str] | None = None, origin: str = "") -> str:
        """Where a request leads."""
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if form is None:
            answer = self._http.get(path, headers=headers)
        else:
            answer = self._http.post(path, data=form, headers=headers | {"origin": origin})
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def log_in(self) -> None:
        self._cookies.clear()
        issuer, origin = f"/{WARD}", str(self._http.base_url).rstrip("/")
        i = self._go(f"{issuer}/account").partition("?i=")[2]
        jws = self._go(f"{issuer}/login/card", {"i": i}, origin).partition("?request=")[2]
        bridge = self._seeded.bridge
        asked = read_request(jws, {bridge.issuer: bridge}, SystemClock().now())
        signed = sign_as_holder(self._seeded.card, asked.to_be_signed, asked.certificate).to_json()
        done = self._go(f"{issuer}/card/answer", {"state": asked.state, "container": signed}, "null")
        assert self._go(done).endswith("/account")


def column(url: str) -> Column:
    """Seed, serve and measure one database.

    :param url: of the database; empty for SQLite.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = Column(folder, url or f"sqlite:///{folder / 'dairi.db'}")
        made.fill()
        return made
