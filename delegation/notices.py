"""Mails about grants: in every language at once, since nobody's language is known; they name no procedure."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sqlmodel import Session
from starlette.background import BackgroundTask

from assurance import identifiers
from assurance.mail import Mail, Mailer, MailFailed
from assurance.person import PersonId
from assurance.wards import ward_name
from card.pages import LOCALES
from delegation.parts import Parts

_RULE: Final = "\n\n" + "-" * 24 + "\n\n"


def notice(parts: Parts, to: str, kind: str, path: str, **values: str) -> Mail:
    """A mail of a kind, `delegation.mail.<kind>.subject` and `.body`, with a link to a page of ours."""
    told = values | {"link": parts.ward.origin + parts.address(path)}
    texts = [
        tuple(
            parts.pages.text(
                locale, f"delegation.mail.{kind}.{part}", ward=ward_name(parts.ward.code, locale), **told
            )
            for part in ("subject", "body")
        )
        for locale in LOCALES
    ]
    return Mail(to, " / ".join(subject for subject, _ in texts), _RULE.join(body for _, body in texts))


def notices_to(session: Session, parts: Parts, person: PersonId, kind: str, path: str) -> list[Mail]:
    """The same mail to every confirmed address of a person."""
    addresses = identifiers.addresses_of(session, parts.vault, parts.ward.code, person)
    return [notice(parts, address, kind, path) for address in addresses]


def send_all(mailer: Mailer, mails: Sequence[Mail]) -> None:
    """Hand every mail over; one that fails does not keep the others."""
    for mail in mails:
        with suppress(MailFailed):  # the page says the same; the log says that mail fails
            mailer.send(mail)


def sending(parts: Parts, mails: Sequence[Mail]) -> BackgroundTask:
    """Send mails after the response."""
    return BackgroundTask(send_all, parts.mailer, mails)
