"""The PIN's way through the bridge: from the raw body into a `bytearray` that is overwritten.

That is best effort: the server below has held the same octets, and Python copies what it likes.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote_plus, unquote_to_bytes

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: None, 0x20: None}


@dataclass
class SigningForm:
    """What the PIN page posts."""

    token: str = ""
    confirm: bool = False
    pin: bytearray = field(default_factory=bytearray)

    def forget(self) -> None:
        """Overwrite the PIN."""
        for position in range(len(self.pin)):
            self.pin[position] = 0


def read_form(body: bytes) -> SigningForm:
    """Read the form; full-width characters are forgiven, small letters raised: the card does neither."""
    form = SigningForm()
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        match name:
            case b"token":
                form.token = unquote_plus(value.decode("latin-1"))
            case b"confirm":
                form.confirm = value == b"yes"
            case b"pin":
                typed = unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")
                form.pin = bytearray(typed.translate(_FULL_WIDTH).upper().encode("utf-8"))
            case _:
                continue
    return form
