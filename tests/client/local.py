"""A provider on a real socket that says yes to everything, until it is told to misbehave at one address."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from card.jose import SoftwareSigner, sign_compact

AUDIENCE: Final = "https://kaigo.ward.example"
YES: Final = {
    "decision": True,
    "context": {"reason": "allowed"},
    "access_token": "own",
    "refresh_token": "next",
    "token_type": "Bearer",
    "expires_in": 600,
}
METADATA: Final = "/.well-known/openid-configuration"
EVALUATION: Final = "/access/v1/evaluation"

Misbehaviour = Callable[[BaseHTTPRequestHandler], None]


def say(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body))}.items() | (
        headers.items()
    ):
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class LocalProvider:
    """What stands behind an issuer `http://127.0.0.1:port`.

    :param misbehaving: by path.
    """

    def __init__(self, port: int) -> None:
        self.issuer, self.signer = f"http://127.0.0.1:{port}", SoftwareSigner.generate()
        self.stopped = threading.Event()
        self.behave()

    def behave(self) -> None:
        """Forget what was asked and how it was answered; whoever hangs is let go."""
        self.stopped.set()
        self.stopped = threading.Event()
        self.misbehaving: dict[str, Misbehaviour] = {}
        self.asked: Counter[str] = Counter()
        self.forms: list[str] = []

    @property
    def documents(self) -> Mapping[str, Mapping[str, object]]:
        return {
            METADATA: {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint": f"{self.issuer}/token",
            },
            "/jwks": {"keys": [self.signer.public_jwk()]},
            "/token": YES,
            EVALUATION: YES,
            "/elsewhere": YES,
        }

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked[handler.path] += 1
        self.forms.append(handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode())
        if handler.path in self.misbehaving:
            self.misbehaving[handler.path](handler)
        else:
            say(handler, 200, json.dumps(self.documents[handler.path]).encode())

    def token(self, signer: SoftwareSigner | None = None, typ: str = "at+jwt", **changes: Any) -> str:
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "hanako", "client_id": "kaigo", "scope": "kaigo",
            "jti": "j", "iat": now, "exp": now + 600,
        }  # fmt: skip
        return sign_compact(claims | changes, signer or self.signer, typ=typ)


@contextmanager
def served() -> Iterator[LocalProvider]:
    """Serve one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.answer(self)

        def do_POST(self) -> None:
            provider.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.handle_error = True, lambda *_: None  # type: ignore[method-assign] # they hang up
    provider = LocalProvider(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        provider.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


# Ways to misbehave.


def answers(status: int, body: bytes = json.dumps(YES).encode(), **headers: str) -> Misbehaviour:
    return lambda handler: say(handler, status, body, **headers)


def drips(provider: LocalProvider) -> Misbehaviour:
    def run(handler: BaseHTTPRequestHandler) -> None:
        stopped = provider.stopped
        handler.send_response(200)
        handler.end_headers()
        while not stopped.wait(0.05):
            handler.wfile.write(b" ")

    return run


def hangs(provider: LocalProvider) -> Misbehaviour:
    def run(_handler: BaseHTTPRequestHandler) -> None:
        provider.stopped.wait()

    return run


def pours(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b" " * 1_000_000 + json.dumps(YES).encode())


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "9999")
    handler.end_headers()
    handler.wfile.write(json.dumps(YES).encode())
