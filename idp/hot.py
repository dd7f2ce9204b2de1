"""The endpoints that systems call all the time: plain routes, ahead of the pages, refused in JSON."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from assurance.database import StorageUnavailable
from card.faults import Fault
from delegation.evaluation import evaluation_routes
from idp.delegating import parts_of
from idp.faults import ALL, RETRY_LATER
from idp.logs import log_unavailable
from idp.services import Services
from idp.token.routes import token_routes

_UNAVAILABLE: Final = {
    "error": "temporarily_unavailable",
    "error_description": "nothing was lost; please try again in a few seconds",
}


class HotRoute(Route):
    """A route whose path is its own whatever the method: no page lies behind it."""

    def __init__(self, route: Route) -> None:
        endpoint = route.endpoint

        async def answered(request: Request) -> Response:
            """A dependency that is down is 503 with `Retry-After` (RFC 9110 §15.6.4)."""
            try:
                response: Response = await endpoint(request)
            except StorageUnavailable as error:
                log_unavailable(error)
                return JSONResponse(_UNAVAILABLE, 503, RETRY_LATER)
            except Fault as fault:
                return JSONResponse({"error": "invalid_request"}, ALL[fault.code].status)
            return response

        super().__init__(route.path, answered, methods=sorted(route.methods or ()))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Also with a method that it does not serve."""
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; another method is 405 with `Allow` (RFC 9110 §15.5.6)."""
        allowed = sorted(self.methods or ())
        if scope["method"] in allowed:
            await super().handle(scope, receive, send)
            return
        refused = JSONResponse({"error": "invalid_request"}, 405, {"Allow": ", ".join(allowed)})
        await refused(scope, receive, send)


def hot_routes(services: Services) -> Sequence[HotRoute]:
    """Those of one ward."""
    routes = (*token_routes(services), *evaluation_routes(parts_of(services)))
    return [HotRoute(route) for route in routes]
