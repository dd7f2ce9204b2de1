"""The program of a worker, for an interpreter that has imported it already."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.sandbox import provider


def run(environment: Mapping[str, str], log: Path) -> None:
    """Serve until stopped; what is said goes to the log."""
    os.environ.update(environment)
    with log.open("ab") as written:
        os.dup2(written.fileno(), sys.stdout.fileno())
        os.dup2(written.fileno(), sys.stderr.fileno())
    provider.main()
