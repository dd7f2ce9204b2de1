"""The processes that `make sandbox` starts, and real browsers on them."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests/pages/node_modules/axe-core/axe.min.js"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Sandbox:
    account: str
    portal: str
    mail: str
    bridge: str


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


@contextmanager
def running(folder: Path, *options: str, portal_host: str = "localhost") -> Iterator[Sandbox]:
    """What `make sandbox` starts, on ports of its own."""
    provider, portal, mail, bridge, smtp, national = free_ports(6)
    command = [
        str(Path(sys.executable).parent / "dairi"), "sandbox", "--folder", str(folder / "state"),
        "--provider-port", str(provider), "--mail-port", str(mail), "--bridge-port", str(bridge),
        "--smtp-port", str(smtp), "--portal-port", str(portal), "--portal-host", portal_host,
        "--national-port", str(national), *options,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        (folder / "out").open("wb") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, env=environment, text=True) as process,
    ):
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        logs = "".join(path.read_text("utf-8") for path in (folder / "state").glob("*.log"))
        assert process.poll() is None, "".join(lines) + (folder / "out").read_text("utf-8") + logs
        try:
            yield Sandbox(
                f"http://localhost:{provider}/131130/account",
                f"http://{portal_host}:{portal}",
                f"http://localhost:{mail}",
                f"http://127.0.0.1:{bridge}",
            )
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            ended = process.wait(30)
        assert ended == 0


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; its event loop runs in this thread until it is closed, and asyncio cannot run beside it."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def profile(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A browser profile of one person, with a platform authenticator of their own."""
    opened: list[BrowserContext] = []

    def make(width: int = 1280, locale: str = "ja-JP") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        context.set_default_timeout(15000)
        opened.append(context)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return page

    yield make
    for context in opened:
        context.close()


def findings(page: Page, picture: Path | None = None) -> list[Any]:
    """What axe-core has to say about a page as it stands, at phone and at desk width.

    :param picture: where to keep the page as it looks at both, without the suffix.
    """
    found: list[Any] = []
    size = page.viewport_size
    page.evaluate(AXE.read_text("utf-8"))
    for width, kind in ((360, "phone"), (1280, "desk")):
        page.set_viewport_size({"width": width, "height": 900})
        if picture is not None:
            page.screenshot(path=f"{picture}-{kind}.png", full_page=True)
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        found += [
            (page.url, width, rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in result["violations"]
        ]
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found += [(page.url, width, "overflows", overflow)] if overflow > 0 else []
    if size is not None:
        page.set_viewport_size(size)
    return found


class Tour:
    """A person at a browser; every page they see is checked in its languages, and kept as a picture."""

    def __init__(self, page: Page, sandbox: Sandbox, pictures: Path) -> None:
        self.page, self.sandbox, self._pictures = page, sandbox, pictures

    def look(self, name: str) -> None:
        """Judge and keep a page; one with an address of its own in its other languages too."""
        self._judge(name)
        here, others = self.page.url, self.page.locator("ul.languages a:not([lang=ja])")
        tags = [others.nth(n).get_attribute("lang") for n in range(others.count())]
        for tag in [*tags, "ja"] if tags else []:
            self.page.locator(f"ul.languages a[lang={tag}]").click()
            self.page.locator(f"html[lang={tag}]").wait_for(state="attached")
            if tag != "ja":
                self._judge(f"{name}-{tag}")
        if tags:
            self.page.goto(here)

    def _judge(self, name: str) -> None:
        assert findings(self.page, self._pictures / name) == []

    def mails(self) -> int:
        """How many mails were caught so far."""
        page = self.page.context.new_page()
        page.goto(self.sandbox.mail)
        count = page.locator("section.card").count()
        page.close()
        return count

    def new_mail(self, seen: int, to: str, pattern: str) -> str:
        """What a mail to an address says that came after `seen` others."""
        page = self.page.context.new_page()
        for _ in range(100):
            page.goto(self.sandbox.mail)
            texts = page.locator("section.card").all_inner_texts()
            for text in texts[: len(texts) - seen]:
                found = re.search(pattern, text)
                if to in text and found is not None:
                    page.close()
                    return found[1]
            page.wait_for_timeout(100)
        raise AssertionError(f"no mail came to {to}")

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text).first.click()

    def follow(self, text: str) -> None:
        self.page.get_by_role("link", name=text).first.click()

    def lay(self, card: str) -> None:
        lies = "（(置いてあります|on the reader)）"
        self.page.get_by_role("button", name=re.compile(f"^{card}({lies})?$")).click()
        self.page.get_by_role("button", name=re.compile(f"^{card}{lies}$")).wait_for()

    def type_pin(self, card: str, pin: str = "1234") -> None:
        self.lay(card)
        self.page.get_by_label("暗証番号").fill(pin)
        self.press("ログイン")


@pytest.fixture(scope="session")
def pictures() -> Path:
    folder = ROOT / ".artifacts" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def person(profile: Callable[..., Page], sandbox: Sandbox, pictures: Path) -> Callable[[], Tour]:
    return lambda: Tour(profile(), sandbox, pictures)
