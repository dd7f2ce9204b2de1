"""What staff see and do; whoever has no role finds no such pages."""

from fastapi import APIRouter

from delegation.pages.staff.changes import change_routes
from delegation.pages.staff.home import home_routes
from delegation.pages.staff.looking import looking_routes
from delegation.pages.staff.proposing import proposing_routes
from delegation.pages.staff.reviews import review_routes
from delegation.parts import Parts


def staff_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router = APIRouter()
    for routes in (home_routes, looking_routes, proposing_routes, change_routes, review_routes):
        router.include_router(routes(parts))
    return router


__all__ = ["staff_routes"]
