"""What the portal's pages share, and how each refusal is told."""

import json
import logging
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from card.faults import FAULTS, Fault
from card.pages import Pages, Source
from delegation.client import WardSystem
from deploy.sandbox.portal.visits import Filed, Visits

Procedures = Mapping[str, Mapping[str, str]]
_LOG: Final = logging.getLogger(__name__)


def offered() -> Procedures:
    """What can be filed here: names by id, in the order of the list."""
    text = files("deploy.sandbox.portal").joinpath("procedures.json").read_text("utf-8")
    read: Procedures = json.loads(text)
    return read


class Portal:
    """One portal.

    :param address: its own origin.
    """

    def __init__(self, address: str, system: WardSystem) -> None:
        self.address, self.system, self.procedures = address, system, offered()
        self.pages = Pages([Source("sandbox", "deploy.sandbox")], ["card", "deploy.sandbox"])
        self.visits, self.filed = Visits(), list[Filed]()

    def page(self, request: Request, template: str, *, status: int = 200, **context: object) -> Response:
        """A page under the portal's own name."""
        self._enter(request)
        return self.pages.render(
            request, f"sandbox/portal/{template}.html", context, status=status, leads_out=True
        )

    def problem(
        self, request: Request, text: str, status: int, onward: Sequence[tuple[str, str]] = ()
    ) -> Response:
        """A page that says why nothing was filed.

        :param onward: ways on, as key of a text and path.
        """
        return self.page(request, "problem", status=status, text=text, onward=onward)

    def sentence(self, request: Request, kind: str) -> str:
        """What a problem is, in the person's language."""
        return self.pages.text(self.pages.locale(request), f"sandbox.portal.problem.{kind}")

    def _enter(self, request: Request) -> None:
        request.state.site = self.pages.text(self.pages.locale(request), "sandbox.portal.name")

    # What ends a request. Nothing typed is lost: the way on leads to where it was typed.

    async def unavailable(self, request: Request, error: Exception) -> Response:
        """No answer from the provider, so nothing is shown or filed."""
        _LOG.warning("no answer from the provider", exc_info=error)
        again = request.url.path if request.url.path.startswith(("/as/", "/developer")) else "/login"
        text = self.sentence(request, "unavailable")
        response = self.problem(request, text, 503, [("sandbox.portal.again", again)])
        response.headers["Retry-After"] = "5"
        return response

    async def over(self, request: Request, _error: Exception) -> Response:
        """The login ended, or what it rests on; a new one goes on from here."""
        procedure = request.path_params.get("procedure", "")
        context = self.visits.of(request).contexts.get(request.path_params.get("context", ""))
        kind, login = "over", "/login"
        if context is not None:
            context.over = True
            kind = "over_kept" if context.typed.get(procedure) else kind
            login += f"?as={context.access.context}&procedure={procedure}"
        return self.problem(
            request, self.sentence(request, kind), 403, [("sandbox.portal.login_again", login)]
        )

    async def mixed(self, request: Request, _error: Exception) -> Response:
        """A form that was made for someone else."""
        return self.problem(request, self.sentence(request, "mixed"), 400)

    async def missing(self, request: Request, error: HTTPException) -> Response:
        """No such page."""
        return self.problem(request, self.sentence(request, "missing"), error.status_code)

    async def faulted(self, request: Request, fault: Fault) -> Response:
        """What the page kit refuses."""
        back = request.url.path if request.url.path.startswith("/as/") else "/"
        self._enter(request)
        return self.pages.fault(request, fault, status=FAULTS[fault.code].status, back=back)
