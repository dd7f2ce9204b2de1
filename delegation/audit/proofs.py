"""What the log shows of itself: its checkpoint, and proofs that anyone can verify."""

from base64 import b64encode
from collections.abc import Callable

from fastapi import APIRouter
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from assurance.database import Database
from assurance.wards import WardCode
from card.faults import Fault
from delegation.audit import tree
from delegation.audit.sequencer import StoredNodes
from delegation.audit.tables import CheckpointRow


def latest_checkpoint(session: Session, ward: WardCode) -> CheckpointRow | None:
    """The newest checkpoint of a ward."""
    return session.exec(
        select(CheckpointRow)
        .where(CheckpointRow.ward == ward)
        .order_by(col(CheckpointRow.size).desc())
        .limit(1)
    ).first()


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Fault("audit.range")
    return int(text)


def encode(proof: list[bytes]) -> list[str]:
    """A proof as it is shown."""
    return [b64encode(hash_).decode("ascii") for hash_ in proof]


def proof_routes(database: Database, ward: WardCode) -> APIRouter:
    """The log's addresses of one ward; sizes are all that they tell."""
    router = APIRouter()

    @router.get("/audit/checkpoint")
    def checkpoint() -> Response:
        with database.reading(ward) as session:
            found = latest_checkpoint(session, ward)
        if found is None:
            raise Fault("audit.range")
        return PlainTextResponse(found.text, headers={"Cache-Control": "no-store"})

    def proof(
        path: str, names: tuple[str, str], make: Callable[[StoredNodes, int, int], list[bytes]]
    ) -> None:
        @router.get(path)
        def answer(request: Request) -> Response:
            first, second = (_number(request, name) for name in names)
            with database.reading(ward) as session:
                found = latest_checkpoint(session, ward)
                if found is None or not first < second <= found.size:
                    raise Fault("audit.range")
                made = make(StoredNodes(session, ward), first, second)
            return JSONResponse({"proof": encode(made)})

    proof("/audit/inclusion", ("leaf", "size"), tree.inclusion)
    proof("/audit/consistency", ("old", "size"), tree.consistency)
    return router
