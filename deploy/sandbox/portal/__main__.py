"""Serve the portal: `python -m deploy.sandbox.portal ISSUER PORT KEY_FILE`."""

import json
import secrets
import sys
from importlib.resources import files
from pathlib import Path

import uvicorn
from authlib.integrations.starlette_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from card.jose import SoftwareSigner
from delegation.client import WardSystem
from deploy.sandbox.portal.app import SCOPE, Portal, create_portal

CLIENT_ID = "kaigo-portal"


def main() -> None:
    """Serve until stopped."""
    issuer, port, key_file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    address, pem = f"http://localhost:{port}", key_file.read_bytes()
    signer = SoftwareSigner.from_pem(pem)
    oauth = OAuth()
    oauth.register(
        "ward",
        client_id=CLIENT_ID,
        client_secret=ECKey.import_key(pem.decode("ascii"), {"kid": signer.kid}),
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_auth_methods=[PrivateKeyJWT(issuer, alg="ES256")],
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "private_key_jwt",
        },
    )
    system = WardSystem(issuer, CLIENT_ID, address, signer)
    procedures = json.loads(files("deploy.sandbox.portal").joinpath("procedures.json").read_text("utf-8"))
    app = create_portal(Portal(address, system, oauth, procedures), secrets.token_urlsafe(32))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
