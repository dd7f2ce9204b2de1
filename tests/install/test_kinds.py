"""Each kind of installation alone in an environment of its own."""

import json
import socket
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

import httpx2
import pytest

from assurance.sealed import MasterKeys
from card.bridge.enrolment import Pin, write_enrolment
from card.jose import SoftwareSigner
from card.test_authority import Holder, TestAuthority
from card.virtual.store import save_card
from tests.client.local import AUDIENCE, served
from tests.install.conftest import Install

KINDS: tuple[tuple[str, ...], ...] = ((), ("card",), ("server",))
SERVER = {"alembic", "authlib", "fastapi", "joserfc", "pycasbin", "psycopg", "sqlalchemy", "sqlmodel"}
PAGES = {"jinja2", "starlette", "uvicorn"}
MODULES = {
    "alembic", "assurance", "authlib", "casbin", "deploy", "fastapi", "idp", "jinja2", "joserfc", "psycopg",
    "pydantic", "smartcard", "sqlalchemy", "sqlmodel", "starlette", "uvicorn",
}  # fmt: skip
LOADED = """
import json, sys
import delegation.client
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
EVERY_COMMAND = """
from importlib import import_module
from idp.cli import COMMANDS
for command in COMMANDS.values():
    getattr(import_module(command.module), command.attribute)
"""
A_WARD_SYSTEM = """
import sys
from card.jose import SoftwareSigner
from delegation.client import WardSystem
issuer, audience, token = sys.argv[1:]
system = WardSystem(issuer, "kaigo", audience, SoftwareSigner.generate())
access = system.verify(token)
print(access.principal, system.decide(access, "kaigo.nintei.renew", "file").allowed)
"""


@pytest.mark.parametrize("extras", KINDS)
def test_the_one_script_works_in_every_kind(install: Install, extras: tuple[str, ...]) -> None:
    environment = install(*extras)
    assert environment.run("dairi", "version").stdout == f"dairi {version('dairi')}\n"
    listed = environment.run("dairi", "--help").stdout
    assert all(command in listed for command in ("serve", "sandbox", "bridge", "card", "version"))


# Bare: what a ward system imports.


def test_the_client_package_stands_alone(install: Install) -> None:
    environment = install()
    assert not environment.packages & (SERVER | PAGES | {"pyscard", "asn1crypto"})
    with served() as provider:
        ran = environment.run("python", "-c", A_WARD_SYSTEM, provider.issuer, AUDIENCE, provider.token())
    assert (ran.stdout, ran.stderr) == ("hanako True\n", "")


def test_the_client_package_loads_nothing_of_the_service_where_that_is_installed_too() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert not MODULES & set(json.loads(ran.stdout))


# [card]: the bridge and the card tools on someone's computer.


def test_the_card_tools_do_without_the_service(install: Install) -> None:
    environment = install("card")
    assert not environment.packages & SERVER
    assert "pyscard" in environment.packages
    for command in ("bridge", "card"):
        shown = environment.run("dairi", command, "--help")
        assert (shown.returncode, shown.stderr) == (0, ""), command
    assert environment.run("python", "-c", "import card.pcsc").stderr == ""


def test_the_bridge_shows_its_page_without_the_service(install: Install, tmp_path: Path) -> None:
    environment, now = install("card"), datetime.now(UTC)
    holder = Holder("田中\u3000花子", date(1948, 5, 3), "2", "東京都渋谷区１－１")
    save_card(
        TestAuthority.create(tmp_path / "authority", now).issue_card(holder, now), tmp_path / "deck/1.json"
    )
    enrolment = tmp_path / "enrolment.json"
    key = SoftwareSigner.generate().public_jwk()
    issuer = "https://shibuya.id.example"
    write_enrolment(enrolment, [Pin(issuer, f"{issuer}/card/answer", key)])
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [
        str(environment.folder / "bin/dairi"), "bridge", "--enrolment", str(enrolment), "--port", str(port),
        "--deck-folder", str(tmp_path / "deck"),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as bridge:
        try:
            page = _first_page(f"http://127.0.0.1:{port}/", bridge)
            style = httpx2.get(f"http://127.0.0.1:{port}/static/dairi.css", trust_env=False)
        finally:
            bridge.terminate()
    assert "https://shibuya.id.example" in page
    assert style.status_code == 200


def _first_page(address: str, process: "subprocess.Popen[str]") -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            return httpx2.get(address, trust_env=False).text
        except httpx2.ConnectError:
            time.sleep(0.1)
    process.terminate()
    raise AssertionError(process.communicate()[1])


# [server]: the service, which can do without PC/SC.


def test_the_service_does_without_pcsc(install: Install) -> None:
    environment = install("server")
    assert "pyscard" not in environment.packages
    shown = environment.run("dairi", "serve", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    loaded = environment.run("python", "-c", EVERY_COMMAND)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    read = environment.run("dairi", "card", "show")
    assert (read.returncode, read.stderr) == (1, "pyscard is not installed here; install dairi[card].\n")


def test_the_service_brings_its_schema_and_its_ward_system_along(install: Install, tmp_path: Path) -> None:
    environment = install("server")
    MasterKeys.generate().save(tmp_path / "master.key")
    settings = {
        "DAIRI_DATABASE_URL": f"sqlite:///{tmp_path / 'dairi.db'}",
        "DAIRI_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "DAIRI_WARDS": '{"131130": "https://shibuya.id.example"}',
        "DAIRI_TRUST_FOLDER": str(tmp_path),
    }
    migrated = environment.run("dairi", "migrate", **settings)
    assert migrated.stdout == "The database is current.\n", migrated.stderr
    loaded = environment.run("python", "-c", "import idp.app, deploy.sandbox.run, deploy.sandbox.portal.app")
    assert (loaded.returncode, loaded.stderr) == (0, "")


@pytest.mark.parametrize(("command", "extra"), [("serve", "server"), ("bridge", "card"), ("audit", "server")])
def test_a_command_of_another_kind_says_what_to_install(install: Install, command: str, extra: str) -> None:
    refused = install().run("dairi", command)
    assert refused.returncode == 1
    assert f"install dairi[{extra}]" in refused.stderr
    assert "Traceback" not in refused.stderr
