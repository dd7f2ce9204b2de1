"""Two residents at their browsers, the portal, and whoever uses what they gave."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlmodel import col, select

from assurance.events import EventName
from delegation.audit.leaf import Leaf
from delegation.audit.tables import LeafRow
from delegation.tables import TransitionRow
from tests.workers.browser import Balancer, Resident, Unanswered
from tests.workers.deployment import WARD, Deployment
from tests.workers.system import System


class Scene:
    """Two residents at their browsers, and the portal."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.balancer = Balancer(deployment.workers, f"/{WARD}")
        self.hanako, self.yuki = (
            Resident(deployment, self.balancer, who) for who in deployment.residents[:2]
        )
        self.portal = System(deployment, self.balancer)

    def proposed(self) -> tuple[str, str]:
        hanako, yuki = self.deployment.residents[:2]
        return self.deployment.proposed(hanako, yuki)

    def accepted(self) -> str:
        grant, handle = self.proposed()
        self.yuki.accept(handle)
        return grant

    def compared(self) -> str:
        grant = self.accepted()
        assert self.hanako.post(f"/grants/{grant}/digits", digits=self.yuki.digits(grant)).status_code == 303
        return grant

    def active(self) -> str:
        grant = self.compared()
        self.hanako.sign(grant)
        return grant

    def rows(self, statement: Any) -> Sequence[Any]:
        with self.deployment.services.database.reading() as session:
            return session.exec(statement).all()

    def steps(self, grant: str) -> list[str]:
        return [
            row.state
            for row in self.rows(
                select(TransitionRow).where(TransitionRow.grant == grant).order_by(col(TransitionRow.version))
            )
        ]

    def leaves(self, event: EventName) -> int:
        return sum(Leaf.parse(content).event == event for content in self.rows(select(LeafRow.content)))


class Users:
    """Threads that go on using something, and note when each use began and whether it was allowed."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, bool]] = []
        self._uses: list[Callable[[], bool]] = []
        self._failed: list[Exception] = []
        self._stopped = threading.Event()
        self.now = time.monotonic

    def use(self, act: Callable[[], bool]) -> None:
        """Have one more, who does this."""
        self._uses.append(act)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them all go on, until the end of the block."""
        threads = [threading.Thread(target=self._go_on, args=(act,)) for act in self._uses]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()
        assert not self._failed

    def wait_for(self, more: int) -> None:
        """Until so many more uses were answered."""
        enough = len(self.answers) + more
        while len(self.answers) < enough and not self._failed:
            time.sleep(0.005)

    def _go_on(self, act: Callable[[], bool]) -> None:
        while not self._stopped.is_set():
            began = self.now()
            try:
                self.answers.append((began, act()))
            except Unanswered:
                continue
            except Exception as error:
                self._failed.append(error)
                return
