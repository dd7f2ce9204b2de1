"""Mail, over real SMTP."""

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final, Protocol

import structlog

from card.clock import Clock

_TIMEOUT_S: Final = 10.0
_log: Final = structlog.get_logger("mail")


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain-text mail; it names no procedure and holds nothing personal but the greeting."""

    to: str
    subject: str
    body: str


class MailFailed(Exception):  # noqa: N818 - a state of the world
    """The mail server did not take it."""


class Mailer(Protocol):
    """Sends mail."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over.

        :raises MailFailed: when it was not taken.
        """


class SmtpMailer:
    """Hands mail to a server (RFC 5321)."""

    def __init__(self, host: str, port: int, sender: str, clock: Clock) -> None:
        self._host, self._port = host, port
        self._sender = sender
        self._clock = clock

    def send(self, mail: Mail) -> None:
        """Hand a mail over; a line break in an address or subject never becomes a header (RFC 5322 §2.2)."""
        message = EmailMessage()
        try:
            message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
            message["Date"] = format_datetime(self._clock.now())
            message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no vacation replies
            message.set_content(mail.body)
            with smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S) as server:
                server.send_message(message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise MailFailed from error


def hand_over(mailer: Mailer, mails: Sequence[Mail]) -> None:
    """Send mails, after the response; one that fails is logged and does not keep the others.

    The log names the cause and no address: a refusal's own text repeats the recipient's.
    """
    for mail in mails:
        try:
            mailer.send(mail)
        except MailFailed as failed:
            _log.warning("mail failed", cause=type(failed.__cause__).__name__)
