"""The service as a process: what it refuses to start with, how it stops, what it says of itself and logs."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.testclient import TestClient
from typer.testing import CliRunner

from assurance.database import Database
from assurance.sealed import MasterKeys, Vault
from card.certificates import Purpose
from card.jose import SoftwareSigner
from card.test_authority import TestAuthority, key_usage
from delegation.rules import Rules
from deploy.sandbox.pick import PickAPerson
from idp import logs, schema
from idp import services as composition
from idp.app import create_app
from idp.cli.migrate import migrate
from idp.cli.serve import SANDBOX_KEY, serve
from idp.services import Services
from idp.settings import Settings, check_issuer
from tests.conftest import NOW

WARD = "131130"
HOST = "shibuya.id.example"


# Starting.


def write_roots(folder: Path) -> None:
    folder.mkdir()
    for purpose in Purpose:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI")])
        root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW)
            .not_valid_after(NOW + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(sign=False, issue=True), critical=True)
            .sign(key, SHA256())
        )
        (folder / f"{purpose}.der").write_bytes(root.public_bytes(Encoding.DER))


@pytest.fixture
def deployment(tmp_path: Path) -> dict[str, str]:
    """The settings of a deployment that starts; its database is made and migrated."""
    MasterKeys.generate().save(tmp_path / "master.key")
    write_roots(tmp_path / "trust")
    url = f"sqlite:///{tmp_path / 'dairi.db'}"
    database = Database(url)
    schema.migrate(database)
    database.close()
    return {
        "DAIRI_DATABASE_URL": url,
        "DAIRI_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "DAIRI_WARDS": json.dumps({WARD: f"https://{HOST}"}),
        "DAIRI_TRUST_FOLDER": str(tmp_path / "trust"),
    }


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What would have been served; a process that is refused would end, and its files with it."""
    found: list[Any] = []
    opened: list[Database] = []
    real = composition.open_database

    def open_database(settings: Settings) -> tuple[Database, Vault]:
        made = real(settings)
        opened.append(made[0])
        return made

    monkeypatch.setattr(composition, "open_database", open_database)
    monkeypatch.setattr(uvicorn, "run", lambda app, **_: found.append(app))
    monkeypatch.setattr(logs, "configure", lambda: None)
    handler = signal.getsignal(signal.SIGTERM)
    yield found
    signal.signal(signal.SIGTERM, handler)
    for database in opened:
        database.close()


def run(command: Any, settings: Mapping[str, str]) -> Any:
    program = typer.Typer()
    program.command()(command)
    others = dict.fromkeys((name for name in os.environ if name.startswith("DAIRI_")), None)
    return CliRunner().invoke(program, [], env={**others, **settings})


def refused(settings: Mapping[str, str]) -> str:
    answer = run(serve, settings)
    assert answer.exit_code == 1, answer.output
    assert isinstance(answer.exception, SystemExit)
    lines = answer.stderr.strip().splitlines()
    assert len(lines) == 1, answer.stderr
    assert lines[0].startswith("Dairi does not start: ")
    return str(lines[0])


def test_a_deployment_that_is_in_order_is_served(deployment: dict[str, str], served: list[Any]) -> None:
    assert run(serve, deployment).exit_code == 0
    assert len(served) == 1


def test_an_upstream_that_nobody_reaches_keeps_nobody_from_starting(
    deployment: dict[str, str], served: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "app.pem").write_bytes(SoftwareSigner.generate().private_pem())
    (tmp_path / "upstreams.toml").write_text(
        f'[{WARD}.app]\nissuer = "https://127.0.0.1:9/x"\nclient_id = "c"\nkey_file = "{tmp_path}/app.pem"\n'
    )
    configured = deployment | {"DAIRI_UPSTREAMS_FILE": str(tmp_path / "upstreams.toml")}
    assert run(serve, configured).exit_code == 0
    assert len(served) == 1


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DAIRI_DATABASE_URL", None, "DAIRI_DATABASE_URL is missing"),
        ("DAIRI_DATABASE_URL", "sqlite:////no/such/folder/dairi.db", "the database does not answer"),
        ("DAIRI_DATABASE_URL", "postgresql+psycopg://x:secret@127.0.0.1:1/x", "the database does not answer"),
        ("DAIRI_DATABASE_URL", "nonsense", "the database does not answer"),
        ("DAIRI_DATABASE_URL", "sqlite:////{tmp}/empty.db", "run `dairi migrate`"),
        ("DAIRI_MASTER_KEY_FILE", "/no/such/file", "/no/such/file cannot be read"),
        ("DAIRI_MASTER_KEY_FILE", "/dev/null", "holds no master keys"),
        ("DAIRI_TRUST_FOLDER", "/no/such/folder", "every purpose needs a pinned root"),
        ("DAIRI_PROCEDURES_FILE", "/no/such/file", "/no/such/file cannot be read"),
        ("DAIRI_UPSTREAMS_FILE", "/no/such/file", "/no/such/file cannot be read"),
        ("DAIRI_UPSTREAMS_FILE", "{tmp}/master.key", "DAIRI_UPSTREAMS_FILE: "),
        ("DAIRI_PORT", "many", "DAIRI_PORT is wrong"),
        ("DAIRI_WARDS", None, "DAIRI_WARDS is missing"),
        ("DAIRI_WARDS", "{}", "DAIRI_WARDS names no ward"),
        ("DAIRI_WARDS", "{", "DAIRI_WARDS is no JSON"),
        ("DAIRI_WARDS", '{"131130": 1}', "DAIRI_WARDS is wrong"),
        ("DAIRI_WARDS", '{"131131": "https://id.example"}', "not the code of a special ward"),
        ("DAIRI_WARDS", '{"131130": "http://id.example"}', "an issuer without https"),
        ("DAIRI_WARDS", '{"131130": "https://id.example/"}', "for 131130: the issuer ends with a slash"),
        ("DAIRI_WARDS", '{"131130": "https://a.example", "131121": "https://a.example"}', "one issuer"),
    ],
)
def test_what_is_wrong_with_a_deployment_is_one_sentence(
    deployment: dict[str, str], served: list[Any], tmp_path: Path, name: str, value: str | None, says: str
) -> None:
    changed = {**deployment, name: (value or "").replace("{tmp}", str(tmp_path))}
    if value is None:
        del changed[name]
    told = refused(changed)
    assert says in told
    assert "secret" not in told
    assert not served


@pytest.mark.parametrize(
    ("issuer", "says"),
    [
        ("https://id.example/131130/", "ends with a slash"),
        ("https://id.example?x=1", "query or a fragment"),
        ("https://id.example?", "query or a fragment"),
        ("https://id.example#x", "query or a fragment"),
        ("https://user@id.example", "names a user"),
        ("https://ID.example", "capitals"),
        ("https://id.example:443", "goes without saying"),
        ("https://id_1.example", "unusual"),
        ("https://id.example/a//b", "unusual"),
        ("https://id.example/渋谷", "unusual"),
        ("https://", "no http or https address"),
        ("ftp://id.example", "no http or https address"),
        ("id.example", "no http or https address"),
    ],
)
def test_oidc_discovery_3_an_issuer_is_written_as_it_will_be_compared(issuer: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_issuer(issuer)


@pytest.mark.parametrize(
    "issuer", ["https://id.example", "https://id.example:8443/131130", "http://localhost:8400/1"]
)
def test_oidc_discovery_3_an_issuer_may_have_a_port_and_a_path(issuer: str) -> None:
    check_issuer(issuer)


def test_production_refuses_the_roots_of_test_cards(
    deployment: dict[str, str], served: list[Any], tmp_path: Path
) -> None:
    made = TestAuthority.create(tmp_path / "authority", NOW)
    assert "test cards" in refused({**deployment, "DAIRI_TRUST_FOLDER": str(made.trust_folder)})
    assert not served


def test_production_refuses_a_sandboxs_master_key(
    deployment: dict[str, str], served: list[Any], tmp_path: Path
) -> None:
    made = MasterKeys.generate()
    marked = f"{SANDBOX_KEY}-{made.current}"
    MasterKeys(marked, {marked: made.keys[made.current]}).save(tmp_path / "sandbox.key")
    assert "sandbox" in refused({**deployment, "DAIRI_MASTER_KEY_FILE": str(tmp_path / "sandbox.key")})
    assert not served


def test_production_refuses_a_sandbox_database_and_another_master_key(
    deployment: dict[str, str], served: list[Any], tmp_path: Path
) -> None:
    assert run(serve, deployment).exit_code == 0
    MasterKeys.generate().save(tmp_path / "other.key")
    other = {**deployment, "DAIRI_MASTER_KEY_FILE": str(tmp_path / "other.key")}
    assert "not the one of this database" in refused(other)
    url = f"sqlite:///{tmp_path / 'sandbox.db'}"
    database = Database(url)
    schema.migrate(database)
    database.mark("sandbox")
    database.close()
    assert "sandbox database" in refused({**deployment, "DAIRI_DATABASE_URL": url})
    assert len(served) == 1


def test_production_has_no_way_to_log_in_besides_its_own(
    deployment: dict[str, str], served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what it serves nor what it is composed of can be one where a person is picked."""
    assert run(serve, deployment).exit_code == 0
    posted = TestClient(served[0], base_url=f"https://{HOST}").post(
        "/login/pick", headers={"origin": f"https://{HOST}"}
    )
    assert posted.status_code == 404
    for name, value in deployment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="only `dairi sandbox`"):
        composition.compose(Settings(), other_logins=[PickAPerson()])


def test_a_refused_start_does_not_mark_the_database(
    deployment: dict[str, str], served: list[Any], tmp_path: Path
) -> None:
    made = TestAuthority.create(tmp_path / "authority", NOW)
    refused({**deployment, "DAIRI_TRUST_FOLDER": str(made.trust_folder)})
    database = Database(deployment["DAIRI_DATABASE_URL"])
    database.mark("sandbox")
    database.close()
    assert not served


def test_migrating_a_database_that_is_down_is_one_sentence(deployment: dict[str, str]) -> None:
    answer = run(migrate, {**deployment, "DAIRI_DATABASE_URL": "sqlite:////no/such/folder/dairi.db"})
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert "does not answer" in answer.stderr


# Running and stopping.


Process = tuple[subprocess.Popen[bytes], httpx2.Client]


@pytest.fixture
def process(deployment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    environment = {**os.environ, **deployment, "DAIRI_PORT": str(port)}
    command = [sys.executable, "-c", "from idp.cli import main; main()", "serve"]
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
    limits = httpx2.Limits(max_connections=100)
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"host": HOST}, timeout=30, limits=limits
    ) as http:
        until = time.monotonic() + 60
        while time.monotonic() < until and started.poll() is None:
            try:
                if http.get("/health/ready").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield started, http
    started.kill()
    started.wait()


def test_a_busy_process_is_alive_and_finishes_what_it_began_before_it_stops(
    process: Process, tmp_path: Path
) -> None:
    """Fifty pages wait for a write lock that another process holds: more than there are threads."""
    started, http = process
    with (tmp_path / "dairi.db.lock").open("ab") as lock, ThreadPoolExecutor(50) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pages = [pool.submit(http.get, "/account") for _ in range(50)]
        time.sleep(1)
        assert not any(page.done() for page in pages)
        began = time.monotonic()
        assert http.get("/health/live").json() == {"status": "ok"}
        assert time.monotonic() - began < 1
        started.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert started.poll() is None
        fcntl.flock(lock, fcntl.LOCK_UN)
        answers = [page.result() for page in pages]
    assert {answer.status_code for answer in answers} == {303}
    assert started.wait(20) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert sum(line["event"] == "request" and line["path"] == "/account" for line in lines) == 50
    assert not [line for line in lines if line["level"] in {"error", "warning"}]


# Health.


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
    schema.migrate(made)
    yield made
    made.close()


def readiness(*wards: Services) -> tuple[int, Any]:
    answer = TestClient(create_app(wards)).get("/health/ready")
    return answer.status_code, answer.json()


def test_it_is_ready_when_the_database_answers_and_is_current_and_the_policies_are_loaded(
    services: Services, migrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Database] = []
    real = Database.answers

    def answers(self: Database) -> bool:
        asked.append(self)
        return real(self)

    monkeypatch.setattr(Database, "answers", answers)
    ready = replace(services, database=migrated)
    assert readiness(ready, replace(ready)) == (200, {"database": True, "schema": True, "policies": True})
    assert asked == [migrated]
    lacking = replace(ready, rules=Rules("[request_definition]\nr = x\n", ""))
    assert readiness(ready, lacking) == (503, {"database": True, "schema": True, "policies": False})


def test_it_is_not_ready_on_a_schema_of_another_version(services: Services) -> None:
    assert readiness(services) == (503, {"database": True, "schema": False, "policies": True})


def test_it_is_not_ready_without_its_database(services: Services) -> None:
    gone = Database("sqlite:////no/such/folder/dairi.db")
    found = readiness(replace(services, database=gone))
    assert found == (503, {"database": False, "schema": False, "policies": True})
    gone.close()


def test_it_is_alive_without_its_database(services: Services) -> None:
    gone = Database("sqlite:////no/such/folder/dairi.db")
    assert TestClient(create_app([replace(services, database=gone)])).get("/health/live").status_code == 200
    gone.close()
