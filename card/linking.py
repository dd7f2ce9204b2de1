"""Linking a card: both of its keys sign one request, which names both of its certificates."""

from collections.abc import Callable, Mapping

from card.certificates import Purpose, read_certificate
from card.container import ToBeSigned, named_certificates
from card.jose import Flattened
from card.jpki import JpkiCard
from card.transport import Reader


def link_on(
    reader: Reader,
    prepare: Callable[[Mapping[str, str]], ToBeSigned],
    pin: bytearray,
    password: bytearray,
) -> tuple[ToBeSigned, tuple[Flattened, Flattened]]:
    """Let the card that lies there sign with both keys, in one use of it.

    The signature certificate opens after its password alone, so the request is made when the card lies there.

    :param prepare: makes the request from `named_certificates`.
    :returns: the request, and what the authentication and the signature key made of it.
    :raises Fault: `card.*` of the reader and of `JpkiCard.unlock`.
    """
    with reader.connect() as transport, JpkiCard(transport) as card:
        authentication = card.certificate(Purpose.AUTHENTICATION)
        card.unlock(Purpose.SIGNATURE, password)
        signature = card.certificate(Purpose.SIGNATURE)
        made = prepare(named_certificates(read_certificate(der) for der in (authentication, signature)))
        return made, (
            card.sign(Purpose.AUTHENTICATION, pin, made),
            card.sign(Purpose.SIGNATURE, password, made),
        )
