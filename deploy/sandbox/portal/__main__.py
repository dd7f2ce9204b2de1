"""Serve the portal: `python -m deploy.sandbox.portal ISSUER ADDRESS KEY_FILE`."""

import secrets
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from card.jose import SoftwareSigner
from delegation.client import WardSystem
from deploy.sandbox.portal.app import create_portal
from deploy.sandbox.portal.login import ward_login
from deploy.sandbox.portal.portal import Portal

CLIENT_ID = "kaigo-portal"


def main() -> None:
    """Serve until stopped."""
    issuer, address, key_file = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    signer, port = SoftwareSigner.from_pem(key_file.read_bytes()), urlsplit(address).port or 80
    with closing(WardSystem(issuer, CLIENT_ID, address, signer)) as system:
        login = ward_login(issuer, CLIENT_ID, signer)
        app = create_portal(Portal(address, system), login, secrets.token_urlsafe(32))
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
