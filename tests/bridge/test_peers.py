"""card.bridge.peers: whose socket is at the other end, judged by both whole addresses (proc(5), net/tcp)."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from starlette.datastructures import Address

from card.bridge.app import Bridge, create_bridge
from card.bridge.command import server_of
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


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")]
)
def test_a_program_of_ours_is_let_in(family: socket.AddressFamily, host: str) -> None:
    with ExitStack() as stack:
        assert is_our_user(*connected(stack, family, host))


def test_the_same_ports_at_another_address_are_another_connection() -> None:
    with ExitStack() as stack:
        client, server = connected(stack, socket.AF_INET, "127.0.0.1")
        assert not is_our_user(Address("127.0.0.2", client.port), server)
        assert not is_our_user(client, Address("127.0.0.2", server.port))


def test_a_connection_that_is_none_is_nobodys() -> None:
    for nowhere in (Address("127.0.0.1", 1), Address("somewhere", 1), Address("::1", 1)):
        assert not is_our_user(nowhere, Address("127.0.0.1", 2))


@pytest.fixture
def served() -> Iterator[str]:
    """A bridge as the command serves it, for its own user alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    bridge = Bridge({}, InProcessReader(LocalDeck({})), SystemClock(), address)
    server = server_of(create_bridge(bridge), port)
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield address
    server.should_exit = True
    thread.join(10)


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
