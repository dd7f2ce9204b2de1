"""A paper mandate (委任状) as a staff member enters it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from assurance.people import name_key
from assurance.procedures import Action
from assurance.sealed import holds_my_number
from card.faults import Fault
from delegation.grant import Basis

_LONGEST_NAME: Final = 100


class ProofSeen(StrEnum):
    """What staff saw with the paper."""

    IDENTITY_DOCUMENT = "identity_document"
    SEAL_CERTIFICATE = "seal_certificate"
    FAMILY_REGISTER = "family_register"
    RESIDENCE_RECORD = "residence_record"


PROOFS: Final[Mapping[Basis, frozenset[ProofSeen]]] = {
    Basis.VOLUNTARY: frozenset({ProofSeen.IDENTITY_DOCUMENT, ProofSeen.SEAL_CERTIFICATE}),
    Basis.PARENT: frozenset({ProofSeen.FAMILY_REGISTER, ProofSeen.RESIDENCE_RECORD}),
}
"""What counts for which basis; no other basis is registered from paper."""


@dataclass(frozen=True, slots=True)
class Named:
    """A person as a paper names them.

    :raises Fault: `paper.person`, `grant.my_number`.
    """

    name: str
    birth_date: date

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _LONGEST_NAME:
            raise Fault("paper.person")
        if holds_my_number(self.name):
            raise Fault("grant.my_number")

    @property
    def key(self) -> str:
        """Name and birth date as two people may write them: spaces do not count."""
        return name_key(self.name, self.birth_date)


@dataclass(frozen=True, slots=True)
class Paper:
    """What stands on the paper, and what was seen with it.

    :param procedures: ids, in the catalogue's order, as `actions`.
    :param custody: the proof says that the delegate has custody of the principal; a family register alone
        says so.
    :raises Fault: `grant.nothing_chosen`, `paper.proof`.
    """

    basis: Basis
    principal: Named
    delegate: Named
    procedures: tuple[str, ...]
    actions: tuple[Action, ...]
    last: date
    proof: ProofSeen
    custody: bool

    def __post_init__(self) -> None:
        if not self.procedures or not self.actions:
            raise Fault("grant.nothing_chosen")
        if self.proof not in PROOFS.get(self.basis, frozenset()):
            raise Fault("paper.proof")
        if self.custody and self.proof is not ProofSeen.FAMILY_REGISTER:
            raise Fault("paper.proof")

    def document(self) -> Mapping[str, Any]:
        """What two entries of it have in common."""
        return {
            "kind": "mandate",
            "basis": self.basis,
            "principal": self.principal.key,
            "delegate": self.delegate.key,
            "procedures": self.procedures,
            "actions": self.actions,
            "last": self.last.isoformat(),
            "proof": self.proof,
            "custody": self.custody,
        }
