"""The bridge's pages: ask for the PIN, sign, and hand the container back to the provider."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from card import linking
from card.attributes import read_on
from card.bridge.enrolment import Enrolment
from card.bridge.form import SigningForm, read_form
from card.bridge.gate import ENTRY, STATIC, Gate
from card.bridge.sessions import SigningSession, SigningSessions
from card.certificates import Purpose
from card.clock import Clock
from card.container import SigningPurpose
from card.countersignature import countersign
from card.faults import FAULTS, Fault
from card.jose import Signer
from card.linking import SecretRefused
from card.pages import Pages, Source
from card.pages.catalogue import closest
from card.pages.forms import read_body, read_posted, see_other
from card.printed import write_printed
from card.request import CardRequest, ReadingRequest, RequestRefused
from card.signing import sign_on
from card.transport import Reader
from card.virtual.deck import Deck

_LAST_TRY: Final = frozenset({"card.last_try", "card.wrong_pin_last"})


@dataclass
class Bridge:
    """One user's bridge to one reader.

    :param address: its origin, `http://127.0.0.1:<port>`.
    :param deck: virtual cards to choose from; the sandbox only.
    :param own_user_only: refuse programs of other users of this machine.
    :param key: the bridge's own, where staff enrolled it; it countersigns what goes back.
    """

    enrolled: Enrolment
    reader: Reader
    clock: Clock
    address: str
    deck: Deck | None = None
    own_user_only: bool = True
    key: Signer | None = None
    _reader_is_used: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.pages = Pages([Source("bridge", "card.bridge")], ["card"])
        self.sessions = SigningSessions(self.enrolled, self.clock)

    def attempt(self, form: SigningForm) -> None:
        """Ask the card, once for each page; a second click waits here for what the first one brings.

        :raises RequestRefused: as `SigningSessions.get`; what the card says stays with the session.
        """
        with self._reader_is_used:
            session = self.sessions.get(form.session)
            if not session.spend(form.attempt):
                return
            try:
                session.answer = self._ask_card(session, form)
            except Fault as fault:
                session.fault = fault

    def _ask_card(self, session: SigningSession, form: SigningForm) -> str:
        """What the card signs or tells, as it goes to the provider."""
        asked, before = session.request, session.fault
        if isinstance(asked, ReadingRequest):
            return write_printed(read_on(self.reader, form.pin, confirm_last_try=form.confirm))
        if asked.purpose is SigningPurpose.LINK:
            said = {before.purpose} if form.confirm and isinstance(before, SecretRefused) else set()
            pair = linking.link_on(
                self.reader, asked.to_be_signed, form.pin, form.password, confirm_last_try=frozenset(said)
            )
            return linking.to_json(pair)
        signed = sign_on(
            self.reader, asked.to_be_signed, asked.certificate, form.pin, confirm_last_try=form.confirm
        )
        return signed.to_json()

    def countersignature(self, asked: CardRequest | ReadingRequest, container: str) -> str | None:
        """What this PC's key says of what a card signed, where it has one."""
        if self.key is None or isinstance(asked, ReadingRequest):
            return None
        return countersign(asked, container, self.key, self.clock.now())

    def choose(self, name: str) -> None:
        """Lay a virtual card on the reader.

        :raises Fault: `card.service_down` when there is no reader or deck any more.
        """
        if self.deck is None:
            raise Fault("bridge.unknown_page")
        try:
            self.deck.insert(name)
        except KeyError:
            return  # the page was older than the deck
        except OSError as error:
            raise Fault("card.service_down") from error

    def cards(self) -> Mapping[str, object]:
        """What the page for choosing a virtual card shows."""
        if self.deck is None:
            return {"cards": [], "inserted": None}
        return {"cards": self.deck.names(), "inserted": self.deck.inserted()}

    def refuse(self, request: Request, fault: Fault) -> Response:
        """The page of a request that ended, with the way back where it is known."""
        back = fault.cancel_uri if isinstance(fault, RequestRefused) else None
        return self.pages.fault(request, fault, status=FAULTS[fault.code].status, back=back)


def _pin_page(bridge: Bridge, request: Request, handle: str, session: SigningSession) -> Response:
    locale, asked, fault = bridge.pages.locale(request), session.request, session.fault
    links = isinstance(asked, CardRequest) and asked.purpose is SigningPurpose.LINK
    context = {
        "asked": asked,
        "issuer_name": _told(asked.issuer_name, locale),
        "handle": handle,
        "attempt": session.attempt,
        **_what(asked, locale),
        "error": None if fault is None else bridge.pages.fault_texts(locale, fault),
        "about": fault.purpose if isinstance(fault, SecretRefused) else None,
        "confirm": fault is not None and fault.code in _LAST_TRY,
        **bridge.cards(),
    }
    status = 200 if fault is None else FAULTS[fault.code].status
    template = "bridge/link.html" if links else "bridge/pin.html"
    return bridge.pages.render(request, template, context, status=status)


def _told(names: Mapping[str, str], locale: str) -> str:
    return names[closest(locale, names)]


def _what(asked: CardRequest | ReadingRequest, locale: str) -> Mapping[str, object]:
    """What the page asks for: a PIN, a password, or what opens what is printed, for whom."""
    if isinstance(asked, ReadingRequest):
        return {"password": False, "text": None, "reader": _told(asked.reader_name, locale)}
    return {"password": asked.certificate is Purpose.SIGNATURE, "text": asked.text, "reader": None}


def create_bridge(bridge: Bridge) -> Starlette:
    """The bridge as an ASGI application."""

    async def enter(request: Request) -> Response:
        if request.method == "POST":
            jws = (await read_posted(request)).one("request")
        else:
            jws = request.query_params.get("request", "")
        return see_other(f"/ask?t={bridge.sessions.open(jws)}")

    def ask(request: Request) -> Response:
        handle = request.query_params.get("t", "")
        session = bridge.sessions.get(handle)
        if session.answer is None:
            return _pin_page(bridge, request, handle, session)
        asked, container = session.request, session.answer
        context = {
            "asked": asked,
            "container": container,
            "countersignature": bridge.countersignature(asked, container),
        }
        return bridge.pages.render(request, "bridge/onward.html", context, leads_out=True)

    async def sign(request: Request) -> Response:
        form = read_form(await read_body(request))
        try:
            await run_in_threadpool(bridge.attempt, form)
        finally:
            form.forget()
        return see_other(f"/ask?t={form.session}")

    async def choose(request: Request) -> Response:
        posted = await read_posted(request)
        handle = posted.one("session")
        await run_in_threadpool(bridge.choose, posted.one("card"))
        if not handle:
            return see_other("/")
        bridge.sessions.get(handle).fault = None
        return see_other(f"/ask?t={handle}")

    def home(request: Request) -> Response:
        context = {"issuers": bridge.enrolled.issuers, **bridge.cards()}
        return bridge.pages.render(request, "bridge/home.html", context)

    def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, Fault):
            return bridge.refuse(request, error)
        code = "bridge.unknown_page" if _names_no_page(error) else "bridge.request_invalid"
        return bridge.refuse(request, Fault(code))

    return Starlette(
        routes=[
            Route("/", home),
            Route(ENTRY, enter, methods=["GET", "POST"]),
            Route("/ask", ask),
            Route("/sign", sign, methods=["POST"]),
            Route("/card", choose, methods=["POST"]),
            Mount(STATIC, Pages.static()),
        ],
        middleware=[
            Middleware(Gate, address=bridge.address, own_user_only=bridge.own_user_only, refuse=bridge.refuse)
        ],
        exception_handlers={Fault: refuse, HTTPException: refuse},
    )


def _names_no_page(error: Exception) -> bool:
    """Whether there is no such page, or none to be had that way (RFC 9110 §15.5.5, §15.5.6)."""
    return isinstance(error, HTTPException) and error.status_code in {404, 405}
