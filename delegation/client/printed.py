"""What is printed on a card that lies at the counter, as a token response brings it (RFC 9396 §7)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from delegation.client.access import TokenRefused

PRINTED_TYPE: Final = "jp_ward_printed_attributes"


@dataclass(frozen=True, slots=True)
class Printed:
    """The four attributes of whoever stands at the counter: to fill a form in with, and proof of nothing.

    :param birthdate: None where month or day are unknown.
    :param sex: `1` male, `2` female, `9` unknown or other.
    """

    name: str
    address: str
    birthdate: date | None
    sex: str


def asking_for_printed() -> str:
    """The `authorization_details` that ask for them; who logs in for it is of the ward's staff."""
    return json.dumps([{"type": PRINTED_TYPE}])


def read_printed(tokens: Mapping[str, object]) -> Printed:
    """Read them from a token response.

    :raises TokenRefused: when it brings none, or not all four.
    """
    details = tokens.get("authorization_details")
    detail = details[0] if isinstance(details, list) and len(details) == 1 else None
    if not isinstance(detail, Mapping) or detail.get("type") != PRINTED_TYPE:
        raise TokenRefused("no printed attributes")
    told = {name: detail.get(name) for name in ("name", "address", "birthdate", "sex")}
    if not all(isinstance(value, str) for value in told.values()):
        raise TokenRefused("no printed attributes")
    try:
        born = date.fromisoformat(str(told["birthdate"])) if told["birthdate"] else None
    except ValueError as error:
        raise TokenRefused("no printed attributes") from error
    return Printed(str(told["name"]), str(told["address"]), born, str(told["sex"]))
