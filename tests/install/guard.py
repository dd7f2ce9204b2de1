"""Runs a program where nothing but loopback is reached, no other is started, and one folder alone is written.

Usage: `python -I guard.py FOLDER TRIED CODE ARGUMENT…`. What it refuses is appended to the file TRIED. It
runs in an environment without tests, so that it needs nothing but the standard library.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LOOPBACK: Final = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 # the listening one
_STARTS: Final = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"}
_CHANGES: Final = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.symlink", "os.chmod"}
_NAMES: Final = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS: Final = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _refused(folder: str) -> Callable[[str, tuple[Any, ...]], bool]:
    def outside(path: object) -> bool:
        if not isinstance(path, str | bytes):
            return False  # a descriptor that was opened before
        real = os.path.abspath(os.fsdecode(path))
        return real != os.devnull and not real.startswith(f"{folder}/")

    def refused(event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            return bool((flags or 0) & _WRITES) and outside(path)
        if event in _CHANGES or event == "sqlite3.connect":
            return outside(arguments[0])
        if event in _NAMES:
            return arguments[0] not in _LOOPBACK
        if event in _SENDS:
            address = arguments[1]
            return isinstance(address, tuple) and address[0] not in _LOOPBACK
        return event in _STARTS

    return refused


def main() -> None:
    folder, tried, code, *arguments = sys.argv[1:]
    notes = os.open(tried, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    refused = _refused(folder)

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if refused(event, values):
            os.write(notes, f"{event}\n".encode())
            raise PermissionError(f"{event} {values!r}: not in the container")

    sys.argv = ["-c", *arguments]
    sys.addaudithook(hook)
    exec(code, {"__name__": "__main__"})  # noqa: S102 # ours


if __name__ == "__main__":
    main()
