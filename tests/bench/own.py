"""Dairi's rows, on one database."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from card.clock import SystemClock
from card.jose import unverified_claims
from card.request import read_request
from card.virtual.holder import sign_as_holder
from tests.bench.load import SECONDS, Load, Rate, cpu_s, measure, resident_mb, serving
from tests.bench.seeding import (
    FEW,
    MANY,
    REVOKED,
    WARD,
    Seeded,
    add_grants,
    basic,
    code_form,
    form_headers,
    seed,
)
from tests.end_to_end.conftest import free_ports

SERVICE = [sys.executable, "-m", "deploy.sandbox.provider"]
BROWSERS = 8
EVALUATION = "evaluation"
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
        self._own, self._acting = [*self._seeded.own], [*self._seeded.acting]
        self.ready = f"{self._address}/health/ready"
        self.rows: dict[str, Rate] = {}
        self.memory_mb = self.start_ms = 0.0

    @property
    def environment(self) -> Mapping[str, str]:
        """What the service is told."""
        return self._seeded.environment

    def fill(self) -> None:
        """Measure all of it, first among few grants."""
        evaluating = self.hot_rows()[EVALUATION]
        with self._serving() as pid:
            self.measure(f"{EVALUATION}, {FEW:,} grants", pid, evaluating)
        add_grants(self.environment, MANY - FEW)
        starts = [self._started_ms() for _ in range(_STARTS)]
        self.start_ms = sorted(starts)[len(starts) // 2]
        with self._serving() as pid:
            for name, load in self.hot_rows().items():
                self.measure(f"{name}, {MANY:,} grants" if name == EVALUATION else name, pid, load)
            self.measure(f"{EVALUATION}, one caller", pid, evaluating, connections=1)
            self.rows[f"card login, {REVOKED:,} revoked"] = self._card_logins(pid)
            self.memory_mb = resident_mb(pid)

    @contextmanager
    def _serving(self) -> Iterator[int]:
        with serving(SERVICE, self.ready, self.environment) as process:
            assert process is not None, "the service does not start"
            yield process.pid

    def hot_rows(self) -> Mapping[str, Load]:
        """What is asked in each row."""
        own, evaluating = self._tokens()
        client, form = (
            {"Authorization": basic(), **form_headers()},
            "grant_type=client_credentials&scope=decide",
        )
        codes, tokens = self._seeded.codes, self._seeded.refresh_tokens
        refreshing = "grant_type=refresh_token&refresh_token="
        return {
            "token: client_credentials": Load("/token", client, [form]),
            "token: authorization_code": Load(
                "/token", client, [code_form(code) for code in codes], once=True
            ),
            "token: refresh_token": Load(
                "/token", client, [refreshing + token for token in tokens], once=True
            ),
            "introspection": Load("/introspect", client, [f"token={token}" for token in own]),
            EVALUATION: evaluating,
        }

    def measure(self, name: str, pid: int, load: Load, **how: int) -> None:
        """Measure one row, and tell it as it comes."""
        self.rows[name] = measure(self._folder, self._issuer, pid, load, **how)
        print(f"  {name}: {self.rows[name].rate:,.0f}/s", file=sys.stderr, flush=True)

    def _tokens(self) -> tuple[Sequence[str], Load]:
        """Own tokens to introspect, and questions with the tokens of delegates; they live for ten minutes."""
        own_codes, acting_codes = self._own.pop(), self._acting.pop()
        headers = {"Authorization": basic(), **form_headers()}
        with self._serving(), httpx2.Client() as http:
            own = [_redeem(http, self._issuer, code)["access_token"] for code in own_codes]
            acting = [_redeem(http, self._issuer, code)["access_token"] for code in acting_codes]
            told = http.post(f"{self._issuer}/introspect", content=f"token={own[0]}", headers=headers)
            assert told.json()["active"]
            form = "grant_type=client_credentials&scope=decide"
            caller = http.post(f"{self._issuer}/token", content=form, headers=headers).json()["access_token"]
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {caller}"}
            questions = [_question(token) for token in acting]
            answer = http.post(f"{self._issuer}/access/v1/evaluation", json=questions[0], headers=headers)
            assert answer.json()["decision"]
        return own, Load("/access/v1/evaluation", headers, [json.dumps(question) for question in questions])

    def _started_ms(self) -> float:
        began = time.perf_counter()
        with self._serving():
            return (time.perf_counter() - began) * 1000

    # Logging in by card.

    def _card_logins(self, pid: int) -> Rate:
        """Whole logins: from a page that needs one to that page, with the card's signature between."""
        _Browser(self._address, self._seeded).log_in()  # reads the list
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
        self._http, self._seeded = httpx2.Client(base_url=address, timeout=60), seeded
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
