"""A file that is nobody else's, and is there whole or as it was."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole, readable by its owner alone; it is on the disk before it has the name.

    :raises OSError: where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
