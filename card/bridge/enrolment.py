"""Which providers a bridge works for: a file that whoever installs it writes once.

The file pins each provider's request key. Where a key named its successor (`card.successors`), the keys that
the bridge followed it to stand in a second file beside, `enrolment.keys.json` for `enrolment.json`: a key
that was left does not come back when the bridge starts anew. Where that cannot be written, as under a program
folder, they are kept while the bridge runs, and the pinned key is where it begins again. A provider that is
pinned anew, by another key, is followed from there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from card import successors
from card.jose import TokenRejected, unverified_claims
from card.private_file import write_private
from card.request import (
    MAX_BYTES,
    CardRequest,
    EnrolledIssuer,
    ReadingRequest,
    RequestRefused,
    read_request,
)
from card.successors import RequestKey

Line = Sequence[RequestKey]


@dataclass(frozen=True, slots=True)
class Pin:
    """What a bridge is told of one provider.

    :param request_jwk: the public key that its requests are signed with.
    """

    issuer: str
    response_uri: str
    request_jwk: Mapping[str, str]


def write_enrolment(path: Path, pins: Iterable[Pin]) -> None:
    """Pin providers; several wards may well be served at one counter."""
    entries = [
        {"issuer": pin.issuer, "response_uri": pin.response_uri, "request_key": dict(pin.request_jwk)}
        for pin in pins
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"issuers": entries}, indent=1), "utf-8")


class Enrolment:
    """The providers that a bridge works for.

    :param kept: the file of the keys that were followed; None keeps them in memory.
    :raises ValueError: when a pinned key is none, or `kept` is not what an enrolment writes.
    """

    def __init__(self, pins: Iterable[Pin], kept: Path | None = None) -> None:
        self._pins = {pin.issuer: pin for pin in pins}
        self._kept = kept
        self._lines: dict[str, Line] = {
            issuer: [RequestKey.from_jwk(pin.request_jwk)] for issuer, pin in self._pins.items()
        }
        for issuer, line in self._read_kept().items():
            if issuer in self._lines and line[0].kid == self._lines[issuer][0].kid:
                self._lines[issuer] = line

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the pinned providers, and how far each was followed.

        :raises ValueError: when a file is not what it should be.
        """
        try:
            entries = json.loads(path.read_text("utf-8"))["issuers"]
            pins = [Pin(entry["issuer"], entry["response_uri"], entry["request_key"]) for entry in entries]
            cls(pins)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path.name} is no enrolment") from error
        return cls(pins, path.with_suffix(".keys.json"))

    @property
    def issuers(self) -> Sequence[str]:
        """The providers, in their order."""
        return list(self._pins)

    def read_request(self, jws: str, now: datetime) -> CardRequest | ReadingRequest:
        """Verify a request, after its issuer's successors; they are kept if all of it is in order.

        :raises RequestRefused: as `card.request.read_request`.
        """
        issuer, line = self._followed(jws, now)
        enrolled: dict[str, EnrolledIssuer] = {}
        if issuer is not None:
            address = self._pins[issuer].response_uri
            enrolled[issuer] = EnrolledIssuer(issuer, address, successors.key_set(line, now))
        request = read_request(jws, enrolled, now)
        if len(line) > len(self._lines[request.issuer]):
            self._lines[request.issuer] = line
            self._keep(request.issuer)
        return request

    def _followed(self, jws: str, now: datetime) -> tuple[str | None, Line]:
        """Whose request it says it is, and the keys of that issuer as of this request."""
        try:
            claims = unverified_claims(jws, max_bytes=MAX_BYTES)
            issuer = claims.get("iss")
            if not isinstance(issuer, str) or issuer not in self._lines:
                return None, []
            named = claims.get("successors", [])
            return issuer, successors.follow(self._lines[issuer], named, issuer, now)
        except TokenRejected as refusal:
            raise RequestRefused("bridge.request_invalid") from refusal

    def _read_kept(self) -> Mapping[str, Line]:
        if self._kept is None or not self._kept.exists():
            return {}
        try:
            document: Mapping[str, Any] = json.loads(self._kept.read_text("utf-8"))
            return {issuer: [_load(entry) for entry in line] for issuer, line in document.items() if line}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{self._kept.name} holds no request keys; enrol this bridge anew") from error

    def _keep(self, issuer: str) -> None:
        if self._kept is None:
            return
        with suppress(OSError, ValueError):  # it is still followed in memory
            lines = {**self._read_kept(), issuer: self._lines[issuer]}
            document = {of: [_saved(key) for key in line] for of, line in lines.items()}
            write_private(self._kept, json.dumps(document, indent=1).encode("utf-8"))


def _saved(key: RequestKey) -> Mapping[str, object]:
    return {"jwk": dict(key.jwk), "until": None if key.until is None else key.until.isoformat()}


def _load(entry: Mapping[str, Any]) -> RequestKey:
    until = entry["until"]
    return RequestKey.from_jwk(entry["jwk"], None if until is None else datetime.fromisoformat(until))
