"""Notices about a person's ways in, to every channel of theirs.

Whoever adds or removes a way in may not be the person; so the person hears of it wherever an address of
theirs was confirmed. A notice is written in every language, since nobody's is known, and holds nothing
personal: a passkey's label may.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlmodel import Session

from assurance import identifiers
from assurance.mail import Mail
from assurance.person import PersonId
from assurance.sealed import Vault
from assurance.wards import Ward, ward_name
from card.dates import time_text
from card.pages import LOCALES, Pages

_RULE: Final = "\n\n" + "-" * 24 + "\n\n"


class Notice(StrEnum):
    """What a person is told of."""

    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    APP_LINKED = "app_linked"
    APP_REMOVED = "app_removed"
    CARD_LINKED = "card_linked"
    CARD_RELINKED = "card_relinked"
    CARD_WITHDRAWN = "card_withdrawn"


def notices_of(
    session: Session,
    vault: Vault,
    pages: Pages,
    ward: Ward,
    person: PersonId,
    notice: Notice,
    at: datetime,
    *,
    until: datetime | None = None,
) -> list[Mail]:
    """The mails to send after the response, with `mail.hand_over`.

    :param until: what is new waits till then, and can be undone.
    """

    def told(part: str) -> list[str]:
        return [
            pages.text(
                locale,
                f"assurance.notice.{notice}.{part}",
                ward=ward_name(ward.code, locale),
                at=time_text(at, locale),
                until=time_text(until or at, locale),
                link=f"{ward.origin}{ward.path}/account",
            )
            for locale in LOCALES
        ]

    subject, body = " / ".join(told("subject")), _RULE.join(told("body"))
    addresses = identifiers.addresses_of(session, vault, ward.code, person)
    return [Mail(address, subject, body) for address in addresses]
