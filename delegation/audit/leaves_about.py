"""What the log tells a person about themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from assurance.person import PersonId
from assurance.sealed import Cipher, Unopenable, Vault
from assurance.wards import WardCode
from delegation.audit.leaf import Leaf, Malformed, place_of
from delegation.audit.recorder import PERSON
from delegation.audit.tables import LeafRow, PartRow


@dataclass(frozen=True, slots=True)
class LeafAbout:
    """One thing that happened to a person.

    :param number: its place in the log; none in its first second.
    :param event: an `EventName` of the version that wrote it.
    :param told: what the event says to this person.
    :param clear: what it says to everyone.
    """

    number: int | None
    event: str
    at: datetime
    told: Mapping[str, str]
    clear: Mapping[str, str | int | bool]


def leaves_about(
    session: Session,
    vault: Vault,
    ward: WardCode,
    person: PersonId,
    *,
    before: int | None = None,
    at_most: int = 50,
) -> list[LeafAbout]:
    """A person's own leaves, the newest first.

    :param before: number of the last leaf of the page before; none for the newest, whether numbered or not.
    :param at_most: how many leaves are read; a part that does not open is skipped, so that one damaged leaf
        does not hide the others.
    :returns: nothing for a person who was erased: the log stands, and nobody reads it any more.
    """
    try:
        cipher = vault.cipher_for(session, ward, person)
    except Unopenable:
        return []
    mine = select(LeafRow, PartRow.position).where(
        LeafRow.ward == ward,
        LeafRow.ward == PartRow.ward,
        LeafRow.writer == PartRow.writer,
        LeafRow.counter == PartRow.counter,
        col(PartRow.person).in_(vault.macs(ward, PERSON, person)),
    )
    if before is not None:
        mine = mine.where(col(LeafRow.number) < before)
    newest = mine.order_by(
        col(LeafRow.number).is_not(None),
        col(LeafRow.number).desc(),
        col(LeafRow.writer),
        col(LeafRow.counter).desc(),
    )
    opened = (_opened(leaf, position, cipher) for leaf, position in session.exec(newest.limit(at_most)))
    return [leaf for leaf in opened if leaf is not None]


def _opened(row: LeafRow, position: int, cipher: Cipher) -> LeafAbout | None:
    try:
        leaf = Leaf.parse(row.content)
        place = place_of(row.writer, row.counter, position)
        told = json.loads(cipher.open(leaf.parts[position], table="audit_leaf", column="part", row=place))
    except (Malformed, Unopenable, IndexError):
        return None
    return LeafAbout(row.number, leaf.event, leaf.at, told, leaf.clear)
