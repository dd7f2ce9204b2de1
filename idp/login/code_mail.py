"""The mail with a login code."""

from assurance.mail import Mail, hand_over
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
    hand_over(services.mailer, [mail])
