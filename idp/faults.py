"""What the provider refuses, and the one map from a fault to its answer."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

import assurance.faults
import card.faults
import delegation.faults
from card.faults import Fault, FaultKind
from card.pages import Pages

FAULTS: Final[Mapping[str, FaultKind]] = {
    "request.unknown_page": FaultKind(404, "RFC 9110 §15.5.5"),
    "interaction.gone": FaultKind(400, "design: an interaction expires"),
    "interaction.foreign": FaultKind(400, "design: one-time answers"),
    "login.needed": FaultKind(403, "RFC 9470 §3"),
    "authorize.client": FaultKind(400, "RFC 6749 §4.1.2.1"),
    "authorize.redirect_uri": FaultKind(400, "RFC 6749 §4.1.2.1"),
    "end_session.redirect_uri": FaultKind(400, "OIDC RP-Initiated Logout §3"),
    "storage.unavailable": FaultKind(503, "RFC 9110 §15.6.4"),
}
ALL: Final[Mapping[str, FaultKind]] = {
    **card.faults.FAULTS,
    **assurance.faults.FAULTS,
    **delegation.faults.FAULTS,
    **FAULTS,
}
RETRY_LATER: Final[Mapping[str, str]] = {"Retry-After": "5"}


def answer(pages: Pages, request: Request, fault: Fault, *, back: str | None = None) -> Response:
    """The page of a request that ended."""
    status = ALL[fault.code].status
    response = pages.fault(request, fault, status=status, back=back)
    if status == 503:
        response.headers.update(RETRY_LATER)
    return response
