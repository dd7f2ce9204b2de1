"""Filing: choose a procedure, fill in its form, and file it if the ward says yes."""

import secrets
from datetime import UTC, datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from card.pages.forms import read_posted, refuse_foreign_pages, see_other
from delegation.client import Access, Decision, TokenRefused, require_context
from deploy.sandbox.portal.login import Login
from deploy.sandbox.portal.portal import Portal
from deploy.sandbox.portal.visits import Context, Filed

_LONGEST: Final = 200


class Filing:
    """The pages of one context, under `/as/{context}`.

    Where one of them cannot go on it raises, and `Portal` tells the person why and how.
    """

    def __init__(self, portal: Portal, login: Login) -> None:
        self._portal, self._login = portal, login

    def _context(self, request: Request) -> Context:
        context = self._portal.visits.of(request).contexts.get(request.path_params["context"])
        if context is None:
            raise TokenRefused("nobody is logged in for this")
        return context

    def _procedure(self, request: Request) -> str:
        procedure = str(request.path_params["procedure"])
        if procedure not in self._portal.procedures:
            raise HTTPException(404)
        return procedure

    async def desk(self, request: Request) -> Response:
        """What can be done, and what was filed as far as it may be seen."""
        context = self._context(request)
        views = await run_in_threadpool(self._views, context)
        return self._portal.page(
            request,
            "desk",
            context=context,
            over=all(view.over for view in views.values()),
            procedures=self._portal.procedures,
            filed=[
                filed
                for filed in reversed(self._portal.filed)
                if filed.principal == context.access.principal and views[filed.procedure].allowed
            ],
            hidden={procedure: view for procedure, view in views.items() if not view.allowed},
        )

    def _views(self, context: Context) -> dict[str, Decision]:
        """Whether each procedure's filings may be seen; a token alone says nothing about now.

        Every procedure is asked for, whether something was filed or not: an answer that comes sooner, or a
        sentence that is missing, would tell a delegate which.
        """
        system = self._portal.system
        return {procedure: context.decide(system, procedure, "view") for procedure in self._portal.procedures}

    async def form(self, request: Request) -> Response:
        """The form of one procedure."""
        return self._form(request, self._context(request), self._procedure(request))

    def _form(self, request: Request, context: Context, procedure: str, *, wrong: bool = False) -> Response:
        return self._portal.page(
            request,
            "form",
            status=400 if wrong else 200,
            context=context,
            procedure=procedure,
            name=self._portal.procedures[procedure],
            typed=context.typed.get(procedure, ""),
            once=secrets.token_hex(16),
            longest=_LONGEST,
            wrong=wrong,
        )

    async def file(self, request: Request) -> Response:
        """File it, if the ward says yes; else say why, or step up."""
        refuse_foreign_pages(request, self._portal.address)
        posted, context = await read_posted(request), self._context(request)
        require_context(context.access, posted.one("for"))
        procedure = self._procedure(request)
        text = context.typed[procedure] = posted.one("text").strip()
        if not 0 < len(text) <= _LONGEST:
            return self._form(request, context, procedure, wrong=True)
        decision = await run_in_threadpool(context.decide, self._portal.system, procedure, "file")
        if decision.allowed:
            return self._filed(context, context.access, procedure, text, posted.one("once"))
        if decision.over:
            raise TokenRefused(decision.reason)
        if decision.step_up is not None:
            return await self._login.go(request, context, procedure, decision.step_up)
        return self._refused(request, context, decision)

    def _filed(self, context: Context, access: Access, procedure: str, text: str, once: str) -> Response:
        """Keep it, but for a form that was sent twice, such as by a double click."""
        context.typed.pop(procedure, None)
        context.filed = self._same(access, once)
        if context.filed is None:
            number, at = len(self._portal.filed) + 1, datetime.now(UTC)
            context.filed = Filed(number, once, at, access.principal, procedure, text, access.delegated)
            self._portal.filed.append(context.filed)
        return see_other(f"/as/{access.context}/filed")

    def _same(self, access: Access, once: str) -> Filed | None:
        mine = (filed for filed in self._portal.filed if filed.principal == access.principal)
        return next((filed for filed in mine if once and filed.once == once), None)

    def _refused(self, request: Request, context: Context, decision: Decision) -> Response:
        told = decision.texts.get(self._portal.pages.locale(request))
        text = told or self._portal.sentence(request, "refused")
        desk = f"/as/{context.access.context}"
        return self._portal.problem(request, text, 403, [("sandbox.portal.to_desk", desk)])

    async def receipt(self, request: Request) -> Response:
        """That it was filed; a page of its own, so that reloading files nothing again."""
        context = self._context(request)
        if context.filed is None:
            return see_other(f"/as/{context.access.context}")
        name = self._portal.procedures[context.filed.procedure]
        return self._portal.page(request, "filed", context=context, filed=context.filed, name=name)
