"""The counter's pages, for staff alone; for everybody else there are none."""

from fastapi import APIRouter

from delegation.pages.counter.cards import card_routes
from delegation.pages.counter.children import child_routes
from delegation.pages.counter.grants import counter_grant_routes
from delegation.pages.counter.letters import letter_routes
from delegation.pages.counter.papers import paper_routes
from delegation.pages.counter.requests import request_routes
from delegation.pages.counter.visits import visit_routes
from delegation.parts import Parts


def counter_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router = APIRouter()
    for routes in (
        visit_routes,
        card_routes,
        request_routes,
        counter_grant_routes,
        paper_routes,
        child_routes,
        letter_routes,
    ):
        router.include_router(routes(parts))
    return router


__all__ = ["counter_routes"]
