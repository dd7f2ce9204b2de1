"""base64url and JSON, in their one canonical reading (RFC 7515 §2, RFC 8259 §4)."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Final

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*\Z")


class TokenRejected(Exception):  # noqa: N818 - a refusal, not an error of the program
    """A token does not count.

    :param code: `size`, `header`, `typ`, `crit`, `key`, `alg`, `signature`, `claims`, `issuer`, `audience`,
        `expired` or `not_yet`.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


def b64url_encode(octets: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Decode base64url in its canonical form only.

    Two texts for one value would let a token be replayed under another look-up key.

    :raises ValueError: for padding, foreign characters, impossible lengths or stray bits at the end.
    """
    if _BASE64URL.match(text) is None or len(text) % 4 == 1:
        raise ValueError("not base64url")
    octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url_encode(octets) != text:
        raise ValueError("not canonical base64url")
    return octets


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("duplicate member name")
    return names


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError("a number that overflows")
    return value


def strict_json(text: str | bytes) -> Mapping[str, object]:
    """Read one JSON object: UTF-8, no duplicate names at any depth, no `NaN` (RFC 8259 §4, §6, §8.1).

    Nor half a surrogate pair, written out or escaped, which nothing could write on (RFC 7493 §2.1), nor a
    number that overflows (§2.2).

    :raises ValueError: for anything else.
    """
    read = text if isinstance(text, str) else text.decode("utf-8")
    try:
        value = json.loads(
            read, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
        (json.dumps(value, ensure_ascii=False) if "\\u" in read else read).encode("utf-8")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
