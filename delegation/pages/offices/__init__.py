"""Care offices' pages: the ward's, the office's own, and those of the people whom offices ask."""

from fastapi import APIRouter

from delegation.pages.offices.asked import asked_routes
from delegation.pages.offices.asking import asking_routes
from delegation.pages.offices.clients import client_routes
from delegation.pages.offices.joining import joining_routes
from delegation.pages.offices.own import own_routes
from delegation.pages.offices.ward import ward_routes
from delegation.parts import Parts


def office_routes(parts: Parts) -> APIRouter:
    """The pages of one ward."""
    router = APIRouter()
    for routes in (ward_routes, joining_routes, own_routes, asking_routes, client_routes, asked_routes):
        router.include_router(routes(parts))
    return router


__all__ = ["office_routes"]
