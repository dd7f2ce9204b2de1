"""Linking a card: both of its keys sign one request, which names both of its certificates.

The provider cannot know the certificates, since a password opens the second one. So it makes every octet but
theirs: what is signed is its payload with one member more, `certificates`, in our one encoding. The provider
adds it again to its own, from the certificates that came back, and no other octets count.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from card.certificates import JpkiCertificate, Purpose, read_certificate
from card.container import CardEvidence, SigningPurpose, ToBeSigned, named_certificates, verify_signed_by_card
from card.faults import CardRejected, Fault
from card.jose import Flattened, b64url_encode, strict_json
from card.jose.compact import encode_json
from card.jpki import JpkiCard
from card.transport import Reader
from card.trust import Trust

Pair = tuple[Flattened, Flattened]
"""What the authentication key and the signature key made, in this order."""
_MAX_BYTES: Final = 32768
_OF_SECRETS: Final = frozenset(
    {"card.pin_shape", "card.wrong_pin", "card.wrong_pin_last", "card.last_try", "card.blocked"}
)


class SecretRefused(Fault):
    """What the card says of one of the two secrets, each of which has tries of its own.

    :param purpose: whose key it opens.
    """

    def __init__(self, refused: Fault, purpose: Purpose) -> None:
        super().__init__(refused.code, **refused.values)
        self.purpose = purpose


@contextmanager
def _about(purpose: Purpose) -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        if fault.code in _OF_SECRETS:
            raise SecretRefused(fault, purpose) from fault
        raise


def naming(prepared: ToBeSigned, both: tuple[JpkiCertificate, JpkiCertificate]) -> ToBeSigned:
    """A linking request with the certificates that it joins.

    :raises CardRejected: `card.malformed` when it names some already, or cannot be read.
    """
    try:
        claims = dict(prepared.claims())
    except ValueError as error:
        raise CardRejected("card.malformed") from error
    if "certificates" in claims:
        raise CardRejected("card.malformed")
    claims["certificates"] = named_certificates(both)
    return ToBeSigned(prepared.protected, b64url_encode(encode_json(claims)))


def link_on(
    reader: Reader,
    prepared: ToBeSigned,
    pin: bytearray,
    password: bytearray,
    *,
    confirm_last_try: frozenset[Purpose] = frozenset(),
) -> Pair:
    """Let the card that lies there sign with both keys, in one use of it: no other card comes in between.

    :param prepared: the provider's bytes, which name no certificates yet.
    :param confirm_last_try: whose last try the person said yes to.
    :raises SecretRefused: for a PIN or a password.
    :raises Fault: `card.*` of the reader and of `JpkiCard`.
    """
    secrets = {Purpose.AUTHENTICATION: pin, Purpose.SIGNATURE: password}
    with reader.connect() as transport, JpkiCard(transport) as card:
        for purpose, secret in secrets.items():
            with _about(purpose):
                card.unlock(purpose, secret, confirm_last_try=purpose in confirm_last_try)
        authentication, signature = (read_certificate(card.certificate(purpose)) for purpose in secrets)
        made = naming(prepared, (authentication, signature))
        first, second = (card.sign(purpose, secret, made) for purpose, secret in secrets.items())
        return first, second


def to_json(pair: Pair) -> str:
    """Both containers as one JWS: two signatures over one payload (RFC 7515 §7.2.1)."""
    each = [dict(strict_json(container.to_json())) for container in pair]
    payload, _ = (members.pop("payload") for members in each)
    return encode_json({"payload": payload, "signatures": each}).decode("ascii")


def parse(text: str) -> Pair:
    """Read what `to_json` writes, at most 32 KiB.

    :raises ValueError: for anything but two signatures over one payload, each with its own certificate.
    """
    if len(text) > _MAX_BYTES:
        raise ValueError("too big")
    members = strict_json(text)
    signatures = members.get("signatures")
    if members.keys() != {"payload", "signatures"} or not isinstance(signatures, list):
        raise ValueError("not exactly payload and signatures")
    if len(signatures) != 2 or any(not isinstance(one, dict) or "payload" in one for one in signatures):
        raise ValueError("not two signatures over one payload")
    first, second = (
        Flattened.parse(encode_json({"payload": members["payload"], **one})) for one in signatures
    )
    return first, second


def verify_link(
    pair: Pair, *, prepared: ToBeSigned, trust: Trust, now: datetime
) -> tuple[CardEvidence, CardEvidence]:
    """Verify that one card signed with both keys.

    :param prepared: the bytes made for this attempt, without certificates.
    :raises CardRejected: as `verify_signed_by_card`; `card.purpose` unless the first certificate is for
        authentication and the second for signatures.
    """
    authentication, signature = (read_certificate(container.leaf_der) for container in pair)
    if (authentication.purpose, signature.purpose) != SigningPurpose.LINK.certificates:
        raise CardRejected("card.purpose")
    made = naming(prepared, (authentication, signature))
    first, second = (
        verify_signed_by_card(container, expecting=SigningPurpose.LINK, prepared=made, trust=trust, now=now)
        for container in pair
    )
    return first, second
