"""What Dairi is measured beside: npm's `oidc-provider`, and a bare route."""

import hashlib
import sys
from pathlib import Path

from card.jose import b64url_encode
from tests.bench.load import Load, Rate, measure, resident_mb, serving
from tests.bench.seeding import CALLBACK, ONCE, SECRET, VERIFIER, basic, code_form, form_headers
from tests.end_to_end.conftest import free_ports

PEER = Path(__file__).parent / "peer"
INTROSPECTION = "introspection"
FORMS = {
    "token: authorization_code": ("codes", "/token", code_form("{}")),
    "token: client_credentials": (None, "/token", "grant_type=client_credentials&scope=decide"),
    "token: refresh_token": ("refresh_tokens", "/token", "grant_type=refresh_token&refresh_token={}"),
    INTROSPECTION: ("access_tokens", "/token/introspection", "token={}"),
}


def floor(folder: Path) -> Rate | None:
    """Requests a second of a bare Starlette route."""
    (port,) = free_ports(1)
    base = f"http://localhost:{port}"
    with serving([sys.executable, "-m", "tests.bench.floor", str(port)], base, {}) as process:
        return process and measure(folder, base, process.pid, Load("/", form_headers(), ["a=b"]))


def peer(folder: Path) -> tuple[dict[str, Rate], float]:
    """The peer's rows, and its memory; nothing where it does not run."""
    (port,) = free_ports(1)
    base, challenge = f"http://localhost:{port}", b64url_encode(hashlib.sha256(VERIFIER.encode()).digest())
    command = [
        "node",
        str(PEER / "server.js"),
        str(port),
        str(folder),
        SECRET,
        CALLBACK,
        challenge,
        str(ONCE),
    ]
    discovery = f"{base}/.well-known/openid-configuration"
    with serving(command, discovery, {"NODE_ENV": "production"}) as process:
        if process is None:
            return {}, 0
        rows: dict[str, Rate] = {}
        for name, (values, path, form) in FORMS.items():
            kept = [""] if values is None else (folder / values).read_text("ascii").split()
            once = path == "/token" and values is not None
            bodies = [form.format(value) for value in kept]
            rows[name] = measure(
                folder,
                base,
                process.pid,
                Load(path, {"Authorization": basic(), **form_headers()}, bodies, once),
            )
        return rows, resident_mb(process.pid)
