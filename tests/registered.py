"""Credentials for evidence that a test makes up: what names none proves nothing (`assurance.evidence`)."""

from dataclasses import replace

from sqlmodel import select

from assurance import identifiers
from assurance.database import Unit
from assurance.evidence import AppAuthentication, Authentication, CardAuthentication, EmailCode, Passkey
from assurance.identifiers import IdentifierKind
from assurance.person import PersonId, new_id
from assurance.sealed import Vault
from assurance.tables import IdentifierRow, PasskeyRow

_KINDS = {
    CardAuthentication: IdentifierKind.CARD_AUTHENTICATION,
    AppAuthentication: IdentifierKind.APP,
}


def _identifier(
    unit: Unit, vault: Vault, person: PersonId, piece: CardAuthentication | AppAuthentication
) -> str:
    kind = _KINDS[type(piece)]
    held = select(IdentifierRow.mac).where(
        IdentifierRow.ward == unit.ward, IdentifierRow.person == person, IdentifierRow.kind == kind
    )
    if unit.session.exec(held).first() is None:
        identifiers.bind(unit, vault, person, kind, new_id().encode(), piece.at)
    return unit.session.exec(held).one()


def _passkey(unit: Unit, vault: Vault, person: PersonId, piece: Passkey) -> str:
    id_ = new_id()
    cipher = vault.cipher_for(unit.session, unit.ward, person)
    unit.session.add(
        PasskeyRow(
            ward=unit.ward,
            credential_id=new_id(),
            id=id_,
            person=person,
            public_key=b"",
            sign_count=0,
            synced=piece.synced,
            label=cipher.seal("", table="credential", column="label", row=id_),
            added_at=piece.at,
        )
    )
    return id_


def registered(unit: Unit, vault: Vault, person: PersonId, piece: Authentication) -> Authentication:
    """The same evidence, resting on a card, app or passkey of the person that is registered."""
    if isinstance(piece, EmailCode) or piece.credential is not None:
        return piece
    if isinstance(piece, CardAuthentication | AppAuthentication):
        return replace(piece, credential=_identifier(unit, vault, person, piece))
    return replace(piece, credential=_passkey(unit, vault, person, piece))
