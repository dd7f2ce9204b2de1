"""Compact JWS and JWT (RFC 7515 §7.1, RFC 7519), with every check that RFC 8725 asks for."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache

from card.jose.encoding import TokenRejected, b64url_decode, b64url_encode, strict_json
from card.jose.keys import KeySet, Signer

_CLOCK_SKEW_S = 60
_MAX_BYTES = 16384
_LAST_SECOND = 253402300800  # 10000-01-01: later ones overflow floats or dates


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode_json(value: Mapping[str, object]) -> bytes:
    """JSON as we sign it: UTF-8, no spaces, members in the order given."""
    return _JSON.encode(value).encode("utf-8")


@lru_cache(maxsize=64)
def _header_of(alg: str, kid: str, typ: str) -> str:
    return b64url_encode(encode_json({"alg": alg, "kid": kid, "typ": typ}))


def sign_compact(payload: Mapping[str, object], signer: Signer, *, typ: str) -> str:
    """Sign a JWT with an explicit type (RFC 8725 §3.11)."""
    header = _header_of(signer.alg, signer.kid, typ)
    signing_input = f"{header}.{b64url_encode(encode_json(payload))}"
    return f"{signing_input}.{b64url_encode(signer.sign(signing_input.encode('ascii')))}"


def _parts(token: str, max_bytes: int) -> tuple[str, str, str]:
    if len(token) > max_bytes or not token.isascii():
        raise TokenRejected("size")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRejected("header", "not three parts")
    return parts[0], parts[1], parts[2]


def _header(encoded: str) -> Mapping[str, object]:
    try:
        header = strict_json(b64url_decode(encoded))
    except ValueError as error:
        raise TokenRejected("header", str(error)) from error
    if "crit" in header or "b64" in header:
        raise TokenRejected("crit")
    return header


def _claims(encoded: str) -> Mapping[str, object]:
    try:
        return strict_json(b64url_decode(encoded))
    except ValueError as error:
        raise TokenRejected("claims", str(error)) from error


def unverified_header(token: str, *, max_bytes: int = _MAX_BYTES) -> Mapping[str, object]:
    """Read a token's header, strictly, to choose whose keys to load. Nothing in it is believed yet."""
    return _header(_parts(token, max_bytes)[0])


def unverified_claims(token: str, *, max_bytes: int = _MAX_BYTES) -> Mapping[str, object]:
    """Read `iss` or `sub` of a client assertion to find the client (RFC 7523 §3); it proves nothing yet."""
    return _claims(_parts(token, max_bytes)[1])


def _typ(header: Mapping[str, object]) -> str:
    typ = header.get("typ", "")
    if not isinstance(typ, str):
        raise TokenRejected("typ")
    return typ.lower().removeprefix("application/")


def _seconds(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LAST_SECOND:
        raise TokenRejected("claims", f"{name} is no number")
    return value


def verify_compact(
    token: str,
    keys: KeySet,
    *,
    typ: str | Collection[str],
    issuer: str | None,
    audience: str,
    now: datetime,
    required: Collection[str] = (),
    leeway_s: int = 0,
    max_bytes: int = _MAX_BYTES,
) -> Mapping[str, object]:
    """Verify a JWT and return its claims (RFC 7519 §7.2, RFC 8725 §3).

    :param keys: what may have signed it; key and its one algorithm are chosen from here.
    :param typ: the type or types this purpose uses; any other is refused. One without a type has the type
        "", which only what others make may have (RFC 7519 §5.1).
    :param issuer: the exact `iss`, or None where the caller knows it by the key.
    :param audience: the one exact `aud`, a string; a list is refused, also one that holds it.
    :param required: claims that must be there besides `exp` and `aud`.
    :param leeway_s: seconds of clock skew that `exp` and `nbf` are forgiven.
    :raises TokenRejected: with what was wrong; times are judged last, so an `expired` one is otherwise right.
    """
    claims = verify_statement(token, keys, typ=typ, max_bytes=max_bytes)
    for name in ("exp", "aud", *required):
        if name not in claims or claims[name] is None:
            raise TokenRejected("claims", f"{name} is missing")
    if issuer is not None and claims.get("iss") != issuer:
        raise TokenRejected("issuer")
    if claims["aud"] != audience:
        raise TokenRejected("audience")
    _check_times(claims, now.timestamp(), leeway_s)
    return claims


def verify_statement(
    token: str, keys: KeySet, *, typ: str | Collection[str], max_bytes: int = _MAX_BYTES
) -> Mapping[str, object]:
    """Verify who signed what, for a statement that never expires, such as a verification record.

    :returns: its claims, of which nothing but the signature was judged.
    :raises TokenRejected: with what was wrong.
    """
    head, body, signature = _parts(token, max_bytes)
    header = _header(head)
    if _typ(header) not in {name.lower() for name in ([typ] if isinstance(typ, str) else typ)}:
        raise TokenRejected("typ")
    key = keys.for_header(header.get("kid"), header.get("alg"))
    try:
        octets = b64url_decode(signature)
    except ValueError as error:
        raise TokenRejected("signature", str(error)) from error
    if not key.verifies(f"{head}.{body}".encode("ascii"), octets):
        raise TokenRejected("signature")
    return _claims(body)


def _check_times(claims: Mapping[str, object], now: float, leeway_s: int) -> None:
    expires, not_before, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None or now >= expires + leeway_s:
        raise TokenRejected("expired")
    if not_before is not None and now < not_before - leeway_s:
        raise TokenRejected("not_yet")
    if issued is not None and now < issued - max(leeway_s, _CLOCK_SKEW_S):
        raise TokenRejected("not_yet")
