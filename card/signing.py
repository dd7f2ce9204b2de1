"""What a card on a reader makes of prepared bytes: one container, in one straight run of commands."""

from card.certificates import Purpose
from card.container import ToBeSigned
from card.jose import Flattened
from card.jpki import JpkiCard
from card.transport import Reader


def sign_on(
    reader: Reader,
    prepared: ToBeSigned,
    certificate: Purpose,
    pin: bytearray,
    *,
    confirm_last_try: bool = False,
) -> Flattened:
    """Let the card that lies there sign.

    :raises Fault: `card.*` of the reader and of `JpkiCard.sign`.
    """
    with reader.connect() as transport, JpkiCard(transport) as card:
        return card.sign(certificate, pin, prepared, confirm_last_try=confirm_last_try)
