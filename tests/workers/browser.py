"""Real HTTP to several workers: what a balancer, a browser and a resident at one do."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from itertools import count
from typing import Any, Final

import httpx2

from idp.services import Services
from tests.idp.steps import answer_to
from tests.workers.deployment import Deployment, Registered, Worker

Answer = httpx2.Response
_INTERACTION: Final = re.compile(r"[?&]i=([0-9a-f]{32})")


class Unanswered(Exception):  # noqa: N818 - what happened to a request
    """Nobody knows whether it was done: the worker died, or the database was away (503)."""


class Balancer:
    """Hands requests to the workers in turn; one that takes no connections is passed over."""

    def __init__(self, workers: Sequence[Worker], path: str) -> None:
        self._addresses, self._path, self._turn = [worker.address for worker in workers], path, count()
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
        self._client = httpx2.Client(timeout=60, limits=limits)

    def send(self, method: str, path: str, **what: Any) -> Answer:
        """Ask the next worker.

        :param path: of the ward, or of its origin as a redirect names it.
        :raises Unanswered: when the connection broke, or nobody took one.
        """
        full, turn = path if path.startswith(self._path) else self._path + path, next(self._turn)
        for attempt in range(len(self._addresses)):
            address = self._addresses[(turn + attempt) % len(self._addresses)]
            try:
                return self._client.request(method, address + full, **what)
            except httpx2.ConnectError:
                continue
            except httpx2.TransportError as error:
                raise Unanswered from error
        raise Unanswered

    def get(self, path: str, **what: Any) -> Answer:
        return self.send("GET", path, **what)

    def post(self, path: str, **what: Any) -> Answer:
        return self.send("POST", path, **what)

    def close(self) -> None:
        self._client.close()


class Browser:
    """Keeps cookies, whose names demand a secure connection that no loopback has."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer, self.cookies = balancer, dict[str, str]()

    def send(self, method: str, path: str, **what: Any) -> Answer:
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.copy().items())}
        answer = self.balancer.send(method, path, headers=headers | what.pop("headers", {}), **what)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
        return answer

    def copy(self) -> "Browser":
        """Another with the same cookies, for a thread of its own."""
        made = Browser(self.balancer)
        made.cookies = dict(self.cookies)
        return made


def expect(answer: Answer, status: int) -> Answer:
    """An answer that was to come; a database that is away is no answer.

    :raises Unanswered: for a 503.
    """
    if answer.status_code == 503:
        raise Unanswered
    said = f"{answer.request.method} {answer.request.url}: {answer.status_code} and not {status}"
    assert answer.status_code == status, f"{said}\n{answer.text}"
    return answer


def interaction_of(answer: Answer) -> str:
    """The interaction that a redirect leads into."""
    found = _INTERACTION.search(answer.headers["location"])
    assert found is not None, answer.headers["location"]
    return found[1]


class Resident:
    """Someone at a browser; every step is one that was answered as it should be, or none."""

    def __init__(self, deployment: Deployment, balancer: Balancer, who: Registered | None = None) -> None:
        self.deployment, self.browser, self.who = deployment, Browser(balancer), who

    def in_a_new_tab(self) -> "Resident":
        """The same person in the same login, for a thread of its own."""
        made = Resident(self.deployment, self.browser.balancer, self.who)
        made.browser = self.browser.copy()
        return made

    # What `tests.idp.steps` asks of a resident.

    @property
    def services(self) -> Services:
        return self.deployment.services

    @property
    def card(self) -> Any:
        assert self.who is not None
        return self.who.card

    def get(self, path: str) -> Answer:
        return self.browser.send("GET", path)

    def post(self, path: str, **form: str) -> Answer:
        headers = {"origin": self.services.ward.origin}
        return self.browser.send("POST", path, data=form, headers=headers)

    # Logging in.

    def asked_for_code(self, address: str) -> dict[str, str]:
        """The form with the code that was mailed, ready to be posted."""
        i, before = interaction_of(expect(self.get("/account"), 303)), len(self._codes_for(address))
        expect(self.post("/login/email", i=i, address=address), 303)
        until = time.monotonic() + 20
        while (
            time.monotonic() < until
        ):  # it goes out after the page: a worker that died in between sends none
            codes = self._codes_for(address)
            if len(codes) > before:
                return {"i": i, "code": codes[0]}
            time.sleep(0.01)
        raise Unanswered

    def _codes_for(self, address: str) -> list[str]:
        """What was mailed, the newest first."""
        mine = ["".join(mail.body) for mail in list(self.deployment.mailbox.mails) if mail.to == address]
        return [found[0] for body in mine if (found := re.search(r"\b\d{6}\b", body)) is not None]

    def log_in_by_mail(self, address: str) -> None:
        expect(self.post("/login/email/code", **self.asked_for_code(address)), 303)

    def signed_login(self) -> dict[str, str]:
        """What the bridge posts for a login."""
        i = interaction_of(expect(self.get("/account/raise"), 303))
        sent = expect(self.post("/login/card", i=i), 303)
        return answer_to(self, sent.headers["location"].partition("?request=")[2])  # type: ignore[arg-type]

    def bring(self, form: dict[str, str]) -> str:
        """Be the bridge; where the answer leads."""
        headers = {"origin": "null"}
        answer = expect(self.browser.send("POST", "/card/answer", data=form, headers=headers), 303)
        return answer.headers["location"]

    def log_in_by_card(self) -> None:
        expect(self.get(self.bring(self.signed_login())), 303)

    # Grants.

    def accept(self, handle: str) -> None:
        expect(self.post(f"/invitations/{handle}/accept", proposal=self.proposal(handle)), 303)

    def proposal(self, handle: str) -> str:
        page = expect(self.get(f"/invitations/{handle}"), 200).text
        found = re.search(r'name="proposal" value="(\w+)"', page)
        assert found is not None, page
        return found[1]

    def digits(self, grant: str) -> str:
        page = expect(self.get(f"/grants/{grant}"), 200).text
        found = re.search(r'class="digits">(\d{6})<', page)
        assert found is not None, page
        return found[1]

    def signed_mandate(self, grant: str) -> dict[str, str]:
        """What the bridge posts for a mandate."""
        page = expect(self.post(f"/grants/{grant}/sign"), 200).text
        found = re.search(r'name="request" value="([^"]+)"', page)
        assert found is not None, page
        return answer_to(self, found[1])  # type: ignore[arg-type]

    def sign(self, grant: str) -> None:
        expect(self.get(self.bring(self.signed_mandate(grant))), 303)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment, each in a thread of its own; what each was answered, in order.

    Who is told that the database is busy (503) comes again, as they were asked to: a slow machine is no loss.
    """
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        while True:
            try:
                answer = act()
            except Unanswered:
                continue
            if getattr(answer, "status_code", 0) != 503:
                return answer

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
