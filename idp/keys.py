"""The ward's own keys, one ring a ward, sealed in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlmodel import Session, col, select

from assurance.database import Database, Unit
from assurance.person import new_id
from assurance.sealed import Vault
from assurance.wards import WardCode
from card.jose import KeySet, SoftwareSigner
from idp.tables import SigningKeyRow


class KeyPurpose(StrEnum):
    """What a key signs; none signs for two purposes."""

    TOKEN = "token"  # noqa: S105 - a purpose's name
    REQUEST = "request"
    ARCHIVE = "archive"
    LOG = "log"


class KeyRing:
    """The keys of one ward, constructed once; the newest of a purpose signs.

    :param log: of the audit log's checkpoints, which are no JWS.
    """

    def __init__(
        self, signers: Mapping[KeyPurpose, Sequence[SoftwareSigner]], log: Ed25519PrivateKey
    ) -> None:
        self._signers = signers
        self.log = log

    def signer(self, purpose: KeyPurpose) -> SoftwareSigner:
        """The key that signs now."""
        return self._signers[purpose][0]

    def public(self, purpose: KeyPurpose) -> list[dict[str, str]]:
        """All live public keys of a purpose, as JWKs (RFC 7517 §4)."""
        return [signer.public_jwk() for signer in self._signers[purpose]]

    def key_set(self, purpose: KeyPurpose) -> KeySet:
        """What verifies them."""
        return KeySet([signer.verification_key() for signer in self._signers[purpose]])


def _seal(
    unit: Unit, vault: Vault, purpose: KeyPurpose, alg: str, kid: str, pem: bytes, now: datetime
) -> None:
    sealed = vault.seal_for("signing-key", pem.decode("ascii"), f"{unit.ward}/{kid}")
    unit.session.add(
        SigningKeyRow(ward=unit.ward, kid=kid, purpose=purpose, alg=alg, sealed=sealed, created_at=now)
    )


def new_key(unit: Unit, vault: Vault, purpose: KeyPurpose, now: datetime) -> SoftwareSigner:
    """Make a key that signs from the next start on; those before it go on verifying."""
    made = SoftwareSigner.generate()
    _seal(unit, vault, purpose, made.alg, made.kid, made.private_pem(), now)
    return made


def _new_log_key(unit: Unit, vault: Vault, now: datetime) -> Ed25519PrivateKey:
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _seal(unit, vault, KeyPurpose.LOG, "Ed25519", new_id(), pem, now)
    return made


def key_rows(session: Session, ward: WardCode) -> Sequence[SigningKeyRow]:
    """The live keys of a ward, the newest first."""
    return session.exec(
        select(SigningKeyRow)
        .where(SigningKeyRow.ward == ward, col(SigningKeyRow.retired_at).is_(None))
        .order_by(col(SigningKeyRow.created_at).desc())
    ).all()


def read_log_keys(session: Session, vault: Vault, ward: WardCode) -> list[Ed25519PrivateKey]:
    """The keys of a ward's log as they are; where there are none, none is made."""
    found = (
        load_pem_private_key(
            vault.open_for("signing-key", row.sealed, f"{ward}/{row.kid}").encode("ascii"), None
        )
        for row in key_rows(session, ward)
        if row.purpose == KeyPurpose.LOG
    )
    return [key for key in found if isinstance(key, Ed25519PrivateKey)]


def _let_nobody_else_make_keys(unit: Unit) -> None:
    """Two processes at their first start end with one ring; on SQLite the unit's own lock sees to that."""
    connection = unit.session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE"))


def load_keys(database: Database, vault: Vault, ward: WardCode, now: datetime) -> KeyRing:
    """Read a ward's keys; a purpose that has none gets its first."""
    signers: dict[KeyPurpose, list[SoftwareSigner]] = {
        purpose: [] for purpose in KeyPurpose if purpose is not KeyPurpose.LOG
    }
    log: Ed25519PrivateKey | None = None
    with database.writing(ward) as unit:
        _let_nobody_else_make_keys(unit)
        for row in key_rows(unit.session, ward):
            pem = vault.open_for("signing-key", row.sealed, f"{ward}/{row.kid}").encode("ascii")
            if row.purpose == KeyPurpose.LOG:
                loaded = load_pem_private_key(pem, None)
                log = loaded if isinstance(loaded, Ed25519PrivateKey) else log
            else:
                signer = SoftwareSigner.from_pem(pem, alg=row.alg, kid=row.kid)
                signers[KeyPurpose(row.purpose)].append(signer)
        for purpose, found in signers.items():
            if not found:
                found.append(new_key(unit, vault, purpose, now))
        return KeyRing(signers, log or _new_log_key(unit, vault, now))
