"""Which providers a bridge works for: a file that whoever installs it writes once."""

import json
from collections.abc import Mapping
from pathlib import Path

from card.jose import KeySet, VerificationKey
from card.request import EnrolledIssuer


def write_enrolment(path: Path, issuer: str, response_uri: str, request_jwk: Mapping[str, str]) -> None:
    """Pin one provider."""
    document = {
        "issuers": [{"issuer": issuer, "response_uri": response_uri, "request_key": dict(request_jwk)}]
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), "utf-8")


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
