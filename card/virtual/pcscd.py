"""A pcscd of our own with one virtual reader, for machines where nothing else runs it.

pcscd is one per machine (its socket's path is fixed), so a running one is used as it is, if it has a
virtual reader. vpcd 3.3 listens on every interface and takes whoever connects for a card; it is for the
sandbox and for tests only.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from card.virtual.vpcd import DEFAULT_PORT

_SOCKET: Final = Path("/run/pcscd/pcscd.comm")
_DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_READY_WITHIN_S: Final = 10.0


class PcscdError(OSError):
    """No virtual reader can be had here; the message says what is missing."""


def is_running() -> bool:
    """Whether a pcscd answers on the machine's socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(_SOCKET))
        except OSError:
            return False
    return True


def _port_is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def why_not() -> str | None:
    """What keeps us from starting a pcscd, in a sentence; None when nothing does."""
    if os.geteuid() != 0:
        return "pcscd can be started by root only"
    if shutil.which("pcscd") is None or not _DRIVER.exists():
        return "the packages pcscd and vsmartcard-vpcd are not installed"
    return None


@contextmanager
def virtual_reader(folder: Path, port: int = DEFAULT_PORT) -> Iterator[None]:
    """Hold a virtual reader that takes cards on a port.

    :param folder: for pcscd's private configuration.
    :raises PcscdError: when there is none and none can be started.
    """
    if is_running():
        if not _port_is_open(port):
            raise PcscdError("a pcscd runs here already and has no virtual reader")
        yield
        return
    missing = why_not()
    if missing is not None:
        raise PcscdError(missing)
    configuration = folder / "reader.conf.d"
    configuration.mkdir(parents=True, exist_ok=True)
    lines = (
        'FRIENDLYNAME "Dairi Virtual"',
        f"DEVICENAME /dev/null:0x{port:04X}",
        f"LIBPATH {_DRIVER}",
        f"CHANNELID 0x{port:04X}",
    )
    (configuration / "dairi").write_text("\n".join(lines) + "\n")
    _SOCKET.parent.mkdir(parents=True, exist_ok=True)
    _SOCKET.unlink(missing_ok=True)  # left behind by a pcscd that was killed
    command = [str(shutil.which("pcscd")), "--foreground", "--critical", "--config", str(configuration)]
    with (folder / "pcscd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - a fixed command
    try:
        _wait_until_ready(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not (is_running() and _port_is_open(port)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PcscdError("pcscd did not start")
        time.sleep(0.05)
