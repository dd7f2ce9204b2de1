"""The mail with a login code."""

from contextlib import suppress

from assurance.mail import Mail, MailFailed
from assurance.wards import ward_name
from idp.services import Services


def send_code(services: Services, locale: str, address: str, code: str) -> None:
    """Send it, after the response: how long it takes tells nobody whether the address is known."""
    text, name = services.pages.text, ward_name(services.ward.code, locale)
    mail = Mail(
        address,
        text(locale, "idp.code_mail.subject", ward=name),
        text(locale, "idp.code_mail.body", ward=name, code=code),
    )
    with suppress(MailFailed):  # the person asks for another; the log says that mail fails
        services.mailer.send(mail)
