"""The way of a PIN through the bridge: from the raw body into a `bytearray` that is overwritten.

That is best effort: the server below has held the same octets, and Python copies what it likes.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote_plus, unquote_to_bytes

from card.faults import Fault
from card.full_width import narrowed


@dataclass
class SigningForm:
    """What the PIN page posts.

    :param session: handle of the request.
    :param attempt: which page it was.
    :param confirm: the person knows that one more mistake blocks the card.
    :param pin: of the key that signs; where both do, the four digits.
    :param password: where both keys sign, that of the signature key.
    """

    session: str = ""
    attempt: str = ""
    confirm: bool = False
    pin: bytearray = field(default_factory=bytearray)
    password: bytearray = field(default_factory=bytearray)

    def forget(self) -> None:
        """Overwrite what was typed."""
        for typed in (self.pin, self.password):
            for position in range(len(typed)):
                typed[position] = 0


def read_form(body: bytes) -> SigningForm:
    """Read the form; full-width characters are forgiven, small letters raised: the card does neither.

    :raises Fault: `request.repeated` for a second one of a kind, which would leave the first one behind.
    """
    form = SigningForm()
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        match name:
            case b"session":
                form.session = unquote_plus(value.decode("latin-1"))
            case b"attempt":
                form.attempt = unquote_plus(value.decode("latin-1"))
            case b"confirm":
                form.confirm = value == b"yes"
            case b"pin":
                form.pin = _typed_once(form, form.pin, value)
            case b"password":
                form.password = _typed_once(form, form.password, value)
            case _:
                continue
    return form


def _typed_once(form: SigningForm, before: bytearray, value: bytes) -> bytearray:
    if before:
        form.forget()
        raise Fault("request.repeated")
    typed = unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")
    return bytearray(narrowed(typed).replace(" ", "").upper().encode("utf-8"))
