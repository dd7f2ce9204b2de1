"""Cards in a folder, so that the sandbox's people keep theirs.

One JSON file a card, readable by its owner alone.
"""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from card.private_file import write_private
from card.virtual.card import CardContents, CardPrivateKey, Pin, Printed, VirtualCard


def _text(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _key(key: CardPrivateKey) -> str:
    return _text(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def _load_key(text: str) -> CardPrivateKey:
    key = load_der_private_key(b64decode(text), password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("a card's key is RSA or EC")
    return key


def _pin(pin: Pin) -> list[object]:
    return [pin.value.decode("ascii"), pin.most_tries, pin.tries_left]


def _load_pin(kept: list[Any]) -> Pin:
    return Pin(kept[0].encode("ascii"), *kept[1:])


def save_card(card: VirtualCard, path: Path) -> None:
    """Write a card with its keys and the tries it has left."""
    contents, printed = card.contents, card.contents.printed
    certificate = contents.signature_certificate
    document: dict[str, Any] = {
        "label": contents.label,
        "authentication_key": _key(contents.authentication_key),
        "authentication_certificate": _text(contents.authentication_certificate),
        "authentication_ca": _text(contents.authentication_ca),
        "signature_key": _key(contents.signature_key),
        "signature_certificate": None if certificate is None else _text(certificate),
        "signature_ca": _text(contents.signature_ca),
        "pin": _pin(contents.pin),
        "password": _pin(contents.password),
    }
    if printed is not None:
        document["printed"] = {
            "attributes": _text(printed.attributes),
            "pin": _pin(printed.pin),
            "number_b": _pin(printed.number_b),
        }
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8"))


def load_card(path: Path) -> VirtualCard:
    """Read a card; what its PINs go through is written back."""
    document = json.loads(path.read_bytes())
    certificate, printed = document["signature_certificate"], document.get("printed")
    contents = CardContents(
        label=document["label"],
        authentication_key=_load_key(document["authentication_key"]),
        authentication_certificate=b64decode(document["authentication_certificate"]),
        authentication_ca=b64decode(document["authentication_ca"]),
        signature_key=_load_key(document["signature_key"]),
        signature_certificate=None if certificate is None else b64decode(certificate),
        signature_ca=b64decode(document["signature_ca"]),
        pin=_load_pin(document["pin"]),
        password=_load_pin(document["password"]),
        printed=None
        if printed is None
        else Printed(
            b64decode(printed["attributes"]), _load_pin(printed["pin"]), _load_pin(printed["number_b"])
        ),
    )
    card = VirtualCard(contents)
    card.changed = lambda: save_card(card, path)
    return card


def load_deck(folder: Path) -> dict[str, VirtualCard]:
    """Read all cards of a folder, by label, in the order of their file names."""
    cards = [load_card(path) for path in sorted(folder.glob("*.json"))]
    return {card.label: card for card in cards}
