"""Linking: which cards are whose, and how a renewed one takes the place of the one before.

A renewed card has new serials, so nothing on it says whose it is but the name in its signature certificate,
and namesakes have that too. **Continuity** is an old factor plus linking, or the counter:

- *At home* a person is logged in by two factors just now, which she had before. Name and birth date of the
  card are those of her proof. The card that she had is over: expired, or revoked by the list of today, as
  every card is that was handed in for a new one. One that still lives, or of which nobody can tell, needs the
  counter, also where she shows it: as long as it lives it protests against a card that is not hers. The new
  one counts in full after 72 hours (`counts_from`), and until then she can withdraw it.
- *At the counter* two staff say who she is. Whatever card she had ends, and the new one counts at once.

Where an address changed, the signature certificate alone is new: the other is the one that is linked already,
no second one. Its signature counts after the same hours.

Nothing else of the person ends. The first strong way in of a proven person drops what was there before; but
a card at home is never the first, since linking needs a strong one, and at the counter nothing is there that
could have been anybody else's: who was proven adds no passkey by mail (`passkeys.may_add`).

What ended is nobody else's for ever, and comes back at the counter alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from assurance import credentials, identifiers, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.identifiers import IdentifierKind
from assurance.levels import FRESH_TWO_FACTORS
from assurance.login import Login
from assurance.person import PersonId, Profile
from assurance.sealed import Vault
from assurance.tables import IdentifierRow, Person
from assurance.thresholds import Thresholds
from assurance.wards import WardCode
from card.certificates import Purpose, read_certificate
from card.container import CardEvidence, SigningPurpose, named_certificates
from card.faults import CardRejected, Fault
from card.revocation import RevocationState
from card.trust import Trust, check_path, check_status

_KINDS: Final = (IdentifierKind.CARD_AUTHENTICATION, IdentifierKind.CARD_SIGNATURE)
_OVER: Final = frozenset({"card.certificate_expired", "card.revoked"})


@dataclass(frozen=True, slots=True)
class LinkedCard:
    """Both certificates of one card, each having signed the same linking request, which names the two.

    :raises Fault: `counter.cards_differ` when they did not, or revocation of either was not checked.
    """

    authentication: CardEvidence
    signature: CardEvidence

    def __post_init__(self) -> None:
        pair = (self.authentication, self.signature)
        certificates = [signed.certificate for signed in pair]
        together = all(signed.purpose is SigningPurpose.LINK for signed in pair) and (
            self.authentication.container.payload == self.signature.container.payload
        )
        kinds = tuple(certificate.purpose for certificate in certificates) == SigningPurpose.LINK.certificates
        named = self.authentication.container.claims().get("certificates") == named_certificates(certificates)
        checked = all(signed.revocation.state is RevocationState.GOOD for signed in pair)
        if not (together and kinds and named and checked):
            raise Fault("counter.cards_differ")

    @property
    def profile(self) -> Profile | None:
        """What the signature certificate says.

        None where a character is a substitute or the birth date unknown: staff compare it by eye.
        """
        attributes = self.signature.certificate.attributes
        if attributes is None or attributes.birth_date is None or not attributes.name_is_exact:
            return None
        return Profile(attributes.name, attributes.birth_date, attributes.sex, attributes.address)


@dataclass(frozen=True, slots=True)
class CardView:
    """A card as its owner sees it.

    :param counts_from: when it counts in full, while it does not.
    """

    linked_at: datetime
    counts_from: datetime | None


def _rows(session: Session, ward: WardCode, person: PersonId) -> Sequence[IdentifierRow]:
    return session.exec(
        select(IdentifierRow)
        .where(
            IdentifierRow.ward == ward,
            IdentifierRow.person == person,
            col(IdentifierRow.kind).in_(_KINDS),
            col(IdentifierRow.ended_at).is_(None),
        )
        .order_by(col(IdentifierRow.bound_at), col(IdentifierRow.kind))
    ).all()


def _waits(row: IdentifierRow, now: datetime) -> bool:
    return row.counts_from is not None and row.counts_from > now


def card_of(session: Session, ward: WardCode, person: PersonId, now: datetime) -> CardView | None:
    """The card that logs a person in."""
    rows = _rows(session, ward, person)
    cards = [row for row in rows if row.kind == IdentifierKind.CARD_AUTHENTICATION]
    if not cards:
        return None
    return CardView(cards[-1].bound_at, cards[-1].counts_from if _waits(cards[-1], now) else None)


def _is_over(der: str, trust: Trust, now: datetime) -> bool:
    certificate = read_certificate(bytes.fromhex(der))
    try:
        issuer = check_path(certificate, Purpose.AUTHENTICATION, trust, now)
        return check_status(certificate, issuer, trust, now).state is RevocationState.REVOKED
    except CardRejected as rejected:
        if rejected.code == "card.status_unavailable":
            raise
        return rejected.code in _OVER


def over(
    session: Session, vault: Vault, ward: WardCode, person: PersonId, trust: Trust, now: datetime
) -> Collection[str]:
    """Which of a person's linked authentication certificates are expired or revoked.

    :returns: their MACs; one that was linked before certificates were kept is never in it.
    :raises CardRejected: `card.status_unavailable` when the lists cannot tell.
    """
    cipher, found = None, set[str]()
    for row in _rows(session, ward, person):
        if row.certificate is not None:
            cipher = cipher or vault.cipher_for(session, ward, person)
            der = cipher.open(row.certificate, table="identifier", column="certificate", row=row.mac)
            if _is_over(der, trust, now):
                found.add(row.mac)
    return found


def _required(login: Login, now: datetime) -> None:
    if not login.assurance.meets(FRESH_TWO_FACTORS, now):
        raise Fault("linking.too_weak")


def _known(session: Session, vault: Vault, login: Login, now: datetime) -> Profile:
    """What is proven of a person today.

    :raises Fault: `linking.unproven`, also where every proof lapsed.
    """
    proofs = people.proofs_of(session, login.ward, login.person)
    profile = people.profile(session, vault, login.ward, login.person)
    if profile is None or not any(proof.proven_at <= now < proof.ends_at for proof in proofs):
        raise Fault("linking.unproven")
    return profile


def check_may_link(session: Session, vault: Vault, login: Login, now: datetime) -> Profile:
    """Whether a login may link a card at home at all.

    :returns: what is proven of its person.
    :raises Fault: `linking.too_weak`, `linking.unproven`.
    """
    _required(login, now)
    return _known(session, vault, login, now)


def put_in_place(
    unit: Unit,
    vault: Vault,
    person: PersonId,
    card: LinkedCard,
    now: datetime,
    *,
    counts_from: datetime | None = None,
) -> bool:
    """Let a card be the person's one: what is new of it is theirs, and what it takes the place of ends.

    :param counts_from: None at the counter, where all of it counts from now on, also what ended before.
    :returns: whether anything of it was new.
    :raises Fault: `counter.taken` for what is someone else's, or ever was; at home also for what ended.
    """
    kept, new = set[str](), False
    for kind, signed in zip(_KINDS, (card.authentication, card.signature), strict=True):
        certificate = signed.certificate
        row = identifiers.ever(unit.session, vault, unit.ward, kind, certificate.identity)
        if row is not None and row.person == person and counts_from is None:
            row.ended_at = None
            row.counts_from = now if _waits(row, now) else row.counts_from
        new = new or row is None
        identifiers.bind(
            unit,
            vault,
            person,
            kind,
            certificate.identity,
            now,
            counts_from=counts_from,
            certificate=certificate.der if kind is IdentifierKind.CARD_AUTHENTICATION else None,
        )
        kept.update(identifiers.macs_of(vault, unit.ward, kind, certificate.identity))
    replaced = [row for row in _rows(unit.session, unit.ward, person) if row.mac not in kept]
    for row in replaced:
        row.ended_at = now
    if replaced:
        unit.record(Event(EventName.CARD_REPLACED, unit.ward, now, {person: {}}))
    return new


def link_at_home(
    unit: Unit,
    vault: Vault,
    thresholds: Thresholds,
    login: Login,
    card: LinkedCard,
    gone: Collection[str],
    now: datetime,
) -> datetime:
    """Link a card that its holder used at home.

    :param gone: as `over` found, before this unit.
    :returns: from when it counts in full. The caller mails `notices.notices_of`.
    :raises Fault: `linking.too_weak`, `linking.unproven`, `linking.differs`, `linking.another`,
        `linking.already`; `linking.taken`, which does not tell whose it is, or was.
    """
    _one_at_a_time(unit, login.person)
    known, shown = check_may_link(unit.session, vault, login, now), card.profile
    names = [people.name_key(one.name, one.birth_date) for one in (known, shown) if one is not None]
    if len(names) != 2 or names[0] != names[1]:
        raise Fault("linking.differs")
    rows = _rows(unit.session, unit.ward, login.person)
    same = identifiers.macs_of(
        vault, unit.ward, IdentifierKind.CARD_AUTHENTICATION, card.authentication.certificate.identity
    )
    linked = {row.mac for row in rows if row.kind == IdentifierKind.CARD_AUTHENTICATION}
    if linked.isdisjoint(same) and not linked <= set(gone):
        raise Fault("linking.another")
    counts_from = now + thresholds.linked_at_home_waits
    try:
        new = put_in_place(unit, vault, login.person, card, now, counts_from=counts_from)
    except Fault as fault:
        raise Fault("linking.taken") from fault
    if not new:
        raise Fault("linking.already")
    told = {login.person: dict[str, str]()}
    unit.record(Event(EventName.CARD_LINKED, unit.ward, now, told, {"at": "home"}))
    return counts_from


def withdraw(unit: Unit, login: Login, now: datetime) -> None:
    """Undo the linking of a card that does not count in full yet: it was not the person, or no good idea.

    What it signed never counts (`delegation.usability`). The caller mails `notices.notices_of`.

    :raises Fault: `linking.too_weak`; `linking.not_waiting`; `passkey.last` where nothing else logs them in.
    """
    _one_at_a_time(unit, login.person)
    _required(login, now)
    waiting = [row for row in _rows(unit.session, unit.ward, login.person) if _waits(row, now)]
    if not waiting:
        raise Fault("linking.not_waiting")
    if set(credentials.live_of(unit.session, unit.ward, login.person)) <= {row.mac for row in waiting}:
        raise Fault("passkey.last")
    for row in waiting:
        row.ended_at = now
    unit.record(Event(EventName.CARD_WITHDRAWN, unit.ward, now, {login.person: {}}))


def _one_at_a_time(unit: Unit, person: PersonId) -> None:
    """Two cards linked side by side would each find none before it."""
    unit.session.get(Person, (unit.ward, person), with_for_update=True)
