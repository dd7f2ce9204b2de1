"""What Japanese keyboards type: full-width letters, digits and signs, made the ASCII that people mean."""

from typing import Final

_NARROW: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def narrowed(text: str) -> str:
    """The text with full-width ASCII and the ideographic space made narrow; all else stays as it is."""
    return text.translate(_NARROW)
