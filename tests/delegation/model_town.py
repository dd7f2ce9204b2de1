"""A town over a real database, and its model: what both need to be asked the same."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import col, update

from assurance import identifiers, people
from assurance.database import Database, Unit
from assurance.engine import assess
from assurance.evidence import Authentication, EmailCode, Passkey, Proof
from assurance.identifiers import IdentifierKind
from assurance.levels import IAL
from assurance.linking import LinkedCard
from assurance.login import Login, LoginId
from assurance.people import NewProof
from assurance.person import PersonId, new_id
from assurance.roles import Role
from assurance.sealed import Vault
from assurance.tables import ProofRow, ProtectionRow, RoleRow
from assurance.wards import Ward
from card.container import CardEvidence, SigningPurpose, prepare
from card.faults import Fault
from card.jose import Flattened, SoftwareSigner
from card.revocation import RevocationState, RevocationStatus
from delegation.audit.recorder import AuditRecorder
from delegation.grant import HoldCause, HoldKind
from delegation.offices import members
from delegation.offices.members import Invited
from delegation.offices.tables import MembershipRow, OfficeRow
from delegation.parts import Errand, Parts
from delegation.tables import HoldRow
from tests.conftest import NOW, FixedClock
from tests.delegation.model import ATTESTED_FOR, OPEN_FOR, Membership, Model, Office, Someone
from tests.shipped import PAGES, PROCEDURES, RULES, THRESHOLDS

T = TypeVar("T")
ARCHIVE = SoftwareSigner.generate()
GOOD = RevocationStatus(RevocationState.GOOD, "crl")
HANAKO, YUKI, WARD, SAKURA, KEN, MIDORI = PEOPLE = (
    "田中花子", "田中由紀", "職員一郎", "佐藤桜", "佐藤健", "森緑"
)  # fmt: skip
"""A resident, her daughter, staff of the ward, the office's administrator and its two care managers."""
NUMBER_OF_OFFICE = "1370100016"


class KeptRequest:
    """Asks no card; what would be signed is kept."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def ask(self, unit: Unit, purpose: SigningPurpose, about: str, **asked: Any) -> Errand:
        del unit, purpose, about
        self.asked = {name: asked[name] for name in ("text", "template", "content")}
        return Errand("", "", lambda _response: None)


class Town:
    """Six people, an office, their registry, and the model of all of it."""

    def __init__(self, folder: Path, vault: Vault, ward: Ward, cards: Mapping[str, LinkedCard]) -> None:
        self.ward, self.vault, self.folder, self.cards = ward, vault, folder, cards
        self.database = Database(f"sqlite:///{folder / 'dairi.db'}", AuditRecorder(vault))
        self.addresses = {name: f"{number}@example.jp" for number, name in enumerate(cards)}
        self.ids: dict[str, PersonId] = {}
        self._logins: dict[tuple[object, ...], Login] = {}

        @sa.event.listens_for(self.database.engine, "connect")
        def _connect(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # no power is cut here, and a step takes less

        self.database.create_tables()
        self._begin(FixedClock())
        self.model = Model(self.clock, {name: Someone(name, NOW) for name in cards}, Office(""))
        for name in cards:
            self._register(name)
        self._found_an_office()

    def _begin(self, clock: FixedClock) -> None:
        self.clock, self.signing, unused = clock, KeptRequest(), cast(Any, None)
        self.parts = Parts(
            ward=self.ward, database=self.database, vault=self.vault, clock=clock, pages=PAGES,
            procedures=PROCEDURES, thresholds=THRESHOLDS, rules=RULES, mailer=unused, batch=unused,
            archive=ARCHIVE, logins=unused, step_up=unused, signing=self.signing, callers=unused,
            presented=unused, grant_ended=lambda _unit, _grant: None,
        )  # fmt: skip

    def keep(self) -> Callable[[], None]:
        """Keep everything as it is now.

        :returns: brings it back, in the same database: the statements of another would be compiled anew.
        """
        path, kept, model = self.folder / "dairi.db", self.folder / "kept.db", deepcopy(self.model)
        self.database.engine.dispose()
        shutil.copy(path, kept)

        def again() -> None:
            self.database.engine.dispose()
            self.watch.close()
            shutil.copy(kept, path)
            self.model = deepcopy(model)
            self._begin(self.model.clock)
            self._watch()

        self._watch()
        return again

    def _watch(self) -> None:
        """A connection of our own, which sees what was committed and nothing else."""
        self.watch = sqlite3.connect(self.folder / "dairi.db", isolation_level=None)

    def close(self) -> None:
        self.watch.close()
        self.database.close()

    def version(self) -> int:
        """Another number after each commit."""
        (found,) = self.watch.execute("PRAGMA data_version").fetchone()
        return int(found)

    def stored(self, columns: str, table: str) -> list[Any]:
        """Rows as they lie there, whatever the registry makes of them."""
        return self.watch.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608 # ours

    # People.

    def _register(self, name: str) -> None:
        with self.writing() as unit:
            person = people.create_person(unit, self.vault, NOW)
            signature = self.cards[name].signature.certificate.identity
            identifiers.bind(unit, self.vault, person, IdentifierKind.CARD_SIGNATURE, signature, NOW)
            identifiers.bind(unit, self.vault, person, IdentifierKind.EMAIL, self.addresses[name], NOW)
            if name == WARD:
                for role in (Role.ADMIN, Role.STAFF):
                    unit.session.add(RoleRow(ward=unit.ward, person=person, role=role, since=NOW))
        self.ids[name] = person
        self.prove(name)

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        with self.database.writing(self.ward.code) as unit:
            yield unit

    def prove(self, name: str) -> None:
        with self.writing() as unit:
            proof = NewProof("counter_card", self.cards[name].profile)
            people.record_proof(unit, self.vault, THRESHOLDS, self.ids[name], proof, self.clock.now())
        self.model.people[name].proven_until = self.clock.now() + timedelta(days=365 * 5)

    def let_proof_end(self, name: str, days: int) -> None:
        ends_at = self.clock.now() + timedelta(days=days)
        with self.writing() as unit:
            mine = update(ProofRow).where(col(ProofRow.person) == self.ids[name])
            unit.session.exec(mine.values(ends_at=ends_at))
        self.model.people[name].proven_until = ends_at

    def login(self, name: str, *, strong: bool) -> Login:
        """By passkey or by mail alone; the invited address was read back either way."""
        until, now = self.model.people[name].proven_until, self.clock.now()
        found = self._logins.get((name, strong, until, now))
        if found is None:
            mac = self.vault.mac(self.ward.code, IdentifierKind.EMAIL, self.addresses[name])
            evidence: list[Authentication] = [EmailCode(now, mac)]
            if strong:
                evidence.append(Passkey(now, user_verified=True, synced=True))
            assurance = assess([*evidence, Proof("counter_card", IAL.HIGH, NOW, until)], now, THRESHOLDS)
            found = Login(LoginId(new_id()), self.ward.code, self.ids[name], assurance, now, tuple(evidence))
            self._logins = {key: one for key, one in self._logins.items() if key[3] == now}
            self._logins[name, strong, until, now] = found
        return found

    # What staff does; there are no functions for it yet, but for offices and members.

    def hold(self, kind: HoldKind, target: str, cause: HoldCause, *, held: bool) -> None:
        """Place or lift one hold; a person's target is their name in the model."""
        id_ = self.ids[target] if kind is HoldKind.PERSON else target
        one, now = (kind, target, cause), self.clock.now()
        with self.writing() as unit:
            if not held:
                theirs = update(HoldRow).where(
                    col(HoldRow.kind) == kind, col(HoldRow.target) == id_, col(HoldRow.cause) == cause
                )
                unit.session.exec(theirs.values(lifted_at=now))
            elif one not in self.model.holds:
                unit.session.add(
                    HoldRow(
                        ward=unit.ward, id=new_id(), kind=kind, target=id_, cause=cause, placed_by="staff",
                        placed_at=now,
                    )
                )  # fmt: skip
        (self.model.holds.add if held else self.model.holds.discard)(one)

    def protect(self, name: str, *, protected: bool) -> None:
        now = self.clock.now()
        with self.writing() as unit:
            row = ProtectionRow(
                ward=unit.ward, person=self.ids[name], since=now, until=None if protected else now
            )
            unit.session.merge(row)
        self.model.people[name].protected = protected

    def set_office(self, *, until: date | None, ended: bool) -> None:
        office, now = self.model.office, self.clock.now()
        with self.writing() as unit:
            mine = update(OfficeRow).where(col(OfficeRow.id) == office.id)
            unit.session.exec(mine.values(until=until and until.isoformat(), ended_at=now if ended else None))
        office.until, office.ended = until, ended

    def _found_an_office(self) -> None:
        login, administrator = self.login(WARD, strong=True), Invited(SAKURA, self.addresses[SAKURA])
        with self.writing() as unit:
            office, mails = members.register_office(
                unit, self.parts, login, number=NUMBER_OF_OFFICE, name="居宅介護支援事業所さくら",
                until=None, administrator=administrator,
            )  # fmt: skip
        self.model.office.id = office
        self.model.happened["office:office:registered"] += 1
        self.invited(SAKURA, mails[0].body, None)

    def invited(self, name: str, mail: str, number_until: date | None) -> Membership:
        """Note who was invited to the office."""
        with self.database.reading() as session:
            (id_,) = set(session.exec(sa.select(MembershipRow.id)).scalars()) - self.model.members.keys()
        handle = mail.partition("/memberships/")[2].split()[0]
        made = Membership(id_, handle, name, number_until is None, number_until, self.clock.now() + OPEN_FOR)
        self.model.members[id_] = made
        self.model.happened["office:member:invited"] += 1
        return made

    def joined(self, member: Membership, name: str) -> None:
        """Note who joined: an administrator counts at once."""
        member.person = name
        if member.administrator:
            member.checked, member.attested_until = True, self.clock.now() + ATTESTED_FOR
        self.model.happened["office:member:joined"] += 1

    # Acts.

    def signature(self, signer: str) -> CardEvidence:
        """What the asked card would bring back; what a card really signs is tested where it is verified."""
        card = self.cards[signer].signature
        made = prepare(
            SigningPurpose.MANDATE,
            issuer="https://op.example",
            audience="https://op.example/a",
            nonce=b"n" * 16,
            issued_at=self.clock.now(),
            **self.signing.asked,
        )
        container = Flattened(made.protected, made.payload, b"", card.container.leaf_der)
        return CardEvidence(card.certificate, SigningPurpose.MANDATE, GOOD, self.clock.now(), container)

    def attempt(self, act: Callable[[Unit], T], *, allowed: bool) -> tuple[bool, T | None]:
        """Do it in a unit of its own; it must be refused exactly if the model says so.

        :returns: whether it was done, and what it returned.
        """
        done: T | None = None
        refused: str | None = None
        try:
            with self.writing() as unit:
                done = act(unit)
        except Fault as fault:
            refused = fault.code
        assert (refused is None) == allowed, refused or "done"
        return refused is None, done
