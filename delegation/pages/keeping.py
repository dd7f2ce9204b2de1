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


def typed_by(
    parts: Parts, request: Request, id_: str, person: PersonId, blank: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What this person typed, or the blank form; either carries, as `writer`, the MAC of whose it is.

    :param id_: what it was kept by.
    """
    mine, kept = parts.vault.mac(parts.ward.code, _WRITER, person), parts.step_up.kept(request, id_)
    return kept if kept.get("writer") == mine else {**blank, "writer": mine}
