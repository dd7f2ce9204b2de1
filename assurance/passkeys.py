"""Passkeys (WebAuthn L3), with what py_webauthn leaves to its caller.

One-time challenges, ownership, `crossOrigin`, backup eligibility that stays what it was. Its two calls read
what anyone may send, and raise more than the exceptions they name (`IndexError` for an array as COSE key), so
whatever they raise is a refusal.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlmodel import Session, col, delete, select
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_authentication_credential_json,
    parse_cbor,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import InvalidCBORData
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from assurance import challenges, credentials, people
from assurance.database import Unit
from assurance.events import Event, EventName
from assurance.evidence import Passkey
from assurance.levels import AAL, FRESH_TWO_FACTORS
from assurance.login import Login
from assurance.person import PersonId, new_id
from assurance.sealed import Vault, holds_my_number
from assurance.tables import PasskeyRow, Person
from assurance.wards import Ward, WardCode, ward_name
from card.faults import Fault
from card.jose import b64url_encode

_LIFETIME: Final = timedelta(minutes=5)
_LONGEST_ID: Final = 1023
"""Octets of a credential id (WebAuthn L3 §7.1); what is longer would not fit the table's index."""
_KEYS: Final[dict[int, type]] = {
    COSEAlgorithmIdentifier.EDDSA: Ed25519PublicKey,
    COSEAlgorithmIdentifier.ECDSA_SHA_256: EllipticCurvePublicKey,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256: RSAPublicKey,
}
"""The key of each algorithm that `registration_options` offers."""
_REGISTER: Final = "passkey-registration"
_AUTHENTICATE: Final = "passkey-authentication"


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its owner sees it."""

    id: str
    label: str
    added_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class PasskeyLogin:
    """Whose passkey it is, and the evidence of it."""

    person: PersonId
    evidence: Passkey


def _rows(session: Session, ward: WardCode, person: PersonId) -> list[PasskeyRow]:
    statement = select(PasskeyRow).where(PasskeyRow.ward == ward, PasskeyRow.person == person)
    return list(session.exec(statement.order_by(col(PasskeyRow.added_at))).all())


def passkeys_of(session: Session, vault: Vault, ward: WardCode, person: PersonId) -> list[PasskeyView]:
    """A person's passkeys, the oldest first."""
    rows = _rows(session, ward, person)
    cipher = vault.cipher_for(session, ward, person) if rows else None
    return [
        PasskeyView(
            row.id,
            cipher.open(row.label, table="credential", column="label", row=row.id),
            row.added_at,
            row.last_used_at,
        )
        for row in rows
        if cipher is not None
    ]


def may_add(session: Session, login: Login, now: datetime) -> bool:
    """Whether this login may add one: by two factors just now, or as the first of a person without proof."""
    if login.assurance.level.aal >= AAL.MULTI:
        return login.assurance.meets(FRESH_TWO_FACTORS, now)
    proven = people.proofs_of(session, login.ward, login.person)
    return not proven and not credentials.live_of(session, login.ward, login.person)


def registration_options(
    unit: Unit, vault: Vault, ward: Ward, login: Login, *, browser: str, now: datetime
) -> tuple[str, str]:
    """Begin to add a passkey (WebAuthn L3 §7.1 step 1).

    :returns: the challenge's id and the options as JSON.
    :raises Fault: `passkey.too_weak`.
    """
    if not may_add(unit.session, login, now):
        raise Fault("passkey.too_weak")
    person = unit.session.get(Person, (ward.code, login.person))
    if person is None:
        raise Fault("passkey.too_weak")
    challenge = challenges.issue(
        unit, vault, _REGISTER, browser=browser, now=now, expires_at=now + _LIFETIME, bound=login.person
    )
    options = generate_registration_options(
        rp_id=ward.rp_id,
        rp_name=ward_name(ward.code, "ja"),
        user_name=login.display_name or ward_name(ward.code, "ja"),
        user_id=bytes.fromhex(person.user_handle),
        challenge=challenge.nonce,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential_id))
            for row in _rows(unit.session, ward.code, login.person)
        ],
    )
    return challenge.id, options_to_json(options)


def _refuse_foreign_frames(client_data: bytes) -> None:
    """WebAuthn L3 §7.1 step 10, §7.2 step 13: no ceremony inside another site's frame."""
    document = json.loads(client_data)
    if not isinstance(document, dict):
        raise ValueError("client data is no object")
    if document.get("crossOrigin") or "topOrigin" in document:
        raise ValueError("inside a foreign frame")


def _refuse_other_eligibility(shown: CredentialDeviceType, row: PasskeyRow) -> None:
    """WebAuthn L3 §7.2, backup eligibility: what was bound to one device never turns into a synced one."""
    if (shown is CredentialDeviceType.MULTI_DEVICE) != row.synced:
        raise ValueError("backup eligibility differs from what was registered")


def register(
    unit: Unit,
    vault: Vault,
    ward: Ward,
    login: Login,
    challenge_id: str,
    response: str,
    *,
    label: str,
    browser: str,
    now: datetime,
) -> str:
    """Add a passkey (WebAuthn L3 §7.1).

    :param response: `PublicKeyCredential.toJSON()` of the browser.
    :returns: its id. The caller mails `notices.notices_of`.
    :raises Fault: `passkey.my_number`; `challenge.*`, `passkey.too_weak`, `passkey.registration_refused` or
        `passkey.taken`, which commit, for the challenge is spent.
    """
    if holds_my_number(label):
        raise Fault("passkey.my_number")
    challenge = challenges.take(unit, vault, challenge_id, _REGISTER, browser=browser, now=now)
    if challenge.bound != login.person or not may_add(unit.session, login, now):
        raise unit.costly(Fault("passkey.too_weak"))
    try:
        credential = parse_registration_credential_json(response)
        _refuse_foreign_frames(credential.response.client_data_json)
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge.nonce,
            expected_rp_id=ward.rp_id,
            expected_origin=ward.origin,
            require_user_verification=True,
        )
        _refuse_what_verifies_nothing(verified.credential_public_key)
        _refuse_octets_after(verified.attestation_object)
    except Exception as error:
        raise unit.costly(Fault("passkey.registration_refused")) from error
    if len(verified.credential_id) > _LONGEST_ID:
        raise unit.costly(Fault("passkey.registration_refused"))
    credential_id, id_ = b64url_encode(verified.credential_id), new_id()
    if unit.session.get(PasskeyRow, (ward.code, credential_id)) is not None:
        raise unit.costly(Fault("passkey.taken"))
    cipher = vault.cipher_for(unit.session, ward.code, login.person)
    unit.session.add(
        PasskeyRow(
            ward=ward.code,
            credential_id=credential_id,
            id=id_,
            person=login.person,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            label=cipher.seal(label[:80], table="credential", column="label", row=id_),
            added_at=now,
        )
    )
    unit.session.flush()
    unit.record(Event(EventName.PASSKEY_ADDED, ward.code, now, {login.person: {}}))
    return id_


def _refuse_what_verifies_nothing(public_key: bytes) -> None:
    """Raise for a key that could never log in: it would pass for a way in, and let the last real one go."""
    decoded = decode_credential_public_key(public_key)
    key = decoded_public_key_to_cryptography(decoded)
    if not isinstance(key, _KEYS.get(decoded.alg, ())):
        raise ValueError("a key under the number of another algorithm")


def _refuse_octets_after(item: bytes) -> None:
    """Raise if a shorter beginning is a whole CBOR item already (RFC 8949 §5.3.1)."""
    try:
        parse_cbor(item[:-1])
    except InvalidCBORData:
        return
    raise ValueError("octets after a CBOR item")


def authentication_options(
    unit: Unit, vault: Vault, ward: Ward, *, browser: str, now: datetime
) -> tuple[str, str]:
    """Begin a login by whichever passkey the person picks (WebAuthn L3 §7.2 step 1)."""
    challenge = challenges.issue(
        unit, vault, _AUTHENTICATE, browser=browser, now=now, expires_at=now + _LIFETIME
    )
    options = generate_authentication_options(
        rp_id=ward.rp_id, challenge=challenge.nonce, user_verification=UserVerificationRequirement.REQUIRED
    )
    return challenge.id, options_to_json(options)


def authenticate(
    unit: Unit, vault: Vault, ward: Ward, challenge_id: str, response: str, *, browser: str, now: datetime
) -> PasskeyLogin:
    """Verify an assertion (WebAuthn L3 §7.2).

    :raises Fault: `challenge.*`, `passkey.unknown` or `passkey.refused`; they commit, for the challenge is
        spent.
    """
    challenge = challenges.take(unit, vault, challenge_id, _AUTHENTICATE, browser=browser, now=now)
    try:
        credential = parse_authentication_credential_json(response)
        _refuse_foreign_frames(credential.response.client_data_json)
    except Exception as error:
        raise unit.costly(Fault("passkey.refused")) from error
    row = unit.session.get(PasskeyRow, (ward.code, b64url_encode(credential.raw_id)), with_for_update=True)
    owner = None if row is None else unit.session.get(Person, (ward.code, row.person))
    handle = credential.response.user_handle
    if row is None or owner is None or handle is None or handle != bytes.fromhex(owner.user_handle):
        raise unit.costly(Fault("passkey.unknown"))
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge.nonce,
            expected_rp_id=ward.rp_id,
            expected_origin=ward.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
        _refuse_other_eligibility(verified.credential_device_type, row)
    except Exception as error:
        unit.record(Event(EventName.PASSKEY_REFUSED, ward.code, now, {PersonId(row.person): {}}))
        raise unit.costly(Fault("passkey.refused")) from error
    row.sign_count, row.last_used_at = verified.new_sign_count, now
    evidence = Passkey(now, verified.user_verified, row.synced, row.counts_from, credential=row.id)
    return PasskeyLogin(PersonId(row.person), evidence)


def remove(unit: Unit, login: Login, id_: str, now: datetime) -> None:
    """Remove a passkey, and with it what rests on it; the last strong way in stays.

    The caller mails `notices.notices_of`.

    :raises Fault: `passkey.too_weak`, `passkey.last` or `passkey.unknown`.
    """
    if not login.assurance.meets(FRESH_TWO_FACTORS, now):
        raise Fault("passkey.too_weak")
    # Two removals side by side would each leave the other's passkey as the last.
    unit.session.get(Person, (unit.ward, login.person), with_for_update=True)
    if id_ not in {row.id for row in _rows(unit.session, unit.ward, login.person)}:
        raise Fault("passkey.unknown")
    if credentials.live_of(unit.session, unit.ward, login.person) == {id_}:
        raise Fault("passkey.last")
    unit.session.exec(delete(PasskeyRow).where(col(PasskeyRow.ward) == unit.ward, col(PasskeyRow.id) == id_))
    unit.record(Event(EventName.PASSKEY_REMOVED, unit.ward, now, {login.person: {}}))
