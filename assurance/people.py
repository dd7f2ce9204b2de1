"""People: making them, proving them, and what is known of them."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import Session

from assurance.among import among
from assurance.database import Unit, connection_of, table_of
from assurance.events import Event, EventName
from assurance.evidence import Proof
from assurance.levels import IAL
from assurance.person import PersonId, Profile, new_id
from assurance.sealed import Unopenable, Vault
from assurance.tables import Person, ProofRow, ProtectionRow
from assurance.thresholds import Proofing, Thresholds
from assurance.wards import WardCode

_PROOFS: Final = table_of(ProofRow)
_SEALED: Final = ("name", "birth_date", "sex", "address")


@dataclass(frozen=True, slots=True)
class NewProof:
    """A proofing that happened: by which method of `policies/assurance.toml`, and what it proved."""

    method: Proofing
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


def named(session: Session, vault: Vault, ward: WardCode, name: str, birth_date: date) -> Sequence[PersonId]:
    """Everybody of whom a proof ever said this name and birth date."""
    macs = vault.macs(ward, "name", name_key(name, birth_date))
    mine = sa.select(_PROOFS.c.person).where(_PROOFS.c.ward == ward, _PROOFS.c.name_mac.in_(macs))
    found = connection_of(session).execute(mine.distinct().order_by(_PROOFS.c.person))
    return [PersonId(person) for person in found.scalars()]


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


_PROOFS_OF: Final = (
    sa.select(_PROOFS)
    .where(among(_PROOFS.c.person, "people"))
    .order_by(_PROOFS.c.ial.desc(), _PROOFS.c.proven_at.desc())
)


_UNSEALED_OF: Final = _PROOFS_OF.with_only_columns(
    _PROOFS.c.person, _PROOFS.c.method, _PROOFS.c.ial, _PROOFS.c.proven_at, _PROOFS.c.ends_at
)


def _proof_rows(
    connection: Connection,
    ward: WardCode,
    people: Collection[PersonId],
    query: sa.Select[Any] = _PROOFS_OF,
) -> Mapping[PersonId, list[Any]]:
    found: dict[PersonId, list[Any]] = {person: [] for person in people}
    for row in connection.execute(query, {"ward": ward, "people": list(people)}):
        found[PersonId(row.person)].append(row)
    return found


def proofs_of_all(
    connection: Connection, ward: WardCode, people: Collection[PersonId]
) -> Mapping[PersonId, Sequence[Proof]]:
    """Each person's proofs as evidence, the expired ones too."""
    return {
        person: [Proof(row.method, IAL(row.ial), row.proven_at, row.ends_at) for row in rows]
        for person, rows in _proof_rows(connection, ward, people, _UNSEALED_OF).items()
    }


def proofs_of(session: Session, ward: WardCode, person: PersonId) -> Sequence[Proof]:
    """A person's proofs as evidence, the expired ones too."""
    return proofs_of_all(connection_of(session), ward, [person])[person]


def profiles(
    connection: Connection, vault: Vault, ward: WardCode, people: Collection[PersonId]
) -> Mapping[PersonId, Profile]:
    """What the best and newest proof says of each person; nobody without one is in it."""
    best = {person: rows[0] for person, rows in _proof_rows(connection, ward, people).items() if rows}
    ciphers, found = vault.ciphers(connection, ward, best), dict[PersonId, Profile]()
    for person, row in best.items():
        if person not in ciphers:
            raise Unopenable
        name, birth_date, sex, address = (
            ciphers[person].open(getattr(row, column), table="proof", column=column, row=row.id)
            for column in _SEALED
        )
        found[person] = Profile(name, date.fromisoformat(birth_date), sex, address)
    return found


def profile(session: Session, vault: Vault, ward: WardCode, person: PersonId) -> Profile | None:
    """What the best and newest proof says of a person; None for a person without one."""
    return profiles(connection_of(session), vault, ward, [person]).get(person)


def is_protected(session: Session, ward: WardCode, person: PersonId, now: datetime) -> bool:
    """Whether a person is protected now."""
    row = session.get(ProtectionRow, (ward, person))
    return row is not None and row.since <= now and (row.until is None or now < row.until)
