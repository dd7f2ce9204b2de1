"""Structured logs: a request id, method, path without query, status, time; nothing personal."""

import logging
import re
import sys
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assurance.person import new_id

_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{24,}")
"""Ids and the handles of invitations, which let someone in."""


def configure() -> None:
    """Write JSON lines to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _asked_id(scope: Scope) -> str | None:
    """The caller's own id, which is answered (AuthZEN §10.1.3)."""
    sent = dict(scope["headers"]).get(_HEADER, b"").decode("latin-1")
    return sent if _REQUEST_ID.match(sent) else None


class RequestLog:
    """ASGI middleware that gives each request an id and writes one line at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = _asked_id(scope) or new_id(), time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, request_id.encode("ascii"))]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            elapsed = round((time.perf_counter() - began) * 1000, 1)
            path = _HANDLE.sub("…", scope["path"])
            self._log.info("request", method=scope["method"], path=path, status=status, milliseconds=elapsed)
            structlog.contextvars.clear_contextvars()
