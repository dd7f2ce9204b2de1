"""What Dairi is measured beside: npm's `oidc-provider`, and a bare route."""

import hashlib
import subprocess
import sys
from pathlib import Path

from card.jose import b64url_encode
from tests.bench.load import Load, Rate, measure, resident_mb, serving
from tests.bench.seeding import CALLBACK, ONCE, SECRET, VERIFIER, basic, code_form, form_headers
from tests.end_to_end.conftest import free_ports

PEER = Path(__file__).parent / "peer"


def _loads(folder: Path) -> dict[str, Load]:
    client, form = {"Authorization": basic(), **form_headers()}, "grant_type=client_credentials&scope=decide"

    def each(name: str) -> list[str]:
        return (folder / name).read_text("ascii").split()

    refreshing, token = "grant_type=refresh_token&refresh_token={}", "token={}"
    return {
        "token: client_credentials": Load("/token", client, [form]),
        "token: authorization_code": Load(
            "/token", client, [code_form(code) for code in each("codes")], once=True
        ),
        "token: refresh_token": Load(
            "/token", client, [refreshing.format(one) for one in each("refresh_tokens")], once=True
        ),
        "introspection": Load(
            "/token/introspection", client, [token.format(one) for one in each("access_tokens")]
        ),
    }


def floor(folder: Path) -> Rate:
    """Requests a second of a bare Starlette route."""
    (port,) = free_ports(1)
    base = f"http://localhost:{port}"
    with serving([sys.executable, "-m", "tests.bench.floor", str(port)], base, {}) as process:
        assert process is not None, "a bare route does not start"
        return measure(folder, base, process.pid, Load("/", form_headers(), ["a=b"]))


def peer(folder: Path) -> tuple[dict[str, Rate], float]:
    """The peer's rows, and its memory; nothing where it does not run."""
    (port,) = free_ports(1)
    base, challenge = f"http://localhost:{port}", b64url_encode(hashlib.sha256(VERIFIER.encode()).digest())
    command = ["node", "server.js", str(port), str(folder), SECRET, CALLBACK, challenge, str(ONCE)]
    discovery = f"{base}/.well-known/openid-configuration"
    with serving(command, discovery, {"NODE_ENV": "production"}, PEER) as process:
        if process is None:
            return {}, 0
        loads = _loads(folder)
        measure(
            folder, base, process.pid, loads["introspection"]
        )  # its compiler warms up in the first seconds
        rows = {name: measure(folder, base, process.pid, load) for name, load in loads.items()}
        return rows, resident_mb(process.pid)


def node_version() -> str:
    """What the peer runs on; empty where there is none."""
    try:
        return subprocess.run(
            ["node", "--version"], check=True, capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        return ""
