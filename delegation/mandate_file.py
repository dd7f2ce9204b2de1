"""A mandate as a file: container, verification record, and the proof that the log holds the record."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from card.container import SigningPurpose, verify_again
from card.faults import Fault
from card.jose import Flattened, KeySet, TokenRejected, verify_statement
from card.trust import Trust
from delegation import mandate
from delegation.audit import tree
from delegation.audit.checkpoint import CheckpointRefused, LogKey, read_checkpoint
from delegation.audit.proofs import encode, latest_checkpoint
from delegation.audit.sequencer import StoredNodes
from delegation.audit.tables import LeafRow
from delegation.parts import Parts
from delegation.signing import RECORD_TYPE
from delegation.tables import GrantRow, MandateRow

FORMAT: Final = "dairi-mandate-1"


class MandateRefused(ValueError):  # noqa: N818 - the verdict
    """The file does not verify; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mandate proves: who signed what and when. It says nothing about being in force."""

    signed_at: datetime
    name: str
    text: str


def export(session: Session, parts: Parts, row: GrantRow) -> dict[str, Any]:
    """The file of a grant's mandate; it holds the signer's certificate, so it is the principal's alone.

    :raises Fault: `grant.not_now` without a mandate, `mandate.not_logged` in the first second after it,
        `audit.damaged`.
    """
    kept = session.get(MandateRow, (row.ward, row.id))
    if kept is None:
        raise Fault("grant.not_now")
    hash_ = hashlib.sha256(kept.record.encode("ascii")).hexdigest()
    leaf = session.exec(select(LeafRow).where(LeafRow.ward == row.ward, col(LeafRow.refers) == hash_)).first()
    checkpoint = latest_checkpoint(session, parts.ward.code)
    if leaf is None or leaf.number is None or checkpoint is None or checkpoint.size <= leaf.number:
        raise Fault("mandate.not_logged")
    cipher = parts.vault.open_data_key(row.ward, f"mandate/{row.id}", kept.wrapped_key)
    container = cipher.open(kept.container, table="mandate", column="container", row=row.id)
    nodes = StoredNodes(session, row.ward)
    return {
        "format": FORMAT,
        "container": json.loads(container),
        "record": kept.record,
        "leaf": b64encode(leaf.content).decode("ascii"),
        "number": leaf.number,
        "inclusion": encode(tree.inclusion(nodes, leaf.number, checkpoint.size)),
        "checkpoint": checkpoint.text,
    }


def verify(
    document: Mapping[str, Any], trust: Trust, archive: KeySet, log_keys: Collection[LogKey]
) -> Verdict:
    """Verify a file without the service.

    The archive key's signature alone proves nothing: a stolen one with a stolen card must not backdate. So
    the log must hold the record.

    :raises MandateRefused: with the reason.
    """
    try:
        return _verify(document, trust, archive, log_keys)
    except MandateRefused:
        raise
    except Fault as fault:
        raise MandateRefused(f"the card's signature does not count ({fault.code})") from fault
    except TokenRejected as error:
        raise MandateRefused(f"the verification record does not count ({error.code})") from error
    except CheckpointRefused as error:
        raise MandateRefused(f"the checkpoint does not count: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise MandateRefused("this is no mandate file") from error


def _verify(
    document: Mapping[str, Any], trust: Trust, archive: KeySet, log_keys: Collection[LogKey]
) -> Verdict:
    if document["format"] != FORMAT:
        raise MandateRefused("the file is of another format")
    try:
        container = Flattened.parse(json.dumps(document["container"]))
    except ValueError as error:
        raise MandateRefused("the container is malformed") from error
    record = verify_statement(document["record"], archive, typ=RECORD_TYPE)
    signed_at = datetime.fromtimestamp(int(str(record["iat"])), UTC)
    status = record["revocation"]
    if not isinstance(status, Mapping) or status["state"] != "good":
        raise MandateRefused("revocation was not good when it was taken in")
    if record["container"] != hashlib.sha256(container.to_json().encode("ascii")).hexdigest():
        raise MandateRefused("the record is of another mandate")
    certificate, claims = verify_again(container, expecting=SigningPurpose.MANDATE, trust=trust, at=signed_at)
    mandate.check_signed(claims)
    _check_logged(document, log_keys)
    name = "" if certificate.attributes is None else certificate.attributes.name
    return Verdict(signed_at, name, str(claims["text"]))


def _check_logged(document: Mapping[str, Any], log_keys: Collection[LogKey]) -> None:
    head = read_checkpoint(document["checkpoint"], log_keys)
    leaf = b64decode(document["leaf"], validate=True)
    proof = [b64decode(hash_, validate=True) for hash_ in document["inclusion"]]
    if not tree.includes(tree.leaf_hash(leaf), int(document["number"]), head.size, proof, head.root):
        raise MandateRefused("the log does not hold its leaf")
    said = json.loads(leaf)["clear"]
    if said.get("record") != hashlib.sha256(document["record"].encode("ascii")).hexdigest():
        raise MandateRefused("the leaf vouches for another record")
