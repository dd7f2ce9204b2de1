"""What this layer refuses; see `card.faults`."""

from collections.abc import Mapping, Sequence
from typing import Final

from assurance.mail import Mail
from card.faults import Fault, FaultKind


class FaultWithMails(Fault):
    """A refusal of which people are told; the page sends the mails after its answer."""

    def __init__(self, code: str, mails: Sequence[Mail], **values: object) -> None:
        super().__init__(code, **values)
        self.mails = mails


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
    "grant.too_many_today": FaultKind(400, "design: requests for a grant count towards caps"),
    "grant.not_now": FaultKind(400, "design: acceptance before mandate"),
    "grant.changed": FaultKind(400, "design: acceptance names the whole proposal"),
    "grant.not_accepted": FaultKind(400, "design: any change is a new proposal"),
    "grant.ended": FaultKind(400, "design: ended is final"),
    "grant.digits_wrong": FaultKind(400, "design: comparing"),
    "grant.digits_over": FaultKind(400, "design: comparing, three tries"),
    "invitation.gone": FaultKind(404, "design: an invitation stays open thirty days"),
    "invitation.code_needed": FaultKind(403, "design: a code read back from the invited address"),
    "invitation.other_name": FaultKind(403, "design: the proven name is the one that was typed"),
    "counter.visit_over": FaultKind(404, "design: a visit is bound to one login and ends"),
    "counter.unknown_card": FaultKind(404, "design: an unknown card is matched to nobody"),
    "counter.unchecked": FaultKind(503, "design: a person is found by a card of good status"),
    "counter.self": FaultKind(403, "design: neither of two staff is a party"),
    "counter.party": FaultKind(403, "design: neither of two staff is a party"),
    "paper.number": FaultKind(400, "design: a paper number works once"),
    "paper.person": FaultKind(400, "design: each enters what the paper says"),
    "paper.child": FaultKind(400, "design: each enters what the paper says"),
    "paper.proof": FaultKind(400, "design: attestations with the proof seen"),
    "mandate.signer": FaultKind(403, "design: a signature acts for the certificate's own person"),
    "mandate.text": FaultKind(400, "design: text and structure are one"),
    "mandate.not_logged": FaultKind(503, "RFC 9162 §2.1.3"),
    "audit.range": FaultKind(404, "RFC 9162 §2.1.3"),
    "audit.damaged": FaultKind(503, "RFC 9162 §2.1"),
    "mandate.unchecked": FaultKind(503, "design: a mandate needs a good revocation status"),
}
