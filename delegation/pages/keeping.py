"""What was typed before a login that must come first: kept on the way, and shown again to its writer alone.

At a shared computer another may log in next, and at the counter the second of two staff must not see what the
first one entered.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from assurance.person import PersonId
from delegation.parts import Parts

_WRITER: Final = "form-writer"


def writer(parts: Parts, person: PersonId) -> str:
    """What a form carries to say whose it is; nobody's identifier can be read from it."""
    return parts.vault.mac(parts.ward.code, _WRITER, person)


def typed_by(
    parts: Parts, request: Request, id_: str, person: PersonId, blank: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What this person typed, or the blank form; either says whose it is.

    :param id_: what it was kept by.
    """
    mine, kept = writer(parts, person), parts.step_up.kept(request, id_)
    return kept if kept.get("writer") == mine else {**blank, "writer": mine}
