"""Which providers a bridge works for: a file that whoever installs it writes once."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from card.jose import KeySet, VerificationKey
from card.request import EnrolledIssuer


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


def read_enrolment(path: Path) -> dict[str, EnrolledIssuer]:
    """Read the pinned providers.

    :raises ValueError: when the file is not what `write_enrolment` writes.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))["issuers"]
        return {
            entry["issuer"]: EnrolledIssuer(
                entry["issuer"],
                entry["response_uri"],
                KeySet([VerificationKey.from_jwk(entry["request_key"], "ES256")]),
            )
            for entry in entries
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no enrolment") from error
