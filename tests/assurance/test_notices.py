"""What people are told of their ways in, and what the log says when a mail does not go out."""

from datetime import timedelta

import pytest
import structlog

from assurance import identifiers, notices, people
from assurance.database import Database
from assurance.identifiers import IdentifierKind
from assurance.mail import Mail, MailFailed, hand_over
from assurance.notices import Notice
from assurance.sealed import Vault
from assurance.wards import Ward
from card.pages import Pages
from tests.conftest import NOW

ADDRESSES = ["hanako@example.jp", "hanako@example.net"]
ABOUT = {
    "passkey": ("パスキー", "passkey"),
    "app": ("デジタル認証アプリ", "Digital Authentication App"),
    "card": ("マイナンバーカード", "My Number card"),
}


@pytest.mark.parametrize("notice", Notice)
def test_every_channel_hears_of_a_change_in_every_language(
    database: Database, vault: Vault, ward: Ward, notice: Notice
) -> None:
    with database.writing(ward.code) as unit:
        person = people.create_person(unit, vault, NOW)
        for address in ADDRESSES:
            identifiers.bind(unit, vault, person, IdentifierKind.EMAIL, address, NOW)
        pages = Pages([], ["assurance"])
        until = NOW + timedelta(hours=72)
        mails = notices.notices_of(unit.session, vault, pages, ward, person, notice, NOW, until=until)
    assert [mail.to for mail in mails] == ADDRESSES
    (subject, body), *_ = [(mail.subject, mail.body) for mail in mails]
    words = ABOUT[notice.split("_")[0]]
    assert all(word in subject for word in (*words, "渋谷区", "Shibuya City")), subject
    for part in ("2026年11月24日 10時00分", "24 November 2026, 10:00", f"{ward.issuer}/account"):
        assert part in body
    waits = ("2026年11月27日 10時00分から", "from 27 November 2026, 10:00")
    assert all((part in body) == (notice is Notice.CARD_LINKED) for part in waits)


def test_who_has_no_channel_is_told_nothing(database: Database, vault: Vault, ward: Ward) -> None:
    with database.writing(ward.code) as unit:
        person = people.create_person(unit, vault, NOW)
        pages = Pages([], ["assurance"])
        assert not notices.notices_of(unit.session, vault, pages, ward, person, Notice.PASSKEY_ADDED, NOW)


class Failing:
    """A mail server that knows one person less."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, mail: Mail) -> None:
        if mail.to == ADDRESSES[0]:
            raise MailFailed from ConnectionRefusedError(f"{mail.to} refused")
        self.sent.append(mail.to)


def test_mail_that_fails_is_logged_without_its_address_and_keeps_no_other() -> None:
    mailer = Failing()
    with structlog.testing.capture_logs() as logs:
        hand_over(mailer, [Mail(address, "subject", "body") for address in ADDRESSES])
    assert mailer.sent == ADDRESSES[1:]
    assert logs == [{"event": "mail failed", "log_level": "warning", "cause": "ConnectionRefusedError"}]
