"""The ward's own keys, one ring a ward, sealed in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile

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
from assurance.wards import Ward, WardCode
from card import successors
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
    :param successors: how the newest request key came after the ones before it, for bridges that know those.
    """

    def __init__(
        self,
        signers: Mapping[KeyPurpose, Sequence[SoftwareSigner]],
        log: Ed25519PrivateKey,
        successors: Sequence[str] = (),
    ) -> None:
        self._signers = signers
        self.log = log
        self.successors = successors

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
) -> SigningKeyRow:
    sealed = vault.seal_for("signing-key", pem.decode("ascii"), f"{unit.ward}/{kid}")
    row = SigningKeyRow(ward=unit.ward, kid=kid, purpose=purpose, alg=alg, sealed=sealed, created_at=now)
    unit.session.add(row)
    return row


def _open(vault: Vault, row: SigningKeyRow) -> bytes:
    return vault.open_for("signing-key", row.sealed, f"{row.ward}/{row.kid}").encode("ascii")


def _signer(vault: Vault, row: SigningKeyRow) -> SoftwareSigner:
    return SoftwareSigner.from_pem(_open(vault, row), alg=row.alg, kid=row.kid)


def _new_key(unit: Unit, vault: Vault, purpose: KeyPurpose, now: datetime) -> SoftwareSigner:
    made = SoftwareSigner.generate()
    _seal(unit, vault, purpose, made.alg, made.kid, made.private_pem(), now)
    return made


def rotate(unit: Unit, vault: Vault, ward: Ward, purpose: KeyPurpose, now: datetime) -> SoftwareSigner:
    """Make a key that signs from the next start on; those before it go on verifying.

    It is the newest whatever the clocks of two machines say. Bridges pin the request key: it names its
    successor itself, or none would follow it.
    """
    _let_nobody_else_make_keys(unit)
    before = [row for row in key_rows(unit.session, ward.code) if row.purpose == purpose]
    at = max([now, *(row.created_at + timedelta(microseconds=1) for row in before[:1])])
    made = SoftwareSigner.generate()
    row = _seal(unit, vault, purpose, made.alg, made.kid, made.private_pem(), at)
    if purpose is KeyPurpose.REQUEST and before:
        row.certified = successors.certify(ward.issuer, made.public_jwk(), _signer(vault, before[0]), now)
    return made


def _successors(rows: Sequence[SigningKeyRow]) -> Sequence[str]:
    """The newest statements about a ward's request keys, the oldest first.

    :param rows: its live keys, the newest first.
    """
    requests = (row.certified for row in rows if row.purpose == KeyPurpose.REQUEST)
    newest = takewhile(lambda statement: statement is not None, requests)
    return [statement for statement in islice(newest, successors.MOST) if statement is not None][::-1]


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
        load_pem_private_key(_open(vault, row), None)
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
        rows = key_rows(unit.session, ward)
        for row in rows:
            if row.purpose == KeyPurpose.LOG:
                loaded = load_pem_private_key(_open(vault, row), None)
                log = loaded if isinstance(loaded, Ed25519PrivateKey) else log
            else:
                signers[KeyPurpose(row.purpose)].append(_signer(vault, row))
        for purpose, found in signers.items():
            if not found:
                found.append(_new_key(unit, vault, purpose, now))
        return KeyRing(signers, log or _new_log_key(unit, vault, now), _successors(rows))
