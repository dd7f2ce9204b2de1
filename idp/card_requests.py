"""Asking for a card's signature through the bridge, and taking what comes back."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from assurance import challenges
from assurance.database import Unit
from assurance.person import new_id
from assurance.wards import ward_name
from card.certificates import Purpose
from card.container import CardEvidence, SigningPurpose, ToBeSigned, prepare, verify_signed_by_card
from card.faults import CardRejected, Fault
from card.jose import Flattened
from card.request import CardRequest, RequestItem, sign_request
from idp import interactions
from idp.cookies import Cookie
from idp.keys import KeyPurpose
from idp.services import Services

_CHALLENGE: Final = "card"
_CERTIFICATE: Final = {
    SigningPurpose.LOGIN: Purpose.AUTHENTICATION,
    SigningPurpose.MANDATE: Purpose.SIGNATURE,
}


def answer_uri(services: Services) -> str:
    """The one address that a bridge posts to; bridges pin it."""
    return f"{services.ward.issuer}/card/answer"


def ask(
    unit: Unit,
    services: Services,
    interaction: str,
    purpose: SigningPurpose,
    *,
    cancel_to: str,
    locale: str = "ja",
    text: str | None = None,
    template: str | None = None,
    content: Mapping[str, Any] | None = None,
) -> str:
    """Make the bytes for a card, and the signed request that a bridge obeys.

    :param locale: the language of `text`: what is signed is what was read.
    :returns: the request JWS.
    """
    now = services.clock.now()
    made = prepare(
        purpose,
        issuer=services.ward.issuer,
        audience=answer_uri(services),
        nonce=secrets.token_bytes(32),
        issued_at=now,
        text=text,
        template=template,
        content=content,
    )
    challenge = challenges.issue(
        unit,
        services.vault,
        _CHALLENGE,
        browser="",  # the bridge's answer reads no cookie; its handle and the interaction's cookie bind it
        now=now,
        expires_at=now + purpose.lifetime,
        data={
            "interaction": interaction,
            "purpose": str(purpose),
            "protected": made.protected,
            "payload": made.payload,
        },
    )
    request = CardRequest(
        issuer=services.ward.issuer,
        issuer_name={locale: ward_name(unit.ward, locale) for locale in ("ja", "en")},
        response_uri=answer_uri(services),
        cancel_uri=services.ward.origin + cancel_to,
        purpose=purpose,
        state=challenge.id,
        items=(RequestItem(_CERTIFICATE[purpose], made),),
        issued_at=now,
        expires_at=now + purpose.lifetime,
        request_id=new_id(),
        text=None if text is None else {locale: text},
    )
    return sign_request(request, services.keys.signer(KeyPurpose.REQUEST))


def receive(unit: Unit, services: Services, state: str, container: str) -> tuple[str, Cookie]:
    """Take what a bridge posted; the challenge is burnt, whatever it holds.

    :returns: the interaction's id and the cookie with the answer's one-time handle.
    :raises Fault: `challenge.*` or `card.malformed`.
    """
    asked = challenges.take(
        unit, services.vault, state, _CHALLENGE, browser="", now=services.clock.now()
    ).data
    try:
        Flattened.parse(container)
    except (CardRejected, ValueError) as error:
        raise unit.costly(Fault("card.malformed")) from error
    answer = {name: str(asked[name]) for name in ("purpose", "protected", "payload")}
    id_ = str(asked["interaction"])
    return id_, interactions.keep_answer(unit, services, id_, answer | {"container": container})


def verify(services: Services, answer: Mapping[str, str]) -> CardEvidence:
    """Verify an answer that its own browser brought.

    :raises CardRejected: as `verify_signed_by_card`.
    """
    return verify_signed_by_card(
        Flattened.parse(answer["container"]),
        expecting=SigningPurpose(answer["purpose"]),
        prepared=ToBeSigned(answer["protected"], answer["payload"]),
        trust=services.trust,
        now=services.clock.now(),
    )
