"""What the provider refuses, and the one map from a fault to its answer."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import assurance.faults
import card.faults
import delegation.faults
from card.faults import Fault, FaultKind
from card.pages import Pages
from idp.cookies import Cookies
from idp.logs import log_unavailable

FAULTS: Final[Mapping[str, FaultKind]] = {
    "request.unknown_page": FaultKind(404, "RFC 9110 §15.5.5"),
    "request.method": FaultKind(405, "RFC 9110 §15.5.6"),
    "request.unreadable": FaultKind(400, "RFC 9110 §15.5.1"),
    "interaction.gone": FaultKind(400, "design: an interaction expires"),
    "interaction.foreign": FaultKind(400, "design: one-time answers"),
    "login.needed": FaultKind(403, "RFC 9470 §3"),
    "authorize.client": FaultKind(400, "RFC 6749 §4.1.2.1"),
    "authorize.redirect_uri": FaultKind(400, "RFC 6749 §4.1.2.1"),
    "end_session.client": FaultKind(400, "OIDC RP-Initiated Logout §2"),
    "end_session.redirect_uri": FaultKind(400, "OIDC RP-Initiated Logout §3"),
    "upstream.denied": FaultKind(400, "RFC 6749 §4.1.2.1"),
    "upstream.refused": FaultKind(400, "OIDC Core §3.1.3.7"),
    "upstream.weak": FaultKind(400, "OIDC Core §3.1.3.7 step 12"),
    "upstream.unavailable": FaultKind(503, "RFC 9110 §15.6.4"),
    "storage.unavailable": FaultKind(503, "RFC 9110 §15.6.4"),
}
ALL: Final[Mapping[str, FaultKind]] = {
    **card.faults.FAULTS,
    **assurance.faults.FAULTS,
    **delegation.faults.FAULTS,
    **FAULTS,
}
RETRY_LATER: Final[Mapping[str, str]] = {"Retry-After": "5"}


class Stranded(Fault):
    """An interaction that cannot go on; its page leads on all the same.

    :param onward: the way on: a page of ours, or back to the client that waits for an answer.
    :param drop: deletes the cookies of an interaction that is no more.
    """

    def __init__(self, code: str, *, onward: str | None = None, drop: Cookies | None = None) -> None:
        super().__init__(code)
        self.onward = onward
        self.drop = drop


def _ways_on(request: Request, fault: Fault, status: int, back: str | None) -> list[tuple[str, str]]:
    """Where the page of a fault leads, as text key and address: never nowhere."""
    if isinstance(fault, Stranded) and fault.onward is not None:
        inside = fault.onward.startswith("/")
        return [("idp.fault.anew" if inside else "idp.fault.to_service", fault.onward)]
    home = ("idp.fault.home", getattr(request.state, "home", "/"))
    if isinstance(fault, Stranded):
        return [home]
    if status == 503:
        again = back if request.method == "POST" else f"?{request.url.query}"
        return [("idp.fault.retry", again)] if again else [home]
    if fault.code == "card.unknown":
        return [("idp.fault.other_way", back or home[1]), ("idp.fault.link_card", f"{home[1]}/card")]
    return [("kit.back", back)] if back else [home]


def answer(
    pages: Pages,
    request: Request,
    fault: Fault,
    *,
    back: str | None = None,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The page of a request that ended.

    :param status: of an error that the framework found, with the headers that belong to it; else the fault's.
    """
    status = status or ALL[fault.code].status
    sentence, next_step = pages.fault_texts(pages.locale(request), fault)
    context = {
        "sentence": sentence,
        "next_step": next_step,
        "ways_on": _ways_on(request, fault, status, back),
    }
    response = pages.render(request, "idp/fault.html", context, status=status, leads_out=True)
    response.headers.update(headers or {})
    if status == 503:
        log_unavailable(fault)
        response.headers.update(RETRY_LATER)
    if isinstance(fault, Stranded) and fault.drop is not None:
        fault.drop.set_on(response)
    return response


def problem(
    pages: Pages,
    request: Request,
    fault: Fault,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The same for a system: problem details (RFC 9457 §3)."""
    status = status or ALL[fault.code].status
    title, detail = pages.fault_texts(pages.locale(request), fault)
    told = {"type": f"urn:dairi:fault:{fault.code}", "title": title, "status": status, "detail": detail}
    if status == 503:
        log_unavailable(fault)
    return JSONResponse(
        told,
        status,
        {**(headers or {}), **(RETRY_LATER if status == 503 else {})},
        media_type="application/problem+json",
    )


def unexpected(pages: Pages, request: Request) -> Response:
    """The page of an error that nobody foresaw; its number leads to the log."""
    locale, number = pages.locale(request), getattr(request.state, "request_id", "")
    context = {
        "sentence": pages.text(locale, "idp.unexpected.sentence"),
        "next_step": pages.text(locale, "idp.unexpected.next", number=number),
        "ways_on": [("idp.fault.home", getattr(request.state, "home", "/"))],
    }
    return pages.render(request, "idp/fault.html", context, status=500, leads_out=True)
