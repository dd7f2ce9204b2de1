"""What ends a request: a code, its HTTP status and the clause it comes from.

Every layer has such a table; the sentence and the next step for the person are in the layer's catalogue as
`fault.<code>` and `fault.<code>.next`. One place (the edge) maps a fault to a page or to problem details.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FaultKind:
    """How a fault is answered.

    :param status: HTTP status.
    :param source: the clause or page that asks for the refusal.
    """

    status: int
    source: str


class Fault(Exception):  # noqa: N818 - a fault is the domain's word; it ends a request and is no programming error
    """Ends a request with a sentence that a person can act on.

    :param code: a key of the layer's `FAULTS`.
    :param values: what the sentence names, such as the tries left; nothing personal.
    """

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


class CardRejected(Fault):
    """What a card signed does not count."""


FAULTS: Final[Mapping[str, FaultKind]] = {
    # The card and its reader.
    "card.no_reader": FaultKind(400, "PC/SC part 5"),
    "card.service_down": FaultKind(503, "PC/SC part 5"),
    "card.in_use": FaultKind(400, "PC/SC part 5"),
    "card.no_card": FaultKind(400, "PC/SC part 5"),
    "card.several": FaultKind(400, "PC/SC part 5"),
    "card.removed": FaultKind(400, "PC/SC part 5"),
    "card.not_my_number": FaultKind(400, "ISO/IEC 7816-4 §11.1.1"),
    "card.no_certificate": FaultKind(400, "公的個人認証 利用者クライアント仕様"),
    "card.wrong_pin": FaultKind(400, "ISO/IEC 7816-4 §11.6.6"),
    "card.wrong_pin_last": FaultKind(400, "ISO/IEC 7816-4 §11.6.6"),
    "card.last_try": FaultKind(400, "ISO/IEC 7816-4 §11.6.6"),
    "card.blocked": FaultKind(400, "ISO/IEC 7816-4 §11.6.6"),
    "card.pin_shape": FaultKind(400, "公的個人認証法施行規則"),
    "card.failed": FaultKind(400, "ISO/IEC 7816-4 §5.6"),
    # What it signed.
    "card.malformed": FaultKind(400, "RFC 7515 §7.2.2"),
    "card.bytes": FaultKind(400, "design: the provider makes the bytes"),
    "card.purpose": FaultKind(400, "design: purposes never share a typ"),
    "card.expired": FaultKind(400, "design: a request expires"),
    "card.certificate_expired": FaultKind(400, "RFC 5280 §4.1.2.5"),
    "card.signature": FaultKind(400, "RFC 7515 §5.2"),
    "card.path": FaultKind(400, "RFC 5280 §6.1"),
    "card.policy": FaultKind(400, "RFC 5280 §4.2.1.4"),
    "card.revoked": FaultKind(400, "RFC 5280 §6.3"),
    "card.status_unavailable": FaultKind(503, "RFC 5280 §6.3.3"),
    "card.countersignature": FaultKind(400, "design: the bridge"),
    "card.text_controls": FaultKind(400, "Unicode UTS #39 §5"),
    # The bridge.
    "bridge.request_invalid": FaultKind(400, "RFC 9101 §6"),
    "bridge.unknown_issuer": FaultKind(403, "RFC 9101 §6.2"),
    "bridge.unknown_key": FaultKind(403, "RFC 9101 §6.2"),
    "bridge.response_uri": FaultKind(403, "RFC 9700 §4.1"),
    "bridge.expired": FaultKind(400, "RFC 7519 §4.1.4"),
    "bridge.replayed": FaultKind(400, "RFC 7519 §4.1.7"),
    "bridge.unknown_session": FaultKind(400, "design: one page, one request"),
    "bridge.unknown_page": FaultKind(404, "RFC 9110 §15.5.5"),
    "bridge.foreign_page": FaultKind(403, "Fetch Metadata §2"),
    "bridge.foreign_user": FaultKind(403, "design: loopback is shared"),
    # Forms that people post.
    "request.too_large": FaultKind(413, "RFC 9110 §15.5.14"),
    "request.repeated": FaultKind(400, "RFC 6749 §3.1"),
    "request.foreign_page": FaultKind(403, "Fetch Metadata §2"),
}
