"""Whose program is at the other end of a loopback connection.

Terminal servers share loopback among users: without this, another user's browser could use this one's card.
"""

import os
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from starlette.datastructures import Address

_TABLES: Final = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}


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


def is_our_user(client: Address, server: Address) -> bool:
    """Whether the client belongs to the user this program runs as; unknown is no.

    Both ends are compared whole: the same ports are in use at other loopback addresses, by anyone.
    """
    return os.geteuid() in {_owner(client, server, version) for version in _TABLES}
