"""Made-up values, each of the shape of a true one."""

import json
import re
import secrets

from assurance.person import new_id
from card.container import SigningPurpose, prepare
from card.jose import b64url_encode
from card.virtual.holder import sign_as_holder
from tests.idp.wall.sides import Side, Value


def _made_up_container(side: Side) -> str:
    """What her card signed that no ward ever asked for."""
    bytes_ = prepare(
        SigningPurpose.LOGIN,
        issuer=side.services.ward.issuer,
        audience=f"{side.services.ward.issuer}/card/answer",
        nonce=secrets.token_bytes(32),
        issued_at=side.services.clock.now(),
    )
    (certificate,) = SigningPurpose.LOGIN.certificates
    return sign_as_holder(side.town.hanako.card, bytes_, certificate).to_json()


def _like(kind: str, text: str) -> str:
    if kind in {"client", "secret"}:
        return f"nobody:{secrets.token_urlsafe(20)}" if kind == "secret" else "nobody"
    if text.isdigit():
        return f"{(int(text) + 271828) % 10**6:06d}" if kind == "digits" else str(int(text) + 10**6)
    if kind == "mandate":
        return json.dumps(dict.fromkeys(json.loads(text), "A" * 43))
    if text.count(".") == 2:  # the same, signed by nobody
        return f"{text.rpartition('.')[0]}.{b64url_encode(secrets.token_bytes(64))}"
    if re.fullmatch(r"[0-9a-f]+(\.[0-9a-f]+)?", text):
        return ".".join((new_id() * 4)[: len(part)] for part in text.split("."))
    return secrets.token_urlsafe(len(text))[: len(text)]


def unknown_like(side: Side, kind: str, value: Value) -> Value:
    """A value of the same shape that nobody has, with cookies of the same names."""
    text = _made_up_container(side) if kind == "container" else _like(kind, value.text)
    cookies = {
        use.replace(value.text, text): secrets.token_urlsafe(len(secret))[: len(secret)]
        for use, secret in value.cookies.items()
    }
    return Value(text, cookies)
