"""For the developer of a ward system: what came and went in the last login here, explained field by field."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from card.jose import unverified_claims, unverified_header
from delegation.client import Decision
from deploy.sandbox.portal.fields import Document, Row, rows, without_signature
from deploy.sandbox.portal.portal import Portal
from deploy.sandbox.portal.visits import Context


@dataclass(frozen=True, slots=True)
class Section:
    """One document.

    :param raw: as it was carried, without what would let its reader use it; empty for JSON.
    """

    document: Document
    rows: list[Row]
    raw: str = ""


def _token(header: Document, claims: Document, token: str, *, delegated: bool) -> list[Section]:
    """Header and claims; both were verified when the token came."""
    said, carried = unverified_header(token), without_signature(token)
    return [
        Section(header, rows(header, said, delegated=delegated), carried),
        Section(claims, rows(claims, unverified_claims(token), delegated=delegated)),
    ]


def _decision(decision: Decision, *, delegated: bool) -> list[Section]:
    return [
        Section(Document.REQUEST, rows(Document.REQUEST, decision.asked, delegated=delegated)),
        Section(Document.ANSWER, rows(Document.ANSWER, decision.answered, delegated=delegated)),
    ]


class Developer:
    """The page, about the visitor's own login alone."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def show(self, request: Request) -> Response:
        """The last login for another; without one, the last."""
        context = self._portal.visits.of(request).last()
        sections = [] if context is None else await run_in_threadpool(self._sections, context)
        earlier = [] if context is None else list(context.decisions)[1:]
        return self._portal.page(request, "developer", context=context, sections=sections, earlier=earlier)

    def _sections(self, context: Context) -> list[Section]:
        """What this login brought; introspection alone is asked for now, since it says what counts now."""
        access, told = context.access, self._portal.system.introspect(context.access.token)
        delegated, last = access.delegated, next(iter(context.decisions), None)
        return [
            *_token(Document.ID_HEADER, Document.ID_TOKEN, context.id_token, delegated=delegated),
            *_token(Document.ACCESS_HEADER, Document.ACCESS_TOKEN, access.token, delegated=delegated),
            Section(Document.INTROSPECTION, rows(Document.INTROSPECTION, told, delegated=delegated)),
            *([] if last is None else _decision(last, delegated=delegated)),
        ]
