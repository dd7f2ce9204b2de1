"""Caught mail: a real SMTP server that keeps what it gets in memory, and a page that shows it."""

import re
import sys
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Final

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from card.pages import Pages, Source

_LINK: Final = re.compile(r"(https?://\S+)")


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail; its body in pieces, of which every second is a link."""

    to: str
    subject: str
    body: tuple[str, ...]


class Mailbox:
    """The last hundred mails, the newest first."""

    def __init__(self) -> None:
        self.mails: deque[CaughtMail] = deque(maxlen=100)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail (the name is aiosmtpd's)."""
        content = envelope.content
        octets = content.encode("utf-8") if isinstance(content, str) else content or b""
        message = message_from_bytes(octets, policy=policy.default)
        body = message.get_body(("plain",))
        text = "" if body is None else str(body.get_content())
        self.mails.appendleft(
            CaughtMail(str(message["To"]), str(message["Subject"]), tuple(_LINK.split(text)))
        )
        return "250 kept"


def create_page(mailbox: Mailbox) -> Starlette:
    """The page."""
    pages = Pages([Source("sandbox", "deploy.sandbox")], ["card", "deploy.sandbox"])

    def show(request: Request) -> Response:
        return pages.render(request, "sandbox/mail.html", {"mails": list(mailbox.mails)})

    return Starlette(routes=[Route("/", show), Mount("/static", Pages.static())])


def main() -> None:
    """Catch mail on the first port, show it on the second."""
    smtp_port, page_port = (int(argument) for argument in sys.argv[1:3])
    mailbox = Mailbox()
    Controller(mailbox, hostname="127.0.0.1", port=smtp_port).start()
    uvicorn.run(create_page(mailbox), host="127.0.0.1", port=page_port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
