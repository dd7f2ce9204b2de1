"""card.bridge.peers: whose socket is at the other end, judged by both whole addresses (proc(5), net/tcp).

Each way of asking runs here: Linux is asked for the socket's owner; what Windows and macOS are asked, for the
process that holds it, psutil answers on Linux too, and is told here what macOS tells those who are not root.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Address

import card
from card.bridge import peers
from card.bridge.app import Bridge, create_bridge
from card.bridge.command import server_of
from card.bridge.enrolment import Enrolment
from card.bridge.peers import is_our_user
from card.clock import SystemClock
from card.virtual.deck import InProcessReader, LocalDeck


def connected(stack: ExitStack, family: socket.AddressFamily, host: str) -> tuple[Address, Address]:
    """Both ends of a connection of ours, as the server sees them."""
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    client = stack.enter_context(socket.socket(family))
    client.connect((host, server.getsockname()[1]))
    served, peer = server.accept()
    stack.enter_context(served)
    return Address(*peer[:2]), Address(*served.getsockname()[:2])


WAYS = ("linux", "win32", "darwin")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How another system is asked, as far as it can be here."""
    name: str = request.param

    def told_to_root_alone(kind: str) -> None:
        raise psutil.AccessDenied(msg=kind)

    monkeypatch.setattr(peers.sys, "platform", name)
    if name == "darwin":
        monkeypatch.setattr(psutil, "net_connections", told_to_root_alone)
    return name


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")]
)
def test_a_program_of_ours_is_let_in(family: socket.AddressFamily, host: str) -> None:
    with ExitStack() as stack:
        assert is_our_user(*connected(stack, family, host))


@pytest.mark.usefixtures("way")
def test_the_same_ports_at_another_address_are_another_connection() -> None:
    with ExitStack() as stack:
        client, server = connected(stack, socket.AF_INET, "127.0.0.1")
        assert not is_our_user(Address("127.0.0.2", client.port), server)
        assert not is_our_user(client, Address("127.0.0.2", server.port))


@pytest.mark.usefixtures("way")
def test_a_connection_that_is_none_is_nobodys() -> None:
    for nowhere in (Address("127.0.0.1", 1), Address("somewhere", 1), Address("::1", 1)):
        assert not is_our_user(nowhere, Address("127.0.0.1", 2))


@pytest.fixture
def served() -> Iterator[str]:
    """A bridge as the command serves it, for its own user alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    bridge = Bridge(Enrolment([]), InProcessReader(LocalDeck({})), SystemClock(), address)
    server = server_of(create_bridge(bridge), port)
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield address
    server.should_exit = True
    thread.join(10)


@pytest.mark.usefixtures("way")
def test_the_bridge_as_served_lets_its_own_user_in(served: str) -> None:
    assert httpx2.get(served).status_code == 200


def test_the_bridge_listens_on_one_address_of_this_machine_alone(served: str) -> None:
    port = int(served.rpartition(":")[2])
    own = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {"127.0.0.2", *own} - {"127.0.0.1"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=5)
    with pytest.raises(OSError, match=r"refused|unavailable|assign"):
        socket.create_connection(("::1", port), timeout=5)


def test_a_signal_that_ends_the_bridge_ends_its_wait_for_a_card() -> None:
    ended: list[bool] = []
    server = server_of(Starlette(), 1, lambda: ended.append(server.should_exit))
    server.handle_exit(signal.SIGTERM, None)
    assert (ended, server.should_exit) == ([False], True)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:{port}"])
def test_the_bridge_as_served_upgrades_no_connection(served: str, origin: str) -> None:
    port = served.rpartition(":")[2]
    asking = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "origin": origin.format(port=port),
    }  # fmt: skip
    assert httpx2.get(served, headers=asking).status_code in {200, 400, 403, 404, 426}


def test_a_forwarding_header_names_no_other_peer(served: str) -> None:
    for forged in ("127.0.0.1:1", "127.0.0.9"):
        assert httpx2.get(served, headers={"x-forwarded-for": forged}).status_code == 200


ANOTHER_USER = """
import encodings.idna, os, sys, urllib.error, urllib.request
os.setuid(65534)
for forwarded in (None, sys.argv[2]):
    request = urllib.request.Request(sys.argv[1])
    if forwarded:
        request.add_header("X-Forwarded-For", forwarded)
    try:
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@pytest.mark.usefixtures("way")
def test_another_user_of_the_machine_is_kept_out_also_with_a_forged_header(served: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("bridge tests: only root can be another user")
    with socket.socket() as ours:
        ours.connect(("127.0.0.1", int(served.rpartition(":")[2])))
        host, port = ours.getsockname()
        stranger = subprocess.run(
            [sys.executable, "-I", "-S", "-c", ANOTHER_USER, served, f"{host}:{port}"],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert (stranger.stdout.split(), stranger.stderr) == (["403", "403"], "")


def test_a_process_that_is_gone_or_not_ours_to_look_into_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and Linux name no process, or one that tells nothing, where it is another user's."""
    monkeypatch.setattr(peers.sys, "platform", "win32")
    with ExitStack() as stack:
        client, server = connected(stack, socket.AF_INET, "127.0.0.1")
        known = psutil.net_connections("tcp")
        for pid in (None, 0, 2**22):
            unknown = [connection._replace(pid=pid) for connection in known]
            monkeypatch.setattr(psutil, "net_connections", lambda _, told=unknown: told)
            assert not is_our_user(client, server)


@pytest.mark.parametrize(("system", "euid", "raised"), [("linux", 0, True), ("linux", 1000, False)])
def test_sudo_takes_the_browser_away_from_its_user(
    monkeypatch: pytest.MonkeyPatch, system: str, euid: int, raised: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(peers.sys, "platform", system)
    assert peers.runs_as_root() is raised


def test_an_administrator_of_windows_stays_the_same_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no user ids at all."""
    monkeypatch.setattr(peers.sys, "platform", "win32")
    monkeypatch.delattr(os, "geteuid")
    assert not peers.runs_as_root()


ON_PCS = ("card/bridge", "card/pcsc.py", "card/commands.py", "card/application.py", "card/jpki.py",
          "card/attributes.py", "card/signing.py", "card/request.py", "card/container.py", "card/pages",
          "card/jose", "card/virtual/card.py", "card/virtual/deck.py", "card/virtual/store.py",
          "card/virtual/vpcd.py")  # fmt: skip


def found_missing(system: str, *paths: str) -> str:
    """What mypy misses of the standard library on another system, by typeshed's own conditions."""
    judged = subprocess.run(
        [sys.executable, "-m", "mypy", "--platform", system, "--config-file=",
         "--follow-imports=skip", "--ignore-missing-imports", "--cache-dir", os.devnull, *paths],
        capture_output=True, check=False, text=True, timeout=110, cwd=Path(card.__file__).parents[1],
    )  # fmt: skip
    assert judged.returncode in {0, 1}, judged.stderr
    return "\n".join(re.findall(r".*Module has no attribute.*", judged.stdout))


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_what_runs_on_peoples_pcs_asks_no_other_system_for_what_it_lacks(system: str) -> None:
    assert found_missing(system, *ON_PCS) == ""


def test_what_windows_lacks_would_be_found() -> None:
    assert "geteuid" in found_missing("win32", "card/virtual/pcscd.py")
