"""What the national app of a sandbox knows: its keys, the wards that applied, and the residents' phones."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from card.clock import Clock
from card.jose import SoftwareSigner, b64url_decode, b64url_encode
from card.private_file import write_private
from card.test_authority import Holder
from deploy.sandbox.national.provider import Client, NationalApp, Phone


def save(file: Path, clients: Sequence[Client], holders: Sequence[Holder]) -> None:
    """Write the file; its key, and what makes everybody's `sub`, stay what they were."""
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
    document = {
        "key": kept.get("key") or SoftwareSigner.generate().private_pem().decode("ascii"),
        "secret": kept.get("secret") or b64url_encode(secrets.token_bytes(32)),
        "clients": [
            {"client_id": one.client_id, "redirect_uri": one.redirect_uri, "jwk": dict(one.jwk)}
            for one in clients
        ],
        "phones": [
            {
                "name": holder.name,
                "birth_date": f"{holder.birth_date:%Y%m%d}",
                "sex": holder.sex,
                "address": holder.address,
            }
            for holder in holders
        ],
    }
    write_private(file, json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8"))


def load(file: Path, origin: str, clock: Clock) -> NationalApp:
    """Read it."""
    document = json.loads(file.read_text("utf-8"))
    clients = [Client(**entry) for entry in document["clients"]]
    return NationalApp(
        origin,
        SoftwareSigner.from_pem(document["key"].encode("ascii")),
        {client.client_id: client for client in clients},
        {str(number): Phone(**entry) for number, entry in enumerate(document["phones"])},
        b64url_decode(document["secret"]),
        clock,
    )
