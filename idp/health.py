"""Liveness and readiness.

Liveness touches nothing, and no thread either: while every thread waits for the database the process is
alive all the same. Readiness asks the database once and looks at what was loaded at the start.
"""

from collections.abc import Sequence
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assurance.database import Database, StorageUnavailable, unavailable
from idp import schema
from idp.faults import RETRY_LATER
from idp.services import Services


async def _live(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _is_current(database: Database) -> bool:
    with suppress(StorageUnavailable), unavailable():
        return schema.is_current(database)
    return False


def health_routes(wards: Sequence[Services]) -> Sequence[Route]:
    """Both addresses, on every host."""
    databases = list({id(services.database): services.database for services in wards}.values())

    def ready(_request: Request) -> Response:
        answers = all(database.answers() for database in databases)
        found = {
            "database": answers,
            "schema": answers and all(map(_is_current, databases)),
            "policies": all(services.rules.rows and services.procedures.by_id for services in wards),
        }
        well = all(found.values())
        return JSONResponse(found, 200 if well else 503, None if well else RETRY_LATER)

    return [Route("/health/live", _live), Route("/health/ready", ready)]
