"""Pick a person: logging in without a card reader or a mailbox, for whoever tries their own system here.

The login is the one that the real method makes, of evidence that rests on the person's registered card,
passkey or address. The audit log says that it was picked.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from webauthn.helpers import encode_cbor

from assurance import identifiers, people
from assurance.database import Unit, connection_of
from assurance.events import Event, EventName
from assurance.evidence import Authentication, CardAuthentication, EmailCode, Passkey
from assurance.identifiers import IdentifierKind
from assurance.levels import AAL, Level
from assurance.person import PersonId, new_id
from assurance.tables import IdentifierRow, PasskeyRow, RoleRow
from card.jose import b64url_encode
from card.pages import Source
from card.pages.forms import see_other
from idp import interactions
from idp.interactions import LOGINS
from idp.login.flow import Form, complete
from idp.services import Services

_AT_MOST: Final = 50


class Strength(StrEnum):
    """What the login is to look like, the strongest first."""

    CARD = "card"
    PASSKEY = "passkey"
    EMAIL = "email"


_STRONGEST: Final = {Strength.CARD: AAL.HARDWARE, Strength.PASSKEY: AAL.MULTI, Strength.EMAIL: AAL.CONTACT}
_BY_IDENTIFIER: Final = {
    IdentifierKind.CARD_AUTHENTICATION: (Strength.CARD, Strength.PASSKEY),
    IdentifierKind.EMAIL: (Strength.EMAIL,),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Someone who can be picked.

    :param staff: has a role in the ward.
    """

    person: PersonId
    name: str
    strengths: Sequence[Strength]
    staff: bool


def _identifiers(session: Session, services: Services, person: PersonId | None) -> Sequence[IdentifierRow]:
    chosen = select(IdentifierRow).where(
        IdentifierRow.ward == services.ward.code,
        col(IdentifierRow.kind).in_(_BY_IDENTIFIER),
        col(IdentifierRow.ended_at).is_(None),
    )
    if person is not None:
        chosen = chosen.where(IdentifierRow.person == person)
    return session.exec(chosen.order_by(col(IdentifierRow.bound_at), IdentifierRow.person)).all()


def choices(session: Session, services: Services, level: Level) -> list[Choice]:
    """The people of this ward whom a login could be of that may reach a level: residents, then staff."""
    offered: dict[PersonId, set[Strength]] = {}
    for row in _identifiers(session, services, None):
        able = {one for one in _BY_IDENTIFIER[IdentifierKind(row.kind)] if _STRONGEST[one] >= level.aal}
        offered.setdefault(PersonId(row.person), set()).update(able)
    shown = [person for person, strengths in offered.items() if strengths][:_AT_MOST]
    connection, ward = connection_of(session), services.ward.code
    profiles = people.profiles(connection, services.vault, ward, shown)
    addresses = identifiers.addresses(connection, services.vault, ward, shown)
    staff = set(session.exec(select(RoleRow.person).where(RoleRow.ward == ward)).all())
    found = [
        Choice(
            person,
            profiles[person].name if person in profiles else addresses[person][0],
            [one for one in Strength if one in offered[person]],
            person in staff,
        )
        for person in shown
    ]
    return sorted(found, key=lambda choice: (choice.staff, choice.name))


def _passkey_of(unit: Unit, services: Services, person: PersonId, now: datetime) -> PasskeyRow:
    """A person's newest passkey; else one is registered whose private key nobody has."""
    mine = select(PasskeyRow).where(PasskeyRow.ward == unit.ward, PasskeyRow.person == person)
    found = unit.session.exec(mine.order_by(col(PasskeyRow.added_at).desc())).first()
    if found is not None:
        return found
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (value.to_bytes(32, "big") for value in (point.x, point.y))
    id_, cipher = new_id(), services.vault.cipher_for(unit.session, unit.ward, person)
    made = PasskeyRow(
        ward=unit.ward,
        credential_id=b64url_encode(secrets.token_bytes(32)),
        id=id_,
        person=person,
        public_key=encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y}),  # COSE_Key, ES256 (RFC 9053 §7.1.1)
        sign_count=0,
        synced=True,
        label=cipher.seal("Sandbox", table="credential", column="label", row=id_),
        added_at=now,
    )
    unit.session.add(made)
    unit.session.flush()
    unit.record(Event(EventName.PASSKEY_ADDED, unit.ward, now, {person: {}}))
    return made


def _evidence(
    unit: Unit, services: Services, person: PersonId, strength: Strength, now: datetime
) -> Authentication:
    """What the real method would have proven now.

    :raises HTTPException: for someone who has not what it rests on.
    """
    rows = {row.kind: row for row in _identifiers(unit.session, services, person)}
    able = {one for kind in rows for one in _BY_IDENTIFIER[IdentifierKind(kind)]}
    if strength not in able:
        raise HTTPException(400)
    if strength is Strength.EMAIL:
        return EmailCode(now, rows[IdentifierKind.EMAIL].mac)
    if strength is Strength.CARD:
        card = rows[IdentifierKind.CARD_AUTHENTICATION]
        return CardAuthentication(
            now, revocation_checked=True, counts_from=card.counts_from, credential=card.mac
        )
    passkey = _passkey_of(unit, services, person, now)
    return Passkey(
        now,
        user_verified=True,
        synced=passkey.synced,
        counts_from=passkey.counts_from,
        credential=passkey.id,
    )


class PickAPerson:
    """The way in, as the sandbox's provider is composed with it.

    :param code: who does not know it picks nobody; None where only this machine reaches the provider.
    """

    source: Final = Source("sandbox", "deploy.sandbox")
    template: Final = "sandbox/pick.html"

    def __init__(self, code: str | None = None) -> None:
        self._code = code

    def offered(
        self, request: Request, session: Session, services: Services, level: Level
    ) -> Mapping[str, object]:
        """Whom there is to pick, and how."""
        return {
            "people": choices(session, services, level),
            "asks_code": self._code is not None,
            "wrong_code": "wrong_code" in request.query_params,
        }

    def _knows(self, code: str) -> bool:
        return self._code is None or secrets.compare_digest(
            self._code.encode("utf-8"), code.strip().encode("utf-8", "replace")
        )

    def routes(self, services: Services) -> APIRouter:
        """Its page in one ward."""
        router = APIRouter()

        @router.post("/login/pick")
        def pick(request: Request, form: Form) -> Response:
            now = services.clock.now()
            with services.database.writing(services.ward.code) as unit:
                interaction = interactions.load(unit.session, services, request, form.one("i"), kinds=LOGINS)
                if not self._knows(form.one("code")):
                    return see_other(services.address(f"/login?i={interaction.id}&wrong_code"))
                person, strength = _read(form.one("as"))
                evidence = _evidence(unit, services, person, strength, now)
                said = {"by": str(strength)}
                unit.record(Event(EventName.LOGIN_PICKED, unit.ward, now, {person: said}, {**said}))
                return complete(unit, services, request, interaction, person, evidence)

        return router


def _read(chosen: str) -> tuple[PersonId, Strength]:
    person, _, strength = chosen.partition(".")
    if strength not in list(Strength) or not (len(person) == 32 and person.isascii() and person.isalnum()):
        raise HTTPException(400)
    return PersonId(person), Strength(strength)
