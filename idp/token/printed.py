"""What is printed on a card, sealed with a code until it is redeemed, and then told once (RFC 9396 §7)."""

import json

from card.attributes import PrintedAttributes
from delegation.client import PRINTED_TYPE
from idp.services import Services

_BOX = "printed"


def seal_printed(services: Services, attributes: PrintedAttributes, code: str) -> bytes:
    """For the row of a code.

    :param code: its hash.
    """
    told = {
        "type": PRINTED_TYPE,
        "name": attributes.name,
        "address": attributes.address,
        "birthdate": "" if attributes.birth_date is None else attributes.birth_date.isoformat(),
        "sex": attributes.sex,
    }
    return services.vault.seal_for(_BOX, json.dumps(told), f"{services.ward.code}/{code}")


def open_printed(services: Services, content: bytes, code: str) -> dict[str, str]:
    """The detail of the token response."""
    told: dict[str, str] = json.loads(services.vault.open_for(_BOX, content, f"{services.ward.code}/{code}"))
    return told
