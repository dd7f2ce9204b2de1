"""The portal's pages: log in, choose a procedure, file it if the ward says yes."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from authlib.integrations.starlette_client import OAuth, OAuthError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from card.pages import Pages, Source
from card.pages.forms import read_posted, refuse_foreign_pages, see_other
from delegation.client import (
    Access,
    Decision,
    DecisionUnavailable,
    NotForThis,
    TokenRefused,
    WardSystem,
    require_context,
)
from deploy.sandbox.portal.visits import Context, Filing, Visit, Visits

SCOPE: Final = "openid profile kaigo"
Procedures = Mapping[str, Mapping[str, str]]


class Portal:
    """One portal.

    :param oauth: Authlib's registry, with the provider as `ward`.
    :param procedures: names by id, of what can be filed here.
    """

    def __init__(self, address: str, system: WardSystem, oauth: OAuth, procedures: Procedures) -> None:
        self.address, self.system, self.procedures = address, system, procedures
        self._ward: Any = oauth.ward
        self.pages = Pages([Source("sandbox", "deploy.sandbox")], ["card", "deploy.sandbox"])
        self.visits, self.filings = Visits(), list[Filing]()

    # Pages.

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
        """A page under the portal's own name."""
        request.state.site = self.pages.text(self.pages.locale(request), "sandbox.portal.name")
        return self.pages.render(
            request, f"sandbox/portal/{template}.html", context, status=status, leads_out=True
        )

    def problem(self, request: Request, kind: str, *, status: int = 400, **values: object) -> Response:
        """A page that says why nothing was filed."""
        text = self.pages.text(self.pages.locale(request), f"sandbox.portal.problem.{kind}", **values)
        return self.page(request, "problem", status=status, text=text, back=None)

    async def home(self, request: Request) -> Response:
        """The first page."""
        contexts = self.visits.of(request).contexts
        return self.page(request, "home", contexts=contexts)

    # Logging in (plain OpenID Connect, by Authlib).

    async def log_in(self, request: Request, back_to: str = "", **extra: str) -> Response:
        """Go and log in; `back_to` is where a step-up leads."""
        redirect: Response = await self._ward.authorize_redirect(request, f"{self.address}/callback", **extra)
        if back_to:
            state = redirect.headers["location"].partition("state=")[2].partition("&")[0]
            self.visits.of(request).back_to[state] = back_to
        return redirect

    async def callback(self, request: Request) -> Response:
        """Take the code, and open a context for whom the person acts."""
        visit = self.visits.of(request)
        back_to = visit.back_to.pop(request.query_params.get("state", ""), "")
        try:
            tokens = await self._ward.authorize_access_token(request)
            access = await run_in_threadpool(self.system.verify, tokens["access_token"])
        except OAuthError as error:
            kind = "denied" if error.error == "access_denied" else "login"
            return self.problem(request, kind)
        except (TokenRefused, DecisionUnavailable):
            return self.problem(request, "unavailable", status=503)
        details = tokens.get("authorization_details")
        context = Context(
            access=access,
            refresh_token=tokens.get("refresh_token", ""),
            id_token=tokens["id_token"],
            name=await self._name(tokens, access),
            principal=details[0]["principal"]["name"] if details else None,
        )
        known = visit.contexts.get(access.context)
        context.typed = {} if known is None else known.typed
        visit.contexts[access.context] = context
        return see_other(back_to or f"/as/{access.context}")

    async def _name(self, tokens: Mapping[str, Any], access: Access) -> str:
        claims = tokens["userinfo"] if access.delegated else await self._ward.userinfo(token=tokens)
        return str(claims.get("name", ""))

    async def log_out(self, request: Request) -> Response:
        """End everything here, and at the provider."""
        refuse_foreign_pages(request, self.address)
        visit = self.visits.of(request)
        hints = [context.id_token for context in visit.contexts.values()]
        visit.contexts.clear()
        if not hints:
            return see_other("/")
        redirect: Response = await self._ward.logout_redirect(
            request, post_logout_redirect_uri=f"{self.address}/bye", id_token_hint=hints[-1]
        )
        return redirect

    async def bye(self, request: Request) -> Response:
        """After the logout."""
        return self.page(request, "bye")

    # Filing.

    def _context(self, visit: Visit, id_: str) -> Context | None:
        """A context with a token that still counts, refreshed if it must be."""
        context = visit.contexts.get(id_)
        if context is None:
            return None
        try:
            context.access = self.system.verify(context.access.token)
        except TokenRefused:
            try:
                made = self.system.refresh(context.refresh_token)
                context.access = self.system.verify(made["access_token"])
            except TokenRefused:
                visit.contexts.pop(id_, None)
                return None
            context.refresh_token = made["refresh_token"]
        return context

    async def show(self, request: Request) -> Response:
        """What can be done in one context."""
        try:
            found = await run_in_threadpool(
                self._context, self.visits.of(request), request.path_params["context"]
            )
        except DecisionUnavailable:
            return self.problem(request, "unavailable", status=503)
        if found is None:
            return self.problem(request, "over")
        filed = [filing for filing in self.filings if filing.principal == found.access.principal]
        return self.page(request, "desk", context=found, procedures=self.procedures, filed=filed[::-1])

    async def form(self, request: Request) -> Response:
        """The form of one procedure."""
        procedure = request.path_params["procedure"]
        context = self.visits.of(request).contexts.get(request.path_params["context"])
        if context is None or procedure not in self.procedures:
            return self.problem(request, "over")
        return self.page(
            request,
            "form",
            context=context,
            procedure=procedure,
            name=self.procedures[procedure],
            typed=context.typed.get(procedure, ""),
        )

    async def file(self, request: Request) -> Response:
        """File it, if the ward says yes; else say why, or step up."""
        refuse_foreign_pages(request, self.address)
        posted = await read_posted(request)
        id_, procedure = request.path_params["context"], request.path_params["procedure"]
        visit, text = self.visits.of(request), posted.one("text")
        if procedure not in self.procedures:
            return self.problem(request, "over")
        try:
            context = await run_in_threadpool(self._context, visit, id_)
            if context is None:
                return self.problem(request, "over")
            require_context(context.access, posted.one("for"))
            context.typed[procedure] = text
            decision = await run_in_threadpool(self.system.decide, context.access, procedure, "file")
        except DecisionUnavailable:
            return self.problem(request, "unavailable", status=503)
        except NotForThis:
            return self.problem(request, "mixed")
        if decision.allowed:
            return self._filed(request, context, procedure)
        if decision.reason == "step_up" and decision.acr is not None:
            return await self._step_up(request, context, procedure, decision)
        locale = self.pages.locale(request)
        return self.page(
            request,
            "problem",
            status=403,
            text=decision.texts.get(locale) or decision.reason,
            back=f"/as/{id_}",
        )

    def _filed(self, request: Request, context: Context, procedure: str) -> Response:
        text = context.typed.pop(procedure, "")
        self.filings.append(Filing(datetime.now(UTC), context.access.principal, procedure, text))
        return self.page(request, "filed", context=context, name=self.procedures[procedure])

    async def _step_up(
        self, request: Request, context: Context, procedure: str, decision: Decision
    ) -> Response:
        """RFC 9470 §4: the same context again, by a stronger login; what was typed waits."""
        grant = context.access.grant
        who = {"grant": grant} if grant is not None else {"principal": "self"}
        return await self.log_in(
            request,
            back_to=f"/as/{context.access.context}/file/{procedure}",
            acr_values=decision.acr or "",
            authorization_details=json.dumps([{"type": "jp_ward_delegation"} | who]),
        )


def create_portal(portal: Portal, secret: str) -> Starlette:
    """The portal as an ASGI application."""
    return Starlette(
        routes=[
            Route("/", portal.home),
            Route("/login", portal.log_in),
            Route("/callback", portal.callback),
            Route("/logout", portal.log_out, methods=["POST"]),
            Route("/bye", portal.bye),
            Route("/as/{context}", portal.show),
            Route("/as/{context}/file/{procedure}", portal.form),
            Route("/as/{context}/file/{procedure}", portal.file, methods=["POST"]),
            Mount("/static", Pages.static()),
        ],
        middleware=[
            Middleware(SessionMiddleware, secret_key=secret, session_cookie="kaigo-portal", same_site="lax")
        ],
    )
