"""Who may speak to the bridge at all: a navigation of this user's own browser, to this very address.

It stands before every path, also those that do not exist.
"""

from collections.abc import Callable
from typing import Final

from starlette.datastructures import Address
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from card.bridge.peers import is_our_user
from card.faults import Fault
from card.pages.forms import refuse_foreign_pages

ENTRY: Final = "/request"
STATIC: Final = "/static"
_FRAMES: Final = frozenset({"frame", "iframe", "fencedframe", "embed", "object"})


class Gate:
    """The bridge's application behind its checks.

    :param address: origin of the bridge; a page under another `Host` has been rebound to loopback.
    :param refuse: makes the page of a fault.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        address: str,
        own_user_only: bool,
        refuse: Callable[[Request, Fault], Response],
    ) -> None:
        self._app = app
        self._address = address
        self._own_user_only = own_user_only
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            self._check(request)
        except Fault as fault:
            await self._refuse(request, fault)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        """Refuse foreigners.

        The entry takes foreign sites and `Origin: null`, because the request's signature authenticates it;
        every other page takes our own forms alone, so that nobody can burn a person's tries.

        :raises Fault: `bridge.foreign_page`, `bridge.foreign_user` or `request.foreign_page`.
        """
        if f"http://{request.headers.get('host', '')}" != self._address:
            raise Fault("bridge.foreign_page")
        path, destination = request.url.path, request.headers.get("sec-fetch-dest", "document")
        if destination in _FRAMES or (destination != "document" and not path.startswith(f"{STATIC}/")):
            raise Fault("bridge.foreign_page")
        if path != ENTRY:
            refuse_foreign_pages(request, self._address)
        if self._own_user_only and not _is_from_our_user(request):
            raise Fault("bridge.foreign_user")


def _is_from_our_user(request: Request) -> bool:
    server = request.scope.get("server")
    return request.client is not None and server is not None and is_our_user(request.client, Address(*server))
