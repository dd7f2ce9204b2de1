"""Serve it: `python -m deploy.sandbox.national FILE PORT`, with what `deploy.sandbox.national.seed` wrote."""

import sys
from pathlib import Path

import uvicorn

from card.clock import SystemClock
from deploy.sandbox.national.app import create_app
from deploy.sandbox.national.seed import load


def main() -> None:
    """Serve until stopped."""
    file, port = Path(sys.argv[1]), int(sys.argv[2])
    app = create_app(load(file, f"http://localhost:{port}", SystemClock()))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
