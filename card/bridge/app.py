"""The bridge's pages: ask for the PIN, sign, and hand the container back to the provider."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from card.bridge.form import SigningForm, read_form
from card.bridge.peers import is_our_user
from card.certificates import Purpose
from card.clock import Clock
from card.faults import FAULTS, Fault
from card.jose import Flattened
from card.jpki import JpkiCard
from card.pages import Pages, Source
from card.request import MAX_BYTES, CardRequest, EnrolledIssuer, read_request
from card.transport import Reader
from card.virtual.deck import Deck

_MOST_SESSIONS: Final = 64
_Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass
class Bridge:
    """The state of one bridge: requests that wait for a PIN, and those seen before.

    :param deck: virtual cards to choose from; the sandbox only.
    :param own_user_only: refuse programs of other users of this machine.
    """

    enrolled: Mapping[str, EnrolledIssuer]
    reader: Reader
    clock: Clock
    address: str
    deck: Deck | None = None
    own_user_only: bool = True

    def __post_init__(self) -> None:
        self.pages = Pages([Source("bridge", "card.bridge")], ["card"])
        self._waiting: dict[str, CardRequest] = {}
        self._seen: dict[str, datetime] = {}

    def open(self, jws: str) -> str:
        """Take a request in, once.

        :returns: the token of the page that asks for the PIN.
        """
        now = self.clock.now()
        request = read_request(jws, self.enrolled, now)
        self._seen = {jti: until for jti, until in self._seen.items() if until > now}
        if request.request_id in self._seen:
            raise Fault("bridge.replayed")
        self._seen[request.request_id] = request.expires_at
        while len(self._waiting) >= _MOST_SESSIONS:
            self._waiting.pop(next(iter(self._waiting)))
        token = secrets.token_urlsafe(32)
        self._waiting[token] = request
        return token

    def waiting(self, token: str) -> CardRequest:
        """The request of a page."""
        request = self._waiting.get(token)
        if request is None:
            raise Fault("bridge.unknown_session")
        if self.clock.now() >= request.expires_at:
            raise Fault("bridge.expired")
        return request

    def sign(self, token: str, form: SigningForm) -> list[Flattened]:
        """Sign every item with the card; the page's token is spent by success alone."""
        request = self.waiting(token)
        made: list[Flattened] = []
        with self.reader.connect() as transport:
            for item in request.items:
                with JpkiCard(transport) as card:
                    certificate, (signature,) = card.sign(
                        item.certificate,
                        form.pin,
                        [item.to_be_signed.signing_input],
                        confirm_last_try=form.confirm,
                    )
                made.append(
                    Flattened(item.to_be_signed.protected, item.to_be_signed.payload, signature, certificate)
                )
        self._waiting.pop(token, None)
        return made

    def choose(self, name: str) -> None:
        """Lay a virtual card on the reader."""
        if self.deck is None:
            raise Fault("bridge.unknown_session")
        with contextlib.suppress(KeyError):
            self.deck.insert(name)

    # Pages.

    def ask(self, request: Request, token: str, *, fault: Fault | None = None) -> Response:
        """The PIN page."""
        asked = self.waiting(token)
        locale = self.pages.locale(request)
        names = asked.issuer_name
        context = {
            "asked": asked,
            "issuer_name": names.get(locale) or next(iter(names.values())),
            "text": None if asked.text is None else asked.text.get(locale) or next(iter(asked.text.values())),
            "token": token,
            "password": asked.items[0].certificate is Purpose.SIGNATURE,
            "error": None if fault is None else self.pages.fault_texts(locale, fault),
            "confirm": fault is not None and fault.code == "card.last_try",
            "cards": [] if self.deck is None else self.deck.names(),
            "inserted": None if self.deck is None else self.deck.inserted(),
        }
        status = 200 if fault is None else FAULTS[fault.code].status
        return self.pages.render(request, "bridge/pin.html", context, status=status, leads_out=True)


def _guarded(bridge: Bridge, endpoint: _Endpoint, *, entry: bool) -> _Endpoint:
    """Refuse whatever is no page of ours or no navigation of this user's own browser.

    The entry takes foreign sites and `Origin: null`, because the request's signature authenticates it;
    every other page takes our own pages alone, so that nobody can burn a person's tries.
    """

    async def guarded(request: Request) -> Response:
        try:
            _refuse_foreigners(bridge, request, entry=entry)
            return await endpoint(request)
        except Fault as fault:
            return bridge.pages.fault(request, fault, status=FAULTS[fault.code].status)

    return guarded


def _refuse_foreigners(bridge: Bridge, request: Request, *, entry: bool) -> None:
    host = request.headers.get("host", "")
    if f"http://{host}" != bridge.address:
        raise Fault("bridge.foreign_page")
    if request.headers.get("sec-fetch-dest", "document") != "document":
        raise Fault("bridge.foreign_page")
    if not entry and request.method == "POST":
        site = request.headers.get("sec-fetch-site")
        if site != "same-origin" and not (site is None and request.headers.get("origin") == bridge.address):
            raise Fault("bridge.foreign_page")
    if bridge.own_user_only and request.client is not None:
        server = request.scope.get("server") or ("", 0)
        if not is_our_user(request.client.port, int(server[1])):
            raise Fault("bridge.foreign_user")


def create_bridge(bridge: Bridge) -> Starlette:
    """The bridge as an ASGI application."""

    async def enter(request: Request) -> Response:
        if request.method == "POST":
            async with request.form(max_fields=2, max_part_size=MAX_BYTES) as form:
                jws = form.get("request")
        else:
            jws = request.query_params.get("request")
        token = bridge.open(jws if isinstance(jws, str) else "")
        return RedirectResponse(f"/ask?t={token}", status_code=303)

    async def ask(request: Request) -> Response:
        return bridge.ask(request, request.query_params.get("t", ""))

    async def sign(request: Request) -> Response:
        form = read_form(await request.body())
        asked = bridge.waiting(form.token)
        try:
            containers = await run_in_threadpool(bridge.sign, form.token, form)
        except Fault as fault:
            if fault.code == "bridge.unknown_session":
                raise
            return bridge.ask(request, form.token, fault=fault)
        finally:
            form.forget()
        context = {"asked": asked, "containers": [container.to_json() for container in containers]}
        return bridge.pages.render(request, "bridge/onward.html", context, leads_out=True)

    async def choose(request: Request) -> Response:
        async with request.form(max_fields=3) as form:
            name, token = form.get("card"), form.get("token")
        await run_in_threadpool(bridge.choose, str(name))
        return RedirectResponse(f"/ask?t={token}" if token else "/", status_code=303)

    async def home(request: Request) -> Response:
        cards = [] if bridge.deck is None else bridge.deck.names()
        context = {
            "issuers": list(bridge.enrolled),
            "cards": cards,
            "inserted": None if bridge.deck is None else bridge.deck.inserted(),
        }
        return bridge.pages.render(request, "bridge/home.html", context)

    return Starlette(
        routes=[
            Route("/", _guarded(bridge, home, entry=False)),
            Route("/request", _guarded(bridge, enter, entry=True), methods=["GET", "POST"]),
            Route("/ask", _guarded(bridge, ask, entry=True)),
            Route("/sign", _guarded(bridge, sign, entry=False), methods=["POST"]),
            Route("/card", _guarded(bridge, choose, entry=False), methods=["POST"]),
            Mount("/static", Pages.static()),
        ]
    )
