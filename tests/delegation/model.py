"""A town over a real database, and what a small model knows of its people and grants."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from sqlmodel import col, update

from assurance import identifiers, people
from assurance.counter import LinkedCard
from assurance.database import Database, Unit
from assurance.engine import assess
from assurance.evidence import Authentication, EmailCode, Passkey, Proof
from assurance.identifiers import IdentifierKind
from assurance.levels import IAL
from assurance.login import Login, LoginId
from assurance.people import NewProof
from assurance.person import PersonId, new_id
from assurance.sealed import Vault
from assurance.tables import ProofRow, ProtectionRow
from assurance.wards import Ward
from card.container import CardEvidence, SigningPurpose, prepare
from card.dates import ward_day
from card.faults import Fault
from card.jose import Flattened, SoftwareSigner
from card.revocation import RevocationState, RevocationStatus
from delegation.audit.recorder import AuditRecorder
from delegation.grant import GrantId, HoldCause, HoldKind
from delegation.parts import Errand, Parts
from delegation.tables import HoldRow
from tests.conftest import NOW, FixedClock
from tests.shipped import PAGES, PROCEDURES, RULES, THRESHOLDS

T = TypeVar("T")
ARCHIVE = SoftwareSigner.generate()
GOOD = RevocationStatus(RevocationState.GOOD, "crl")


class KeptRequest:
    """Asks no card; what would be signed is kept."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def ask(self, unit: Unit, purpose: SigningPurpose, about: str, **asked: Any) -> Errand:
        del unit, purpose, about
        self.asked = {name: asked[name] for name in ("text", "template", "content")}
        return Errand("", "", lambda _response: None)


@dataclass
class Someone:
    """A person as the model knows them."""

    id: PersonId
    address: str
    card: LinkedCard
    proven_until: datetime
    held: bool = False
    protected: bool = False

    def is_free(self, now: datetime) -> bool:
        return self.proven_until > now and not self.held and not self.protected


@dataclass
class Given:
    """A grant as the model knows it.

    :param handle: of its invitation; None where the address had got too many.
    :param path: the states that it went through.
    :param paused: the people who did.
    :param accepted: the last day that the acceptance was of.
    :param signed: by signer's role, what a card signed when it was asked, and the last day in it.
    """

    id: GrantId
    handle: str | None
    principal: str
    invited: str
    procedures: tuple[str, ...]
    last: date
    until: datetime
    path: list[str] = field(default_factory=list)
    compared: bool = False
    tries: int = 3
    paused: set[str] = field(default_factory=set)
    accepted: date | None = None
    signed: dict[str, tuple[CardEvidence, date]] = field(default_factory=dict)

    def copied(self) -> Self:
        return replace(self, path=list(self.path), paused=set(self.paused), signed=dict(self.signed))

    @property
    def state(self) -> str:
        return self.path[-1] if self.path else "proposed"

    @property
    def parties(self) -> tuple[str, ...]:
        return (self.principal, self.invited) if "accepted" in self.path else (self.principal,)


class ModelledTown:
    """Three people, their registry, and the model of it."""

    def __init__(self, folder: Path, vault: Vault, ward: Ward, cards: Mapping[str, LinkedCard]) -> None:
        self.ward, self.vault, self.folder, self.clock = ward, vault, folder, FixedClock()
        self._open()
        self.database.create_tables()
        self.people = {
            name: self._register(f"{number}@example.jp", card)
            for number, (name, card) in enumerate(cards.items())
        }
        self.grants: dict[GrantId, Given] = {}
        self.made: list[tuple[str, str | None, datetime]] = []
        self.happened: Counter[str] = Counter()

    def _open(self) -> None:
        self.database = Database(f"sqlite:///{self.folder / 'dairi.db'}", AuditRecorder(self.vault))
        self.signing, unused = KeptRequest(), cast(Any, None)
        self.parts = Parts(
            ward=self.ward, database=self.database, vault=self.vault, clock=self.clock, pages=PAGES,
            procedures=PROCEDURES, rules=RULES, mailer=unused, batch=unused, archive=ARCHIVE, logins=unused,
            step_up=unused, signing=self.signing, callers=unused, presented=unused,
            grant_ended=lambda _unit, _grant: None,
        )  # fmt: skip

    def copied(self, folder: Path) -> Self:
        """The same town in another folder; this one's database is closed."""
        shutil.copy(self.folder / "dairi.db", folder)
        town = copy(self)
        town.folder, town.clock = folder, FixedClock(self.now)
        town._open()
        town.people = {name: replace(someone) for name, someone in self.people.items()}
        town.grants = {id_: given.copied() for id_, given in self.grants.items()}
        town.made, town.happened = list(self.made), Counter(self.happened)
        return town

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return ward_day(self.now)

    def _register(self, address: str, card: LinkedCard) -> Someone:
        with self.database.writing(self.ward.code) as unit:
            person = people.create_person(unit, self.vault, NOW)
            signature = card.signature.certificate.identity
            identifiers.bind(unit, self.vault, person, IdentifierKind.CARD_SIGNATURE, signature, NOW)
            identifiers.bind(unit, self.vault, person, IdentifierKind.EMAIL, address, NOW)
        made = Someone(person, address, card, NOW)
        self.prove(made)
        return made

    def prove(self, someone: Someone) -> None:
        with self.database.writing(self.ward.code) as unit:
            proof = NewProof("counter_card", someone.card.profile)
            people.record_proof(unit, self.vault, THRESHOLDS, someone.id, proof, self.now)
        someone.proven_until = self.now + timedelta(days=365 * 5)

    def limit_proof(self, someone: Someone, ends_at: datetime) -> None:
        with self.database.writing(self.ward.code) as unit:
            mine = update(ProofRow).where(col(ProofRow.person) == someone.id)
            unit.session.exec(mine.values(ends_at=ends_at))
        someone.proven_until = ends_at

    def hold(self, someone: Someone, *, held: bool) -> None:
        with self.database.writing(self.ward.code) as unit:
            if held and not someone.held:
                unit.session.add(
                    HoldRow(
                        ward=unit.ward, id=new_id(), kind=HoldKind.PERSON, target=someone.id,
                        cause=HoldCause.ADMIN, placed_by="staff", placed_at=self.now,
                    )
                )  # fmt: skip
            if not held:
                theirs = update(HoldRow).where(col(HoldRow.target) == someone.id)
                unit.session.exec(theirs.values(lifted_at=self.now))
        someone.held = held

    def protect(self, someone: Someone, *, protected: bool) -> None:
        until = None if protected else self.now
        with self.database.writing(self.ward.code) as unit:
            unit.session.merge(ProtectionRow(ward=unit.ward, person=someone.id, since=self.now, until=until))
        someone.protected = protected

    def login(self, name: str, *, strong: bool) -> Login:
        """By passkey or by mail alone; the invited address was read back either way."""
        someone, now = self.people[name], self.now
        mac = self.vault.mac(self.ward.code, IdentifierKind.EMAIL, someone.address)
        evidence: list[Authentication] = [EmailCode(now, mac)]
        if strong:
            evidence.append(Passkey(now, user_verified=True, synced=True))
        proof = Proof("counter_card", IAL.HIGH, NOW, someone.proven_until)
        assurance = assess([*evidence, proof], now, THRESHOLDS)
        return Login(LoginId(new_id()), self.ward.code, someone.id, assurance, now, tuple(evidence))

    def is_proven(self, name: str, *, strong: bool) -> bool:
        return strong and self.people[name].proven_until > self.now

    def is_usable(self, given: Given) -> bool:
        """The model's word on use: nothing but the active, in its days, of people whom nothing stops."""
        principal, delegate = self.people[given.principal], self.people[given.invited]
        stopped = given.paused or any(one.held or one.protected for one in (principal, delegate))
        return (
            given.state == "active"
            and self.today <= given.last
            and principal.proven_until > self.now
            and not stopped
        )

    def signature(self, signer: str) -> CardEvidence:
        """What the asked card would bring back."""
        card = self.people[signer].card.signature
        made = prepare(
            SigningPurpose.MANDATE,
            issuer="https://op.example",
            audience="https://op.example/a",
            nonce=b"n" * 16,
            issued_at=self.now,
            **self.signing.asked,
        )
        container = Flattened(made.protected, made.payload, b"", card.container.leaf_der)
        return CardEvidence(card.certificate, SigningPurpose.MANDATE, GOOD, self.now, container)

    def attempt(self, act: Callable[[Unit], T], *, allowed: bool) -> T | None:
        """Do it in a unit of its own; it must be refused exactly if the model says so."""
        done: T | None = None
        refused: str | None = None
        try:
            with self.database.writing(self.ward.code) as unit:
                done = act(unit)
        except Fault as fault:
            refused = fault.code
        assert (refused is None) == allowed, refused
        return done
