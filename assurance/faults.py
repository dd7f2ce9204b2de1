"""What this layer refuses; see `card.faults`."""

from collections.abc import Mapping
from typing import Final

from card.faults import FaultKind

FAULTS: Final[Mapping[str, FaultKind]] = {
    "challenge.gone": FaultKind(400, "WebAuthn L3 §13.4.3"),
    "challenge.foreign": FaultKind(400, "WebAuthn L3 §13.4.3"),
    "challenge.expired": FaultKind(400, "WebAuthn L3 §13.4.3"),
    "passkey.refused": FaultKind(400, "WebAuthn L3 §7.2"),
    "passkey.unknown": FaultKind(400, "WebAuthn L3 §7.2 step 6"),
    "passkey.registration_refused": FaultKind(400, "WebAuthn L3 §7.1"),
    "passkey.my_number": FaultKind(400, "番号法20条"),
    "passkey.taken": FaultKind(400, "WebAuthn L3 §7.1 step 26"),
    "passkey.too_weak": FaultKind(403, "NIST SP 800-63B-4 §4.1.2.1"),
    "passkey.last": FaultKind(400, "design: the last strong way in stays"),
    "email.shape": FaultKind(400, "RFC 5321 §4.1.2"),
    "email.wrong_code": FaultKind(400, "ASVS 6.6.3"),
    "email.too_many": FaultKind(400, "ASVS 6.6.3"),
    "email.expired": FaultKind(400, "ASVS 6.6.2"),
    "app.unknown": FaultKind(400, "design: an unknown sub is matched to nobody"),
    "app.too_weak": FaultKind(403, "NIST SP 800-63B-4 §4.1.2.1"),
    "app.differs": FaultKind(400, "design: linking"),
    "app.second": FaultKind(400, "design: a second one needs the counter"),
    "app.last": FaultKind(400, "design: the last strong way in stays"),
    "business.taken": FaultKind(400, "design: an identifier belongs to one person"),
    "card.unknown": FaultKind(400, "design: an unknown card is matched to nobody"),
    "linking.too_weak": FaultKind(403, "NIST SP 800-63B-4 §4.1.2.1"),
    "linking.unproven": FaultKind(403, "design: a card is linked to who was proven"),
    "linking.differs": FaultKind(403, "design: name and birth date equal the proof"),
    "linking.taken": FaultKind(403, "design: an identifier belongs to one person"),
    "linking.another": FaultKind(403, "design: a second live authentication certificate"),
    "linking.already": FaultKind(400, "design: linking"),
    "linking.not_waiting": FaultKind(400, "design: the counter undoes what counts"),
    "counter.known": FaultKind(400, "design: a name that is known is staff review"),
    "counter.staff": FaultKind(403, "design: two people"),
    "counter.cards_differ": FaultKind(400, "design: linking"),
    "counter.taken": FaultKind(400, "design: an identifier belongs to one person"),
}
