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
    "counter.card_over": FaultKind(404, "design: two people, on one day"),
    "counter.nobody": FaultKind(400, "design: staff find people by exact name and birth date"),
    "counter.self": FaultKind(403, "design: neither of two staff is a party"),
    "counter.party": FaultKind(403, "design: neither of two staff is a party"),
    "paper.number": FaultKind(400, "design: a paper number works once"),
    "paper.person": FaultKind(400, "design: each enters what the paper says"),
    "paper.child": FaultKind(400, "design: each enters what the paper says"),
    "paper.proof": FaultKind(400, "design: attestations with the proof seen"),
    "mandate.signer": FaultKind(403, "design: a signature acts for the certificate's own person"),
    "mandate.text": FaultKind(400, "design: text and structure are one"),
    "mandate.not_logged": FaultKind(503, "RFC 9162 §2.1.3"),
    "review.settled": FaultKind(400, "design: one decision a review"),
    "office.unknown": FaultKind(404, "design: nothing tells who works where"),
    "office.name": FaultKind(400, "design: an office has the name it is registered by"),
    "office.number": FaultKind(400, "介護給付費請求書 記載要領: the check digit of a 事業所番号"),
    "office.taken": FaultKind(400, "design: a 事業所番号 is one office's"),
    "office.member_name": FaultKind(400, "design: the office types the member's name"),
    "office.member_number": FaultKind(400, "介護保険法69条の2"),
    "office.member_number_over": FaultKind(400, "介護保険法69条の7: a certificate has an end"),
    "office.member_unknown": FaultKind(404, "design: a member of this office"),
    "office.member_already": FaultKind(400, "design: one membership an office"),
    "office.member_not_joined": FaultKind(400, "design: a member counts after staff checked the number"),
    "office.other_name": FaultKind(403, "design: the proven name is the one that was typed"),
    "office.own_number": FaultKind(403, "design: nobody checks themselves"),
    "office.no_care_manager": FaultKind(403, "介護保険法: a care manager asks, no administrator alone"),
    "office.too_many": FaultKind(400, "design: members are capped"),
    "office.too_many_hand_overs": FaultKind(400, "design: more than ten a day need ward staff"),
    "office.second_person": FaultKind(403, "design: a second person confirms"),
    "office.not_yours_to_end": FaultKind(403, "design: the office holds the grant"),
    "audit.range": FaultKind(404, "RFC 9162 §2.1.3"),
    "audit.damaged": FaultKind(503, "RFC 9162 §2.1"),
    "mandate.unchecked": FaultKind(503, "design: a mandate needs a good revocation status"),
    # Staff.
    "staff.unknown_person": FaultKind(404, "design: staff find people by exact name and birth date"),
    "staff.search": FaultKind(400, "ISO 8601"),
    "staff.own": FaultKind(403, "design: staff do not look at themselves"),
    "staff.own_grant": FaultKind(403, "design: staff do not look at grants of their own"),
    "staff.reason": FaultKind(400, "design: a hold has a reason"),
    "staff.my_number": FaultKind(400, "番号法20条"),
    "staff.held": FaultKind(400, "design: one hold of the ward on a person"),
    "staff.too_few": FaultKind(400, "design: two lift what one placed"),
    "staff.role": FaultKind(400, "design: roles are a closed set"),
    "staff.role_last": FaultKind(400, "design: a role ends"),
    "staff.not_proofed": FaultKind(400, "design: staff are card-proofed"),
    "change.unknown": FaultKind(404, "design: two people"),
    "change.own": FaultKind(403, "design: nobody decides about themselves"),
    "change.signed": FaultKind(400, "design: two distinct people"),
    "change.card": FaultKind(403, "design: both are card-proofed"),
    "change.raised": FaultKind(403, "design: neither raised the other within thirty days"),
    "change.proposer": FaultKind(400, "design: both are admins when it is done"),
    "change.done": FaultKind(400, "design: a change is made once"),
    "change.expired": FaultKind(400, "design: a change stays open seven days"),
    "change.stale": FaultKind(400, "design: a change is of what is so now"),
    "change.text": FaultKind(400, "design: text and structure are one"),
    "change.signer": FaultKind(403, "design: a signature acts for the certificate's own person"),
    "change.unchecked": FaultKind(503, "design: an approval needs a good revocation status"),
}
