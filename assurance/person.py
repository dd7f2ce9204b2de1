"""A person: one human in one ward, proven or not."""

import secrets
from dataclasses import dataclass
from datetime import date
from typing import NewType

PersonId = NewType("PersonId", str)


def new_id() -> str:
    """128 random bits as 32 hexadecimal digits: the shape of every id of ours."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a person, as given; never folded or normalised.

    :param sex: `1` male, `2` female, `3` or `9` other or unknown (JIS X 0303).
    """

    name: str
    birth_date: date
    sex: str
    address: str
