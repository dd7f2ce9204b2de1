"""People: making them, proving them, and what is known of them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlmodel import Session, col, select

from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import Proof
from assurance.levels import IAL
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import Vault
from assurance.tables import Person, ProofRow, ProtectionRow
from assurance.thresholds import Thresholds
from assurance.wards import WardCode

_SEALED: Final = ("name", "birth_date", "sex", "address")


@dataclass(frozen=True, slots=True)
class NewProof:
    """A proofing that happened: by which method of `policies/assurance.toml`, and what it proved."""

    method: str
    profile: Profile


def create_person(unit: Unit, vault: Vault, now: datetime) -> PersonId:
    """Make a person of whom nothing is known yet."""
    person = PersonId(new_id())
    unit.session.add(Person(ward=unit.ward, id=person, user_handle=secrets.token_hex(32), created_at=now))
    vault.new_cipher(unit.session, unit.ward, person)
    unit.session.flush()
    unit.record(Event(EventName.PERSON_CREATED, unit.ward, now, {person: {}}))
    return person


def name_key(name: str, birth_date: date) -> str:
    """What two records of one person have in common: the name without spaces, with the birth date."""
    return "".join(name.split()) + birth_date.isoformat()


def record_proof(
    unit: Unit, vault: Vault, thresholds: Thresholds, person: PersonId, proof: NewProof, now: datetime
) -> None:
    """Keep what proved a person, sealed with their key."""
    threshold = thresholds.proofing[proof.method]
    profile, id_ = proof.profile, new_id()
    cipher = vault.cipher_for(unit.session, unit.ward, person)
    values = {
        "name": profile.name,
        "birth_date": profile.birth_date.isoformat(),
        "sex": profile.sex,
        "address": profile.address,
    }
    sealed = {
        column: cipher.seal(value, table="proof", column=column, row=id_) for column, value in values.items()
    }
    unit.session.add(
        ProofRow(
            ward=unit.ward,
            id=id_,
            person=person,
            method=proof.method,
            ial=threshold.ial,
            proven_at=now,
            ends_at=now + threshold.lasts,
            name_mac=vault.mac(unit.ward, "name", name_key(profile.name, profile.birth_date)),
            **sealed,
        )
    )
    clear: dict[str, str | int | bool] = {"method": proof.method}
    unit.record(Event(EventName.PERSON_PROVEN, unit.ward, now, {person: {"name": profile.name}}, clear))


def _proof_rows(session: Session, ward: WardCode, person: PersonId) -> Sequence[ProofRow]:
    return session.exec(
        select(ProofRow)
        .where(ProofRow.ward == ward, ProofRow.person == person)
        .order_by(col(ProofRow.ial).desc(), col(ProofRow.proven_at).desc())
    ).all()


def proofs_of(session: Session, ward: WardCode, person: PersonId) -> list[Proof]:
    """A person's proofs as evidence, the expired ones too."""
    rows = _proof_rows(session, ward, person)
    return [Proof(row.method, IAL(row.ial), row.proven_at, row.ends_at) for row in rows]


def profile(session: Session, vault: Vault, ward: WardCode, person: PersonId) -> Profile | None:
    """What the best and newest proof says of a person; None for a person without one."""
    rows = _proof_rows(session, ward, person)
    if not rows:
        return None
    row = rows[0]
    cipher = vault.cipher_for(session, ward, person)
    name, birth_date, sex, address = (
        cipher.open(getattr(row, column), table="proof", column=column, row=row.id) for column in _SEALED
    )
    return Profile(name, date.fromisoformat(birth_date), sex, address)


def is_protected(session: Session, ward: WardCode, person: PersonId, now: datetime) -> bool:
    """Whether a person is protected now."""
    row = session.get(ProtectionRow, (ward, person))
    return row is not None and row.since <= now and (row.until is None or now < row.until)
