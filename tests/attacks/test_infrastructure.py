"""Attacks below the protocols: a process that is killed, and requests whose form is the attack."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from assurance.database import Database
from assurance.sealed import MasterKeys
from assurance.tables import Person
from assurance.wards import Ward
from delegation.audit.tables import LeafRow
from tests.delegation.audit.log import judge, number_all
from tests.idp.test_serving import HOST, Process, deployment, process

__all__ = ["deployment", "process"]

WRITER = """
import sys
from pathlib import Path
from assurance.database import Database
from assurance.events import Event, EventName
from assurance.sealed import MasterKeys, Vault
from assurance.tables import Person
from assurance.wards import WardCode
from delegation.audit.recorder import AuditRecorder
from assurance import people
from tests.conftest import NOW
url, key, ward = sys.argv[1], Path(sys.argv[2]), WardCode(sys.argv[3])
vault = Vault(MasterKeys.from_file(key))
database = Database(url, AuditRecorder(vault))
while True:
    with database.writing(ward) as unit:
        person = people.create_person(unit, vault, NOW)
        unit.record(Event(EventName.LOGIN_ENDED, ward, NOW, {}, {"of": person}))
    print(person, flush=True)
"""
"""Says of each person that they are kept once they are, as an answer does."""


def test_what_a_killed_process_acknowledged_is_there_after_it(
    database: Database, ward: Ward, tmp_path: Path
) -> None:
    key = tmp_path / "master.key"
    MasterKeys.generate().save(key)
    acknowledged: list[str] = []
    for rounds in (1, 7, 20):
        command = [sys.executable, "-c", WRITER, database.url, str(key), ward.code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writing:
            assert writing.stdout is not None
            acknowledged += [writing.stdout.readline().strip() for _ in range(rounds)]
            writing.kill()
            acknowledged += writing.stdout.read().split("\n")[:-1]
    assert len(acknowledged) >= 28
    with database.reading(ward.code) as session:
        kept = set(session.exec(select(Person.id)).all())
        said = [leaf.content for leaf in session.exec(select(LeafRow).order_by(col(LeafRow.counter))).all()]
    assert set(acknowledged) <= kept
    assert all(any(person.encode() in leaf for leaf in said) for person in acknowledged)
    number_all(database, ward)
    assert judge(database, ward).problems == []


def test_rfc9110_14_2_ranges_cost_no_more_than_what_they_are_of(browser: TestClient) -> None:
    whole = browser.get("/static/dairi.css")
    for ranges in (
        "bytes=" + "0-0," * 5000 + "0-0",
        "bytes=" + ",".join(f"{n}-" for n in range(1500)),
        "bytes=" + "," * 60_000,
        "bytes=" + " " * 60_000 + "-",
        "bytes=" + "0-" + "9" * 60_000,
        "bytes=-" + "9" * 4000,
        "bytes=5-1,9-2",
        "lines=1-2",
    ):
        began = time.monotonic()
        answer = browser.get("/static/dairi.css", headers={"range": ranges})
        assert answer.status_code in {200, 206, 400, 416}, ranges[:40]
        assert len(answer.content) <= 2 * len(whole.content), ranges[:40]
        assert time.monotonic() - began < 10, ranges[:40]


@pytest.mark.parametrize(
    "path", ["/token", "/authorize", "/login/email", "/access/v1/evaluation", "/card/answer"]
)
def test_rfc9110_8_3_a_content_type_of_any_shape_is_read_at_once(browser: TestClient, path: str) -> None:
    form = "application/x-www-form-urlencoded"
    for kind in (
        form + ";" * 60_000,
        form + '; a="' + "\\" * 60_000,
        form + "; charset=" + "x" * 60_000,
        "multipart/form-data; boundary=" + "-" * 60_000,
        "multipart/form-data; boundary=" + "a" * 70 + ";" + " " * 60_000 + "x",
        "multipart/form-data",
        "application/json" + " ;" * 30_000,
        "/" * 60_000,
        "",
    ):
        began = time.monotonic()
        headers = {"content-type": kind, "origin": str(browser.base_url)}
        answer = browser.post(path, content=b"--a\r\n" * 2000, headers=headers)
        assert 400 <= answer.status_code < 500, (kind[:60], answer.status_code)
        assert time.monotonic() - began < 10, kind[:60]


BODY = "grant_type=none"
SECOND = f"GET /health/live HTTP/1.1\r\nHost: {HOST}\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        f"Content-Length: {len(BODY)}\r\nContent-Length: {len(BODY) + len(SECOND)}",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked, identity",
        f"Content-Length: +{len(BODY)}",
        f"Content-Length: 0x{len(BODY):x}",
        f"Content-Length: -{len(BODY)}",
        f"Content-Length: {len(BODY)}, {len(BODY) + 1}",
        f"X: y\r\n Content-Length: {len(BODY)}\r\nContent-Length : 0",
        "X\0: y\r\nContent-Length: 0",
    ],
)  # fmt: skip
def test_rfc9112_6_1_a_request_whose_end_is_unclear_is_refused_and_is_the_last(
    process: Process, headers: str
) -> None:
    """Whatever stands behind it on the connection is never read as a request."""
    _, http = process
    url = http.base_url
    chunked = "0\r\n\r\n" if "chunked" in headers else BODY
    kind = "Content-Type: application/x-www-form-urlencoded"
    request = f"POST /token HTTP/1.1\r\nHost: {HOST}\r\n{kind}\r\n{headers}\r\n\r\n{chunked}{SECOND}"
    with socket.create_connection((url.host, url.port), timeout=30) as connection:
        connection.sendall(request.encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert b'"ok"' not in answer
