"""A card that was read to register its holder: what it says, who is known by that, and where it waits.

It waits sealed, for the rest of the ward day at most, and is deleted with the step that ends it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, delete, select

from assurance import identifiers, kept_card, people
from assurance.database import Unit, connection_of
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.person import PersonId, Profile
from card.certificates import SignedAttributes
from card.faults import Fault
from delegation.counter.tables import CounterCardRow
from delegation.parts import Parts

_BOX: Final = "counter-card"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom the first staff member says the holder of a card is.

    :param person: who is known; None for someone new.
    :param not_these: her namesakes, where she is new.
    :param by_eye: her papers say that she is that person, though the card says another name than is proven.
    """

    person: PersonId | None
    not_these: tuple[PersonId, ...] = ()
    by_eye: bool = False


@dataclass(frozen=True, slots=True)
class ReadCard:
    """A card that was read.

    :param staff: who had it read.
    :param says: of the signature certificate.
    :param known: everybody of the same name and birth date, and whoever has this card, had it, or was chosen.
    :param holders: whose it is, or was.
    :param choice: None until the first staff member made it.
    """

    id: str
    staff: PersonId
    card: LinkedCard
    says: SignedAttributes
    known: Mapping[PersonId, Profile]
    holders: frozenset[PersonId]
    choice: Choice | None


def _place(parts: Parts, column: str, id_: str, staff: str) -> str:
    return f"{parts.ward.code}/{column}/{id_}/{staff}"


def seal_card(parts: Parts, id_: str, staff: PersonId, card: LinkedCard) -> bytes:
    """Seal what the card signed."""
    return parts.vault.seal_for(_BOX, kept_card.to_text(card), _place(parts, "card", id_, staff))


def seal_choice(parts: Parts, read: ReadCard, choice: Choice) -> bytes:
    """Seal whom a staff member says its holder is."""
    place = _place(parts, "choice", read.id, read.staff)
    return parts.vault.seal_for(_BOX, json.dumps(asdict(choice)), place)


def _choice(parts: Parts, row: CounterCardRow) -> Choice | None:
    if row.choice is None:
        return None
    opened = parts.vault.open_for(_BOX, row.choice, _place(parts, "choice", row.id, row.staff))
    kept = json.loads(opened)
    return Choice(kept["person"], tuple(kept["not_these"]), kept["by_eye"])


def holders_of(session: Session, parts: Parts, card: LinkedCard) -> frozenset[PersonId]:
    """Whose card it is, or ever was."""
    rows = (
        identifiers.ever(session, parts.vault, parts.ward.code, kind, signed.certificate.identity)
        for kind, signed in (
            (IdentifierKind.CARD_AUTHENTICATION, card.authentication),
            (IdentifierKind.CARD_SIGNATURE, card.signature),
        )
    )
    return frozenset(PersonId(row.person) for row in rows if row is not None)


def says(card: LinkedCard) -> SignedAttributes:
    """What the signature certificate says.

    :raises Fault: `counter.cards_differ` where it says nothing.
    """
    attributes = card.signature.certificate.attributes
    if attributes is None:
        raise Fault("counter.cards_differ")
    return attributes


def known_by(session: Session, parts: Parts, card: LinkedCard) -> frozenset[PersonId]:
    """Who may be its holder: everybody of the same name and birth date, and whose card it is, or was."""
    said, ward = says(card), parts.ward.code
    born = said.birth_date
    named = [] if born is None else people.named(session, parts.vault, ward, said.name, born)
    return frozenset(named) | holders_of(session, parts, card)


def find(session: Session, parts: Parts, id_: str) -> ReadCard:
    """A card that was read, and waits.

    :raises Fault: `counter.card_over`.
    """
    row = session.get(CounterCardRow, (parts.ward.code, id_)) if "\x00" not in id_ else None
    if row is None or row.card is None or row.expires_at <= parts.clock.now():
        raise Fault("counter.card_over")
    opened = parts.vault.open_for(_BOX, row.card, _place(parts, "card", row.id, row.staff))
    card, choice = kept_card.from_text(opened), _choice(parts, row)
    known = known_by(session, parts, card)
    if choice is not None and choice.person is not None:
        known |= {choice.person}
    profiles = people.profiles(connection_of(session), parts.vault, parts.ward.code, known)
    holders = holders_of(session, parts, card)
    return ReadCard(row.id, PersonId(row.staff), card, says(card), profiles, holders, choice)


def waiting(session: Session, parts: Parts) -> list[tuple[str, PersonId, datetime]]:
    """Cards that wait for their second staff member, the oldest first: id, the first one, and since when."""
    rows = session.exec(
        select(CounterCardRow)
        .where(
            CounterCardRow.ward == parts.ward.code,
            col(CounterCardRow.choice).is_not(None),
            CounterCardRow.expires_at > parts.clock.now(),
        )
        .order_by(col(CounterCardRow.began_at), col(CounterCardRow.id))
    ).all()
    return [(row.id, PersonId(row.staff), row.began_at) for row in rows]


def remove(unit: Unit, read: ReadCard) -> None:
    """Delete it; of two who end it at once one does.

    :raises Fault: `counter.card_over` for the other.
    """
    gone = unit.session.exec(
        delete(CounterCardRow).where(col(CounterCardRow.ward) == unit.ward, col(CounterCardRow.id) == read.id)
    )
    if gone.rowcount != 1:
        raise Fault("counter.card_over")
