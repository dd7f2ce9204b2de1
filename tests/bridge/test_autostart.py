"""deploy/bridge: what starts the bridge at login on each system starts it with options that it has."""

import plistlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree

import httpx2
import pytest
import typer

import deploy
from card.bridge.command import DEFAULT_PORT, bridge
from card.bridge.enrolment import Pin, write_enrolment
from tests.bridge.conftest import ANSWER, ISSUER, KEY

FOLDER = Path(deploy.__file__).with_name("bridge")
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def unit() -> Mapping[str, Sequence[str]]:
    """Its settings, each with all its values (systemd.syntax(7))."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "dairi-bridge.service").read_text("utf-8").splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def by_systemd() -> Sequence[str]:
    (command,), settings = unit()["ExecStart"], dict(line.split("=") for line in unit()["Environment"])
    for name, value in settings.items():
        command = command.replace("${" + name + "}", value)
    return shlex.split(command)


def plist() -> Mapping[str, object]:
    return plistlib.loads((FOLDER / "dairi.bridge.plist").read_bytes())


def by_launchd() -> Sequence[str]:
    arguments = plist()["ProgramArguments"]
    assert isinstance(arguments, list)
    return arguments


def task() -> ElementTree.Element:
    return ElementTree.parse(FOLDER / "dairi-bridge.xml").getroot()  # noqa: S314 - a file of our own


def told(path: str) -> str | None:
    return task().findtext("/".join(TASK + part for part in path.split("/")))


def by_task_scheduler() -> Sequence[str]:
    command, arguments = told("Actions/Exec/Command"), told("Actions/Exec/Arguments")
    assert command is not None
    assert arguments is not None
    return [command, *arguments.split()]


Started = tuple[Callable[[], Sequence[str]], type[PurePath]]
SYSTEMS: Mapping[str, Started] = {
    "Linux": (by_systemd, PurePosixPath),
    "macOS": (by_launchd, PurePosixPath),
    "Windows": (by_task_scheduler, PureWindowsPath),
}
each_system = pytest.mark.parametrize(("command", "path"), SYSTEMS.values(), ids=SYSTEMS)


@each_system
def test_the_bridge_has_the_options_that_it_is_started_with(
    command: Callable[[], Sequence[str]], path: type[PurePath]
) -> None:
    program, name, *options = command()
    assert (path(program).is_absolute(), path(program).stem, name) == (True, "dairi", "bridge")
    app = typer.Typer()
    app.command()(bridge)
    given = typer.main.get_command(app).make_context("bridge", list(options)).params
    assert path(str(given["enrolment"])).is_absolute()
    assert given["port"] == DEFAULT_PORT
    assert not given["any_local_user"]


@each_system
def test_the_readme_names_the_program_and_the_enrolment_of_each_system(
    command: Callable[[], Sequence[str]], path: type[PurePath]
) -> None:
    words = command()
    told_of = (FOLDER / "README.md").read_text("utf-8")
    for place in (words[0], words[words.index("--enrolment") + 1]):
        assert f"`{path(place)}`" in told_of


@each_system
def test_the_bridge_starts_with_them(
    command: Callable[[], Sequence[str]], path: type[PurePath], tmp_path: Path, free_tcp_port: int
) -> None:
    enrolment = tmp_path / "bridge.json"
    write_enrolment(enrolment, [Pin(ISSUER, ANSWER, KEY.public_jwk())])
    words = list(command()[1:])
    words[words.index("--enrolment") + 1] = str(enrolment)
    words[words.index("--port") + 1] = str(free_tcp_port)
    with subprocess.Popen([sys.executable, "-c", "from idp.cli import main; main()", *words]) as started:
        try:
            page = patiently(f"http://127.0.0.1:{free_tcp_port}/")
            assert ISSUER in page
        finally:
            started.terminate()


def patiently(address: str) -> str:
    until = time.monotonic() + 60
    while True:
        try:
            return httpx2.get(address).text
        except httpx2.ConnectError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("bridge tests: there is no systemd-analyze here")
    text = (
        (FOLDER / "dairi-bridge.service").read_text("utf-8").replace("/opt/dairi/bin/dairi", sys.executable)
    )
    (tmp_path / "dairi-bridge.service").write_text(text)
    judged = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", str(tmp_path / "dairi-bridge.service")],
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert [line for line in judged.stderr.splitlines() if "dairi" in line] == []
    assert judged.returncode == 0, judged.stderr


def test_launchd_starts_it_at_login_and_again_after_a_failure() -> None:
    """launchd.plist(5)."""
    found = plist()
    assert found["Label"] == "dairi.bridge"
    assert (found["RunAtLoad"], found["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert found["LimitLoadToSessionType"] == "Aqua"


def test_the_task_scheduler_starts_it_for_each_user_at_logon_and_with_no_more_rights() -> None:
    """Task Scheduler Schema (MS-TSCH §2.5)."""
    assert task().tag == TASK + "Task"
    assert told("Triggers/LogonTrigger/Enabled") == "true"
    assert told("Principals/Principal/GroupId") == "S-1-5-32-545"
    assert told("Principals/Principal/RunLevel") == "LeastPrivilege"
    assert told("Settings/MultipleInstancesPolicy") == "Parallel"
    assert told("Settings/ExecutionTimeLimit") == "PT0S"
