"""The registry's pages: what I gave, what I hold, what I am asked."""

from fastapi import APIRouter

from delegation.pages.changes import change_routes
from delegation.pages.counter import counter_routes
from delegation.pages.giving import giving_routes
from delegation.pages.grants import grant_routes
from delegation.pages.invited import invited_routes
from delegation.pages.offices import office_routes
from delegation.pages.pausing import pause_routes
from delegation.pages.read_back import read_back_routes
from delegation.pages.records import record_routes
from delegation.pages.staff import staff_routes
from delegation.parts import Parts


def page_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router = APIRouter()
    for routes in (
        giving_routes,
        grant_routes,
        change_routes,
        pause_routes,
        invited_routes,
        read_back_routes,
        record_routes,
        office_routes,
        staff_routes,
        counter_routes,
    ):
        router.include_router(routes(parts))
    return router


__all__ = ["page_routes"]
