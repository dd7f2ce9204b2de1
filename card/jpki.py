"""The JPKI application of a My Number card: certificates and signatures.

Sources: 利用者クライアント仕様, ISO/IEC 7816-4, and what open clients found out about real cards.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from card.application import Application, expect
from card.certificates import Purpose, signing_key
from card.container import ToBeSigned
from card.faults import Fault
from card.jose import Flattened

APPLICATION: Final = bytes.fromhex("D392F000260100000001")
_DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
_P384_OCTETS: Final = 48
_TOKEN_INFO: Final = 0x0006
_LABEL_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class _Files:
    """Elementary files of one key (reference §1.1)."""

    key: int
    pin: int
    certificate: int


_FILES: Final = {
    Purpose.AUTHENTICATION: _Files(key=0x0017, pin=0x0018, certificate=0x000A),
    Purpose.SIGNATURE: _Files(key=0x001A, pin=0x001B, certificate=0x0001),
}
_CA_FILES: Final = {Purpose.AUTHENTICATION: 0x000B, Purpose.SIGNATURE: 0x0002}
_PIN_SHAPE: Final = {
    Purpose.AUTHENTICATION: re.compile(rb"[0-9]{4}\Z"),
    Purpose.SIGNATURE: re.compile(rb"[A-Z0-9]{6,16}\Z"),
}


class JpkiCard(Application):
    """A card with its JPKI application selected; use as a context manager, once.

    :raises Fault: `card.not_my_number` when there is no such application.
    """

    aid: ClassVar[bytes] = APPLICATION
    lacking: ClassVar[str] = "card.no_certificate"

    def token_label(self) -> str:
        """What kind of token it is: `JPKIAPICCTOKEN2` is a card of today, other endings are phones."""
        self._select(_TOKEN_INFO)
        return self._read(0, _LABEL_OCTETS).decode("ascii", "replace").strip(" \0")

    def purposes(self) -> frozenset[Purpose]:
        """Which certificates there are: a child under fifteen has none for signatures."""
        return frozenset(purpose for purpose in Purpose if self._has(_FILES[purpose].certificate))

    def tries_left(self, purpose: Purpose) -> int:
        """How many wrong PINs the card still takes; 0 is blocked."""
        return self._tries_left(_FILES[purpose].pin)

    def certificate(self, purpose: Purpose) -> bytes:
        """Read a certificate, DER. The signature certificate opens only after its password."""
        return self._read_certificate(_FILES[purpose].certificate)

    def ca_certificate(self, purpose: Purpose) -> bytes:
        """Read the certificate of the authority that issued it, DER; no PIN. It is no anchor of trust."""
        return self._read_certificate(_CA_FILES[purpose])

    def _read_certificate(self, file: int) -> bytes:
        self._select(file)
        content = self._read(0, 4)
        if content[:2] != b"\x30\x82" or len(content) < 4:
            raise Fault(self.lacking)
        return self._read_whole(4 + int.from_bytes(content[2:4], "big"))

    def unlock(self, purpose: Purpose, pin: bytearray, *, confirm_last_try: bool = False) -> None:
        """Verify the PIN once, for what comes next: signing, or reading the signature certificate.

        :param pin: ASCII octets; four digits, or 6 to 16 of A-Z and 0-9. The caller overwrites them
            afterwards.
        :param confirm_last_try: the person knows that one more wrong PIN blocks the card.
        :raises Fault: `card.pin_shape` before the card sees it, `card.no_certificate`, `card.blocked`,
            `card.last_try`, `card.wrong_pin` with `tries_left`, or `card.wrong_pin_last` when one is left.
        """
        self._unlock(_FILES[purpose].pin, _PIN_SHAPE[purpose], pin, confirm_last_try=confirm_last_try)

    def sign(
        self, purpose: Purpose, pin: bytearray, prepared: ToBeSigned, *, confirm_last_try: bool = False
    ) -> Flattened:
        """Verify the PIN once and sign, with the algorithm of the key that is on this card.

        :param pin: as for `unlock`, with `confirm_last_try`.
        :raises Fault: as `unlock`; `card.path` for a key that no My Number card has.
        """
        self.unlock(purpose, pin, confirm_last_try=confirm_last_try)
        leaf = self.certificate(purpose)
        alg = _algorithm(leaf)
        made = prepared.under(alg)
        self._select(_FILES[purpose].key)
        return Flattened(made.protected, made.payload, self._sign(alg, made.signing_input), leaf)

    def _sign(self, alg: str, signing_input: bytes) -> bytes:
        """JWS signature octets (RFC 7518 §3.3, §3.4).

        What a P-384 card is given and answers is assumed, for none is out: the same command, with the bare
        digest, as there is no DigestInfo in ECDSA (ISO/IEC 7816-8, PSO: COMPUTE DIGITAL SIGNATURE).
        """
        if alg == "ES384":
            return _raw(self._signed(hashlib.sha384(signing_input).digest()))
        return self._signed(_DIGEST_INFO_SHA256 + hashlib.sha256(signing_input).digest())

    def _signed(self, content: bytes) -> bytes:
        status, signature = self._send(b"\x80\x2a\x00\x80" + bytes([len(content)]) + content + b"\x00")
        expect(status)
        return signature


def _algorithm(leaf: bytes) -> str:
    """What the key of a certificate signs with; the certificate is judged by whoever verifies."""
    try:
        return signing_key(x509.load_der_x509_certificate(leaf))[1]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Fault("card.failed", status="") from error


def _raw(signature: bytes) -> bytes:
    """An ECDSA signature as JOSE has it, r || s (RFC 7518 §3.4).

    Cards answer so, or in DER (RFC 3279 §2.2.3); that both are as long takes r and s of some 45 octets.
    """
    if len(signature) == 2 * _P384_OCTETS:
        return signature
    try:
        return b"".join(part.to_bytes(_P384_OCTETS, "big") for part in decode_dss_signature(signature))
    except (ValueError, OverflowError) as error:
        raise Fault("card.failed", status="") from error
