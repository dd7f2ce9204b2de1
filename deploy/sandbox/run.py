"""`dairi sandbox`: start every part in a process of its own, print the tour, and stop them all together."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Final

import httpx2
import typer

from card.clock import SystemClock
from card.test_authority import TestAuthority
from card.virtual import pcscd
from card.virtual.deck import DeckServer, LocalDeck
from card.virtual.store import load_deck
from card.virtual.vpcd import VpcdSlot
from deploy.sandbox.layout import NEIGHBOUR, Layout
from deploy.sandbox.provider import on_loopback
from deploy.sandbox.seed import PASSWORD, PIN, prepare_folder, seed

_READY_S: Final = 60.0
_STOP_S: Final = 10.0
_CRL_EVERY_S: Final = 3600.0


class _Parts:
    """The processes of one sandbox."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: Sequence[str]) -> None:
        log: IO[bytes] = (self._layout.folder / f"{name}.log").open("ab")
        with log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *arguments],
                env={**os.environ, **self._layout.environment()},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us first, and we stop them in order
            )

    def wait_until_ready(self, name: str, address: str) -> None:
        """Wait for a part's page.

        :raises RuntimeError: when it ended or does not answer.
        """
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and self._processes[name].poll() is None:
            try:
                if httpx2.get(address, timeout=2).status_code < 400:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"{name} did not start; see {self._layout.folder / name}.log")

    def died(self) -> str | None:
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _lay_cards(layout: Layout, stack: ExitStack) -> Sequence[str]:
    """Put the residents' cards where the bridge finds them.

    :returns: the bridge's arguments for it.
    """
    if not layout.in_process_card:
        try:
            stack.enter_context(pcscd.virtual_reader(layout.folder / "pcscd"))
            deck = LocalDeck(load_deck(layout.deck), VpcdSlot().lay)
            server = stack.enter_context(DeckServer(deck, "127.0.0.1", 0))
            deck.insert(deck.names()[0])
            stack.callback(deck.remove)
        except OSError as error:
            typer.echo(f"  no pcscd here ({error}): the card lives inside the bridge's own process")
        else:
            typer.echo("  the virtual card lies behind the real pcscd and vpcd")
            return ["--deck-port", str(server.port)]
    return ["--deck-folder", str(layout.deck)]


def _tour(layout: Layout) -> str:
    return f"""
Dairi runs. 代理が動いています。

  the sample ward system   {layout.portal}
  the resident's page      {layout.issuer}/account
  caught mail              {layout.mail}
  the bridge to the card   {layout.bridge}
  instead of the national app (デジタル認証アプリ)   {layout.national}

PIN {PIN}, signature password {PASSWORD}. Which card lies on the reader is chosen on the bridge's page.
Use a browser profile for each person. Addresses below begin with {layout.issuer}.

A daughter for her mother: 田中花子 (78, hanako@example.jp) and 田中由紀 (yuki@example.jp).
  1. Hanako: open the ward system, ログインする, マイナンバーカード, PIN {PIN}. It shows her name and level.
  2. Hanako: on the resident's page add a passkey, log out, and log in with it.
  3. Hanako: 委任のページへ, 代わりの人にお願いする. Type 田中由紀 and yuki@example.jp, choose the renewal
     of care certification and the reissue of the insurance card, and a last day within three months.
  4. Yuki: open the invitation in the caught mail, log in by メールアドレス with the code that comes by mail;
     this shows nothing yet. カードかパスキーで確認する (lay her card on the reader), read, 引き受ける.
     Her page shows six digits. She adds a passkey on her own page.
  5. Hanako: on the grant's page type Yuki's digits, read the mandate back, and sign with {PASSWORD}.
  6. Yuki: log in to the ward system with her passkey and pick 田中花子さんの代理. The renewal is filed;
     the notice of a care plan is refused, since the mandate does not include it; the reissue asks for
     her card, and what she typed is still there afterwards.
  7. Hanako: on the grant's page see what was done, and end it. Whatever Yuki tries next is refused.

A care office: its administrator 桜井道子 (sakurai@example.jp), the care managers 佐藤健 (sato@example.jp) and
森緑 (mori@example.jp), and 職員一郎, 職員二郎, 職員三郎 of the ward, who are staff and admins.
  8. 職員一郎: /staff/offices, register 居宅介護支援事業所さくら, 1370100016, with its administrator.
  9. Sakurai: open the invitation, 承諾する; on the office's page invite Sato and Mori with any eight digits.
     They accept theirs, and 職員一郎 confirms their numbers.
 10. Sato: /offices, お願いする: 田中花子 (1948-05-03) and 鈴木一郎 (1944-02-29), for the care plan's notice.
 11. Hanako: /grants shows who asks, for which office, for what and until when; she reads and signs.
 12. Suzuki has no mailbox: 職員一郎 opens /counter, カードを読む, lays Suzuki's card, and Suzuki reads the
     request and signs there. /counter/papers/new is for a mandate on paper, entered by two of the staff.
 13. Sato: file in the ward system for Hanako, and in another tab for Suzuki; /developer shows the tokens,
     which name his office. Sakurai hands Hanako over to Mori; she is told, and may refuse.
 14. 職員二郎: /staff, 人をさがす, 佐藤健 (1985-07-07), この人を停止する: all that he has stops. Two of the
     three lift it with their cards. だれがだれを見たか shows this look too, and so do Sato's own records.

 15. 職員一郎: {layout.portal}/counter, カードから写す: he logs in with his card; then
     Suzuki lays his own, agrees with his PIN, and sees what the form is filled in with (書かない窓口).
 16. Hanako: on the resident's page add デジタル認証アプリ, choose what her phone answers, and log in with it.
 17. 職員一郎: /counter, カードを登録する, for 高橋和子, whom nobody knows yet; 職員二郎 confirms it there.
 18. Hanako: {layout.issuers[NEIGHBOUR]}/account is 世田谷区, next door; her card is another person there.

Trying your own system: `dairi client add` registers it, and the login page lets you pick any of these people.
In another shell, after `. {layout.folder}/environment`: `.venv/bin/dairi audit verify`.
Ctrl-C stops everything; the next start goes on from here, `make sandbox-reset` from scratch.
"""


def _keep_lists_fresh(authority: TestAuthority, stopped: threading.Event) -> None:
    while not stopped.wait(_CRL_EVERY_S):
        authority.publish_crls(SystemClock().now())


def sandbox(
    folder: Annotated[Path, typer.Option(help="Where it keeps its state.")] = Path(".sandbox"),
    provider_port: Annotated[int, typer.Option(help="Port of the provider.")] = 8400,
    portal_port: Annotated[int, typer.Option(help="Port of the sample ward system.")] = 8401,
    mail_port: Annotated[int, typer.Option(help="Port of the page of caught mail.")] = 8402,
    bridge_port: Annotated[int, typer.Option(help="Port of the bridge.")] = 8403,
    smtp_port: Annotated[int, typer.Option(help="Port that mail is sent to.")] = 8425,
    in_process_card: Annotated[bool, typer.Option(help="Do without pcscd.")] = False,
    portal_host: Annotated[
        str, typer.Option(help="Host of the sample ward system; 127.0.0.1 makes it another site.")
    ] = "localhost",
    national_port: Annotated[
        int, typer.Option(help="Port of what stands in for デジタル認証アプリ, the national app.")
    ] = 8404,
    reset: Annotated[bool, typer.Option(help="Forget the last sandbox first.")] = False,
) -> None:
    """Run the provider, a ward system, a bridge with a virtual card and a mail catcher, until Ctrl-C."""
    layout = Layout(
        folder.resolve(),
        provider_port,
        portal_port,
        mail_port,
        bridge_port,
        smtp_port,
        in_process_card,
        portal_host,
        national_port,
    )
    if reset and layout.folder.exists():
        shutil.rmtree(layout.folder)
    typer.echo("Making cards, keys and people (a few seconds at the first start) ...")
    authority = prepare_folder(layout)
    seed(layout)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    parts = _Parts(layout)
    with ExitStack() as stack:
        stack.callback(parts.stop)
        typer.echo("Starting the provider and what it works with ...")
        card = _lay_cards(layout, stack)
        code = secrets.token_urlsafe(9)
        parts.start("provider", ["-m", "deploy.sandbox.provider", code])
        parts.start("mailbox", ["-m", "deploy.sandbox.mailbox", str(smtp_port), str(mail_port)])
        portal = ["-m", "deploy.sandbox.portal", layout.issuer, layout.portal, str(layout.portal_key)]
        parts.start("portal", portal)
        national = ["-m", "deploy.sandbox.national", str(layout.national_file), str(national_port)]
        parts.start("national", national)
        entry = "from idp.cli import main; main()"
        bridge = ["bridge", "--enrolment", str(layout.enrolment), "--port", str(bridge_port), *card]
        parts.start("bridge", ["-c", entry, *bridge])
        parts.wait_until_ready("provider", f"http://localhost:{provider_port}/health/ready")
        parts.wait_until_ready("mailbox", layout.mail)
        parts.wait_until_ready("bridge", layout.bridge)
        parts.wait_until_ready("portal", layout.portal)
        parts.wait_until_ready("national", layout.national)
        threading.Thread(target=_keep_lists_fresh, args=(authority, stopped), daemon=True).start()
        typer.echo(_tour(layout))
        if not on_loopback(layout.settings().host):
            typer.echo(f"Other machines reach the provider; there, a person is picked with the code {code}.")
        while not stopped.wait(1):
            died = parts.died()
            if died is not None:
                typer.echo(f"{died} ended by itself; see {layout.folder / died}.log", err=True)
                raise typer.Exit(1)
    typer.echo("Stopped.")
