"""Whose program is at the other end of a loopback connection.

Terminal servers share loopback among users: without this, another user's browser could use this one's card.
"""

import os
from pathlib import Path


def _owner(table: Path, client_port: int, own_port: int) -> int | None:
    """The user id of the socket that is bound to `client_port` and connected to us (proc(5), net/tcp)."""
    try:
        lines = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        columns = line.split()
        local, remote = columns[1], columns[2]
        if local.endswith(f":{client_port:04X}") and remote.endswith(f":{own_port:04X}"):
            return int(columns[7])
    return None


def is_our_user(client_port: int, own_port: int) -> bool:
    """Whether the client belongs to the user this program runs as; unknown is no."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    owners = [_owner(table, client_port, own_port) for table in tables]
    return os.geteuid() in owners
