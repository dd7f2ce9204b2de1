"""What a bridge read off a card, on its way to the provider: prefill for a form, and proof of nothing."""

import json
from typing import Final

from card.attributes import PrintedAttributes
from card.certificates import read_birth_date
from card.container import refuse_controls
from card.faults import CardRejected
from card.jose import strict_json

_LONGEST: Final = 200
_MEMBERS: Final = ("name", "address", "birth_date", "sex")


def write_printed(attributes: PrintedAttributes) -> str:
    """JSON of the four: `birth_date` as YYYYMMDD, empty where a part of it is unknown."""
    born = attributes.birth_date
    values = (
        attributes.name,
        attributes.address,
        "" if born is None else f"{born:%Y%m%d}",
        attributes.sex,
    )
    return json.dumps(dict(zip(_MEMBERS, values, strict=True)), ensure_ascii=False)


def read_printed(text: str) -> PrintedAttributes:
    """Read them where they come in: anyone may have written them.

    :raises CardRejected: `card.malformed` for anything else; `card.text_controls`.
    """
    try:
        document = strict_json(text.encode("utf-8"))
    except ValueError as error:
        raise CardRejected("card.malformed") from error
    values = [document.get(member) for member in _MEMBERS]
    if document.keys() != set(_MEMBERS) or not all(
        isinstance(value, str) and len(value) <= _LONGEST for value in values
    ):
        raise CardRejected("card.malformed")
    name, address, born, sex = map(str, values)
    if not name or sex not in {"1", "2", "9"}:
        raise CardRejected("card.malformed")
    refuse_controls(name + address)
    return PrintedAttributes(name, address, read_birth_date(born) if born else None, sex)
