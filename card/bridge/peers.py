"""Whose program is at the other end of a loopback connection.

Terminal servers share loopback among users: without this, another user's browser could use this one's card.
It is asked for each request, for a port goes to somebody else as soon as a connection ends.
"""

import os
import struct
import sys
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from starlette.datastructures import Address

with suppress(ModuleNotFoundError):  # Linux does without it, and so does an installation of the service
    import psutil

_End = tuple[IPv4Address | IPv6Address, int]
_TABLES: Final = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}


def is_our_user(client: Address, server: Address) -> bool:
    """Whether the client belongs to the user this program runs as; unknown is no.

    Both ends are compared whole: the same ports are in use at other loopback addresses, by anyone. Linux says
    whose a socket is. Elsewhere the process that holds it is looked for, which on Linux would miss a browser
    that hides its files from its own user, and cost more with every process.
    """
    if sys.platform == "linux":
        return any(_owner(client, server, version) == os.geteuid() for version in _TABLES)
    else:
        return _holds_for_us(client, server)


def runs_as_root() -> bool:
    """Whether it was started by sudo, so that the browser is another user's.

    Windows has no such thing: whom it raises to administrator stays the same user.
    """
    return sys.platform != "win32" and os.geteuid() == 0


def _written(address: Address, version: int) -> str:
    """An address as the kernel writes it: words in the machine's order, then the port (proc(5), net/tcp)."""
    host: IPv4Address | IPv6Address = ip_address(address.host)
    packed = host.packed
    if version == 6 and host.version == 4:
        packed = IPv6Address(f"::ffff:{host}").packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address.port:04X}"


def _owner(client: Address, server: Address, version: int) -> int | None:
    """The user id of the socket that is bound to `client` and connected to `server`."""
    try:
        lines = _TABLES[version].read_text("ascii").splitlines()[1:]
        ends = [_written(client, version), _written(server, version)]
    except (OSError, ValueError):
        return None
    for line in lines:
        columns = line.split()
        if columns[1:3] == ends:
            return int(columns[7])
    return None


def _holds_for_us(client: Address, server: Address) -> bool:
    """Whether a process of our user holds the socket that is bound to `client` and connected to `server`."""
    try:
        holder = _holder((_end(*client), _end(*server)))
        return holder is not None and bool(holder.username() == psutil.Process().username())
    except (ValueError, psutil.Error):
        return False


def _holder(ends: tuple[_End, _End]) -> "psutil.Process | None":
    try:
        for connection in psutil.net_connections("tcp"):
            if _ends(connection) == ends:
                return psutil.Process(connection.pid) if connection.pid else None
    except psutil.AccessDenied:  # macOS tells root alone about everyone's; of our own processes each is asked
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if ends in map(_ends, process.net_connections("tcp")):
                    return process
    return None


def _ends(connection: "psutil._ntuples.pconn | psutil._ntuples.sconn") -> tuple[_End, _End] | None:
    if not (connection.laddr and connection.raddr):
        return None
    return _end(*connection.laddr), _end(*connection.raddr)


def _end(host: str, port: int) -> _End:
    address = ip_address(host)
    return (address.ipv4_mapped or address if address.version == 6 else address), port
