"""The container file: what it builds, and that it serves without a network and without writing elsewhere.

No image is made here. The lines that build it are run with other folders in the place of its own, all but
those that download, which are the Makefile's. The service then runs as in the container, from an environment
that the wheel was installed into (`alone`, `guard`).
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assurance.sealed import MasterKeys
from tests.idp.test_serving import write_roots
from tests.install.conftest import Install
from tests.install.containerfile import Instruction, read_stages
from tests.install.environments import ROOT, Environment

FOLDER = ROOT / "deploy/container"
HERE = Path(__file__).parent
HOST = "shibuya.id.example"
DAIRI = "from idp.cli import main; main()"
BUILD, FINAL = read_stages(FOLDER / "Containerfile")


def those(stage: Sequence[Instruction], name: str) -> list[Instruction]:
    return [instruction for instruction in stage if instruction.name == name]


# What stands in it.


def test_both_stages_begin_with_one_pinned_image_of_no_named_registry() -> None:
    images = {stage[0].words[0] for stage in (BUILD, FINAL)}
    assert len(images) == 1
    assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-slim-[a-z]+", images.pop())
    assert "://" not in re.sub(r"http://127\.0\.0\.1", "", (FOLDER / "Containerfile").read_text("utf-8"))


def test_whatever_is_downloaded_has_a_locked_hash_as_in_the_makefile() -> None:
    made = (ROOT / "Makefile").read_text("utf-8")
    for run in those(BUILD, "RUN"):
        if re.search(r"\bpip\b.* (install|wheel) ", run.rest):
            assert ("--require-hashes --no-deps -r" in run.rest) != ("--no-index --no-deps" in run.rest), run
        for lock in re.findall(r"-r (\S+)", run.rest):
            assert f"--require-hashes --no-deps -r {lock}" in made
    assert not [run for run in those(FINAL, "RUN") if re.search("pip|apt|curl|wget", run.rest)]


def test_it_runs_as_nobody_in_particular_and_writes_into_its_folder_alone() -> None:
    (user,) = those(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.rest)
    last = [instruction.name for instruction in FINAL].index("USER")
    assert not those(FINAL[last:], "RUN")
    assert [json.loads(those(FINAL, name)[0].rest) for name in ("ENTRYPOINT", "CMD")] == [
        ["dairi"],
        ["serve"],
    ]


def test_every_package_of_the_wheel_is_copied_and_let_through() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {name for copy in those(BUILD, "COPY") for name in copy.words[:-1]}
    assert copied > set(packages)
    ignored = (FOLDER / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


# What it builds.


def test_its_lines_build_and_install_the_wheel_that_is_tested(wheel: Path, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for copy in those(BUILD, "COPY"):
        for name in copy.words[:-1]:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, source)
    for run in those(BUILD, "RUN"):
        if "-r requirements-" not in run.rest:  # the downloads
            line = re.sub(r"(?<=\s)/(?=opt|wheel)", f"{tmp_path}/", run.rest)
            line = re.sub(r"^python\b", sys.executable, line)
            subprocess.run(["/bin/sh", "-ec", line], cwd=source, check=True)
    (built,) = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(built) as ours, zipfile.ZipFile(wheel) as tested:
        assert {
            each.filename: each.CRC for each in ours.infolist() if ".dist-info/" not in each.filename
        } == {each.filename: each.CRC for each in tested.infolist() if ".dist-info/" not in each.filename}
    assert (tmp_path / "opt/dairi/bin/dairi").exists()
    assert list((tmp_path / "opt/dairi").glob("lib/python*/site-packages/policies/assurance.toml"))


# What it runs.


@pytest.fixture
def deployment(tmp_path: Path) -> dict[str, str]:
    """The settings of a deployment; what is written lies in a folder of its own."""
    (tmp_path / "data").mkdir()
    MasterKeys.generate().save(tmp_path / "master.key")
    write_roots(tmp_path / "trust")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    return {
        "DAIRI_DATABASE_URL": f"sqlite:///{tmp_path / 'data/dairi.db'}",
        "DAIRI_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "DAIRI_WARDS": json.dumps({"131130": f"https://{HOST}"}),
        "DAIRI_TRUST_FOLDER": str(tmp_path / "trust"),
        "DAIRI_HOST": "0.0.0.0",  # noqa: S104 # as in the container
        "DAIRI_PORT": str(port),
    }


def guarded(environment: Environment, folder: Path, code: str, *arguments: str) -> list[str]:
    python, guard = str(environment.folder / "bin/python"), str(HERE / "guard.py")
    return [python, "-IB", guard, str(folder / "data"), str(folder / "tried"), code, *arguments]


def served_alone(environment: Environment, settings: dict[str, str], folder: Path) -> Any:
    """Migrate and serve cut off from every network; whatever else was tried is in the file `tried`."""
    first = environment.run(*guarded(environment, folder, DAIRI, "migrate"), **settings)
    assert (first.returncode, first.stdout) == (0, "The database is current.\n"), first.stderr
    (check,) = those(FINAL, "HEALTHCHECK")
    health = json.loads(check.rest[check.rest.index("[") :])
    asked = {
        "serve": guarded(environment, folder, DAIRI, "serve"),
        "health": [str(environment.folder / "bin" / health[0]), *health[1:]],
        "port": int(settings["DAIRI_PORT"]),
        "host": HOST,
        "pages": ["/account", "/account?lang=en", "/login?i=1&lang=en", "/static/dairi.css", "/jwks.json"],
    }
    ran = environment.run("python", "-I", str(HERE / "alone.py"), json.dumps(asked), **settings)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_it_serves_without_a_network_and_writes_nothing_but_its_database(
    install: Install, deployment: dict[str, str], tmp_path: Path
) -> None:
    environment = install("server")
    found = served_alone(environment, deployment, tmp_path)
    assert (tmp_path / "tried").read_text("utf-8") == ""
    pages = found["pages"]
    ready = {"database": True, "schema": True, "policies": True}  # migrations and policies
    assert json.loads(pages["/health/ready"]["text"]) == ready
    assert "ログイン方法を選んでください" in pages["/account"]["text"]  # templates and catalogues
    assert "Shibuya City" in pages["/login?i=1&lang=en"]["text"]
    assert pages["/static/dairi.css"]["status"] == 200
    assert [key["alg"] for key in json.loads(pages["/jwks.json"]["text"])["keys"]] == ["ES256"]
    assert found["health"][0] == 0
    assert found["health"][1] != 0
    assert found["ended"] == 0


def test_what_runs_is_what_was_installed_and_not_the_checkout(install: Install) -> None:
    environment = install("server")
    packages = "assurance", "card", "delegation", "deploy", "idp", "policies"
    told = environment.run(
        "python", "-c", f"import {', '.join(packages)}; print({'.__file__, '.join(packages)}.__file__)"
    )
    files = told.stdout.split()
    assert len(files) == len(packages)
    assert all(Path(file).is_relative_to(environment.folder) for file in files)


@pytest.mark.parametrize(
    ("attempt", "noted"),
    [
        ("import socket; socket.getaddrinfo('id.example', 443)", "socket.getaddrinfo"),
        ("import socket; socket.socket().connect(('192.0.2.1', 443))", "socket.connect"),
        ("open('somewhere', 'w')", "open"),
        ("import os; os.mkdir('somewhere')", "os.mkdir"),
        ("import sqlite3; sqlite3.connect('somewhere')", "sqlite3.connect"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
    ],
)
def test_whatever_else_it_tried_would_be_noted_and_refused(
    install: Install, tmp_path: Path, attempt: str, noted: str
) -> None:
    environment = install("server")
    ran = environment.run(*guarded(environment, tmp_path, attempt))
    assert "PermissionError" in ran.stderr
    assert (tmp_path / "tried").read_text("utf-8") == f"{noted}\n"
