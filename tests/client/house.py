"""The real provider and the real portal in one process, as browsers reach them: each by its host."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx2
from starlette.applications import Starlette
from starlette.routing import Host
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from assurance.evidence import Evidence
from delegation.client import WardSystem
from deploy.sandbox.portal.app import create_portal
from deploy.sandbox.portal.login import ward_login
from deploy.sandbox.portal.portal import Portal
from tests.delegation.conftest import Resident, Town
from tests.idp.conftest import WardSystem as Registered

PORTAL = "https://portal.example"
MAINTENANCE = b"<!doctype html><h1>Maintenance</h1>"


class Line:
    """The way from the portal to the provider, on which things happen.

    :param says: what comes back instead, by path.
    :param cut: nothing comes back at all.
    """

    def __init__(self, provider: Starlette) -> None:
        self._provider, self.says, self.cut = provider, dict[str, bytes](), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.cut:
            raise httpx2.ConnectError("the line is cut")
        if scope["path"] not in self.says:
            await self._provider(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.says[scope["path"]]})


@dataclass
class Ward:
    """The town, its provider, and the portal as a browser sees it."""

    town: Town
    line: Line
    system: WardSystem
    portal: Portal

    def go(self, who: Resident, address: str) -> Any:
        """Follow a link, and every redirect after it."""
        return self._followed(who, who.http.get(urljoin(f"{PORTAL}/", address)))

    def send(self, who: Resident, desk: Any, procedure: str, text: str, **form: str) -> Any:
        """Fill in the form of a procedure, and send it."""
        here = str(desk.url)
        return who.http.post(
            f"{here}/file/{procedure}",
            data={"for": here.rpartition("/")[2], "text": text, **form},
            headers={"origin": PORTAL},
        )

    def file(self, who: Resident, desk: Any, procedure: str, text: str = "理由", **form: str) -> Any:
        """Send it, and see where that leads."""
        return self._followed(who, self.send(who, desk, procedure, text, **form))

    @staticmethod
    def _followed(who: Resident, answer: Any) -> Any:
        for _ in range(12):
            if answer.status_code not in {302, 303}:
                return answer
            answer = who.http.get(urljoin(str(answer.url), answer.headers["location"]))
        raise AssertionError(f"{answer.url} leads nowhere")

    @staticmethod
    def raise_login(who: Resident, evidence: Evidence) -> None:
        """Log in anew at the provider alone, in the same browser."""
        kept = [cookie for cookie in who.http.cookies.jar if cookie.domain == "portal.example"]
        who.log_in(evidence)
        for cookie in kept:
            who.http.cookies.jar.set_cookie(cookie)

    def log_in(self, who: Resident, choice: str = "self", start: str = "/login") -> Any:
        """Log in at the portal, and pick for whom where the picker opens."""
        page = self.go(who, start)
        if "/authorize" not in str(page.url):
            return page
        i = page.text.partition('name="i" value="')[2][:32]
        issuer = self.town.services.ward.issuer
        answer = who.http.post(
            f"{issuer}/authorize/act", data={"i": i, "acting": choice}, headers={"origin": issuer}
        )
        return self._followed(who, answer)


def build(town: Town, registered: Registered, app: Starlette) -> Ward:
    """Put the portal beside the provider. Nothing between them is mocked: Authlib and the client package talk
    to the provider's own application.
    """
    services, line = town.services, Line(app)
    system = WardSystem(
        services.ward.issuer,
        registered.client.client_id,
        registered.client.audience,
        registered.signer,
        http=TestClient(line),
        clock=services.clock,
    )
    portal = Portal(PORTAL, system)
    login = ward_login(
        services.ward.issuer,
        registered.client.client_id,
        registered.signer,
        transport=httpx2.ASGITransport(line),
    )
    app.router.routes.insert(0, Host("portal.example", create_portal(portal, login, "secret")))
    return Ward(town, line, system, portal)
