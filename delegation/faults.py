"""What this layer refuses; see `card.faults`."""

from collections.abc import Mapping
from typing import Final

from card.faults import FaultKind

FAULTS: Final[Mapping[str, FaultKind]] = {
    "grant.unknown": FaultKind(404, "design: nothing tells whether a grant exists"),
    "grant.self": FaultKind(400, "design: nobody delegates to themselves"),
    "grant.past": FaultKind(400, "design: a grant ends on a day to come"),
    "grant.too_long": FaultKind(400, "design: no use outlives the procedure's maximum"),
    "grant.date": FaultKind(400, "ISO 8601"),
    "grant.never": FaultKind(400, "design: never-delegable procedures"),
    "grant.nothing_chosen": FaultKind(400, "design: a grant names its procedures"),
    "grant.name": FaultKind(400, "design: the principal types the delegate's name"),
    "grant.my_number": FaultKind(400, "番号法20条"),
    "grant.too_many": FaultKind(400, "design: open proposals are capped"),
    "grant.not_now": FaultKind(400, "design: acceptance before mandate"),
    "grant.changed": FaultKind(400, "design: acceptance names the whole proposal"),
    "grant.ended": FaultKind(400, "design: ended is final"),
    "grant.digits_wrong": FaultKind(400, "design: comparing"),
    "grant.digits_over": FaultKind(400, "design: comparing, three tries"),
    "invitation.gone": FaultKind(404, "design: an invitation stays open thirty days"),
    "invitation.code_needed": FaultKind(403, "design: a code read back from the invited address"),
    "invitation.other_name": FaultKind(403, "design: the proven name is the one that was typed"),
    "mandate.signer": FaultKind(403, "design: a signature acts for the certificate's own person"),
    "mandate.text": FaultKind(400, "design: text and structure are one"),
    "mandate.not_logged": FaultKind(503, "RFC 9162 §2.1.3"),
    "audit.range": FaultKind(404, "RFC 9162 §2.1.3"),
    "mandate.unchecked": FaultKind(503, "design: a mandate needs a good revocation status"),
}
