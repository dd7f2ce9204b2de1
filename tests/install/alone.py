"""Serves cut off from every network, asks for some pages, and prints what came as JSON.

Usage: `python -I alone.py '{"serve": [...], "health": [...], "port": …, "host": …, "pages": [...]}'`. Where
the kernel allows it, all of it happens in a network namespace that has nothing but loopback: a connection
that is made below Python, as uvloop and libpq do, fails there too.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_READY_S: Final = 30.0


def leave_every_network() -> bool:
    """Enter a network namespace with loopback alone (unshare(2), netdevice(7)), if that is allowed."""
    user, group = os.getuid(), os.getgid()
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(_NEW_NETWORK) != 0:
        if unshare(_NEW_USER | _NEW_NETWORK) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
    return True


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Browser:
    """Asks a ward by its host, and keeps cookies."""

    def __init__(self, port: int, host: str) -> None:
        self._port, self._host = port, host
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> dict[str, Any]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Host": self._host, "Cookie": cookies}
        asked = Request(f"http://127.0.0.1:{self._port}{path}", headers=headers)
        try:
            answer = build_opener(_NoRedirects).open(asked, timeout=10)
        except HTTPError as error:
            answer = error
        for line in answer.headers.get_all("set-cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        found = {"status": answer.status, "text": answer.read().decode("utf-8")}
        onward = answer.headers.get("location")
        return found if onward is None else self.get(onward)


def main() -> None:
    asked = json.loads(sys.argv[1])
    isolated = leave_every_network()
    browser, pages = Browser(asked["port"], asked["host"]), dict[str, Any]()
    with subprocess.Popen(asked["serve"], stdout=sys.stderr) as process:
        try:
            until = time.monotonic() + _READY_S
            while "/health/ready" not in pages and time.monotonic() < until and process.poll() is None:
                time.sleep(0.1)
                with suppress(URLError, ConnectionError):
                    pages["/health/ready"] = browser.get("/health/ready")
            pages |= {path: browser.get(path) for path in asked["pages"]}
            healthy = subprocess.run(asked["health"], check=False).returncode
        finally:
            process.terminate()
        ended = process.wait(30)
    unhealthy = subprocess.run(asked["health"], check=False, stderr=subprocess.DEVNULL).returncode
    print(json.dumps({"isolated": isolated, "pages": pages, "health": [healthy, unhealthy], "ended": ended}))


if __name__ == "__main__":
    main()
