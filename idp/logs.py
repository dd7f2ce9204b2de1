"""Structured logs: a request id, method, path without query, status, time; nothing personal.

An error that nobody handled is logged once, by its type and place: messages and tracebacks of a driver carry
the values that it was given.
"""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assurance.person import new_id

_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_PLAIN: Final = re.compile(r"(?:[0-9]{6}|v[0-9]|\.?[a-z][a-z-]{0,29}(?:\.[a-z]{1,5})?)\Z")
"""Parts of our own addresses; whatever else someone puts into one may be a handle, a name or a number."""
_HOME: Final = Path(__file__).parents[1]
_OURS: Final = frozenset({"assurance", "card", "delegation", "deploy", "idp"})


class _JsonLines(logging.Formatter):
    """What libraries log, as lines of the same shape."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        error = record.exc_info[1] if record.exc_info else None
        return json.dumps({**line, **({} if error is None else failed_at(error))}, ensure_ascii=False)


def configure(stream: TextIO | None = None) -> None:
    """Write JSON lines to standard error, what libraries say included."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            _without_values,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in (
        "uvicorn",
        "uvicorn.error",
    ):  # a server of this process may have given it handlers of its own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _place(frame: traceback.FrameSummary) -> str | None:
    """Where a frame is, if it is one of ours."""
    path = Path(frame.filename)
    inside = path.relative_to(_HOME) if path.is_relative_to(_HOME) else path
    return f"{inside}:{frame.lineno} {frame.name}" if inside.parts[0] in _OURS else None


def failed_at(error: BaseException) -> Mapping[str, str]:
    """An error's type, what caused it by type, and the last place of ours that it went through."""
    told = {"error": _kind(error)}
    if error.__cause__ is not None:
        told["cause"] = _kind(error.__cause__)
    places = [_place(frame) for frame in traceback.extract_tb(error.__traceback__)]
    for place in [place for place in places if place is not None][-1:]:
        told["place"] = place
    return told


def _without_values(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Name an error that is logged with a line; a traceback would print what it was given."""
    error = line.pop("exc_info", None)
    error = sys.exc_info()[1] if error is True else error
    return {**line, **failed_at(error)} if isinstance(error, BaseException) else line


def log_unavailable(error: Exception) -> None:
    """Note what was behind a 503, by type alone."""
    behind, chain = error.__cause__ or error.__context__, list[str]()
    while behind is not None and len(chain) < 5:
        chain.append(_kind(behind))
        behind = getattr(behind, "orig", None) or behind.__cause__
    structlog.get_logger("request").warning("unavailable", behind=chain)


@lru_cache(maxsize=1024)
def plain_path(path: str) -> str:
    """A path of which only the words of our own addresses are left."""
    return "/".join(part if not part or _PLAIN.match(part) else "…" for part in path.split("/"))


def _asked_id(scope: Scope) -> str | None:
    """The caller's own id, which is answered (AuthZEN §10.1.3)."""
    sent = dict(scope["headers"]).get(_HEADER, b"").decode("latin-1")
    return sent if _REQUEST_ID.match(sent) else None


class ConnectionBroken(Exception):  # noqa: N818 - what the server is told, so that it closes the connection
    """A response ended in the middle; the log says why."""


class RequestLog:
    """ASGI middleware that gives each request an id and writes one line at its end.

    An error that nobody handled ends here, since the server would print its values: the log names its type
    and place, and who asked gets an answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @cached_property
    def _log(self) -> Any:
        """Bound once, with the first request; unbound, it is bound anew for each line."""
        return structlog.get_logger("request").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began = _asked_id(scope) or new_id(), time.perf_counter()
        status, complete = 0, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, request_id.encode("ascii"))]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        scope.setdefault("state", {})["request_id"] = request_id
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            self._log.error("unhandled", **failed_at(error))
            if not status:
                await JSONResponse({"error": "server_error"}, 500)(scope, receive, send_with_id)
            elif not complete:
                raise ConnectionBroken from None
        finally:
            elapsed = round((time.perf_counter() - began) * 1000, 1)
            path = plain_path(scope["path"])
            self._log.info("request", method=scope["method"], path=path, status=status, milliseconds=elapsed)
            structlog.contextvars.clear_contextvars()
