"""A mixed load from several threads, and the log of what was answered, which no server holds.

Each thing that the load asks for is noted before it is asked and again when the answer is there: between the
two nobody knows, and nothing is demanded of it.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from card.jose import unverified_claims
from tests.workers.browser import Answer, Balancer, Resident, Unanswered, expect
from tests.workers.deployment import WARD, Deployment, Registered
from tests.workers.system import System

DESK: Final = "file"


@dataclass
class Session:
    """A login that was answered.

    :ivar ended: None between asking for its end and the answer.
    """

    resident: Resident
    ended: bool | None = False


@dataclass
class Given:
    """A grant on its way.

    :ivar reached: the last step that was answered: a state of the registry, or `compared`.
    :ivar ended: None between asking for its end and the answer.
    """

    id: str
    principal: Registered
    delegate: Registered
    reached: str = "proposed"
    ended: bool | None = False


@dataclass
class Token:
    """An access token that was answered; `grant` is None where its holder acts for themselves."""

    access: str
    grant: Given | None

    @property
    def lasts(self) -> bool:
        """Whether it is far from its end, which comes ten minutes after it was made."""
        claims: Any = unverified_claims(self.access)
        return bool(claims["exp"] > time.time() + 60)

    @property
    def is_usable(self) -> bool:
        """Whether a decision about it has to be yes."""
        return self.grant is not None and self.grant.ended is False and self.lasts


@dataclass
class Acknowledged:
    """The log outside the server: what was answered.

    :ivar asked: decisions by grant and action, answered or not; `decided` those that were answered.
    :ivar surprises: answers that no load should get; one of them fails the test.
    """

    sessions: list[Session] = field(default_factory=list)
    grants: list[Given] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    asked: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    decided: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


class Load:
    """Threads that log in, give, decide, refresh and end until they are told to stop."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self.deployment, self.log, self._seed = deployment, Acknowledged(), seed
        self.balancer = Balancer(deployment.workers, f"/{WARD}")
        self.portal = System(deployment, self.balancer)
        self._lock, self._stopping, self._round = threading.Lock(), threading.Event(), 0
        self._rng = threading.local()
        people = deployment.residents
        self._pairs = [(people[n], people[n + 1]) for n in range(0, len(people), 2)]
        self._supply: dict[str, list[tuple[str, str]]] = {who.address: [] for who, _ in self._pairs}
        self._delegates = {who.address: Resident(deployment, self.balancer, who) for _, who in self._pairs}
        self._acting: list[Token] = []

    def begin(self) -> None:
        """Log the delegates in by the code that their invitations ask for, and by card; one acts already."""
        for address, delegate in self._delegates.items():
            delegate.log_in_by_mail(address)
            delegate.log_in_by_card()
        self._rng.random = random.Random(self._seed)  # noqa: S311 # a load
        self.portal.log_in()
        self._fill_supply()
        self._give(*self._pairs[0], ends=False)

    @property
    def acknowledged(self) -> int:
        """How many answers there were."""
        with self._lock:
            return self.log.answers.total()

    @contextmanager
    def running(self) -> Iterator[None]:
        """One round of load; at its end every thread has got its answer, or knows that there is none."""
        self._round += 1
        self.portal.log_in()
        self._fill_supply()
        acts = [self._visit, self._visit, *(self._give_by(n) for n in range(len(self._pairs)))]
        acts += [self._ask_for_oneself, self._decide, self._decide]
        self._stopping.clear()
        threads = [threading.Thread(target=self._repeat, args=(n, act)) for n, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()
        assert not self.log.surprises, "\n".join(self.log.surprises)

    def _fill_supply(self) -> None:
        for principal, delegate in self._pairs:
            supply = self._supply[principal.address]
            supply += [self.deployment.proposed(principal, delegate) for _ in range(8 - len(supply))]

    def _repeat(self, number: int, act: Callable[[], None]) -> None:
        self._rng.random = random.Random(f"{self._seed}/{self._round}/{number}")  # noqa: S311 # a load
        while not self._stopping.is_set():
            try:
                act()
            except Unanswered:
                self._stopping.wait(0.05)
            except Exception as error:  # a thread's failure is the test's
                with self._lock:
                    self.log.surprises.append(f"{type(error).__name__}: {error}")
                return

    def _answered(self, what: str) -> None:
        with self._lock:
            self.log.answers[what] += 1

    # What people do.

    def _visit(self) -> None:
        """Log in by mail as somebody new; every third logs out again."""
        number, resident = next(self.deployment.numbers), Resident(self.deployment, self.balancer)
        resident.log_in_by_mail(f"visitor-{number}@example.jp")
        session = self._logged_in(resident)
        if number % 3 == 0:
            session.ended = None
            expect(resident.post("/logout"), 200)
            session.ended = True
            self._answered("logout")

    def _logged_in(self, resident: Resident) -> Session:
        session = Session(resident)
        self.log.sessions.append(session)
        self._answered("login")
        return session

    def _give_by(self, number: int) -> Callable[[], None]:
        return lambda: self._give(*self._pairs[number], ends=self._rng.random.random() < 0.7)

    def _give(self, principal: Registered, delegate: Registered, *, ends: bool) -> None:
        """A grant's whole life: accepted, compared, signed, used, refreshed, and perhaps ended."""
        supply, mother = self._supply[principal.address], Resident(self.deployment, self.balancer, principal)
        if not supply:
            self._stopping.wait(0.05)
            return
        id_, handle = supply.pop()
        given, daughter = Given(id_, principal, delegate), self._delegates[delegate.address].in_a_new_tab()
        self.log.grants.append(given)
        mother.log_in_by_card()
        self._logged_in(mother)
        daughter.accept(handle)
        self._went(given, "accepted")
        expect(mother.post(f"/grants/{id_}/digits", digits=daughter.digits(id_)), 303)
        self._went(given, "compared")
        mother.sign(id_)
        self._went(given, "active")
        token = self._issued(self.portal.redeem(self.portal.acting_code(daughter, id_)), given)
        self._acting.append(token)
        self._decide_about(token)
        self._refreshed(token, given)
        if ends:
            ending = self._rng.random.choice((mother, daughter))
            given.ended = None
            expect(ending.post(f"/grants/{id_}/end"), 303)
            given.ended = True
            self._went(given, "ended")
            self._decide_about(token)

    def _went(self, given: Given, to: str) -> None:
        given.reached = to
        self._answered(to)

    # What systems do.

    def _issued(self, answer: Answer, given: Given | None, what: str = "code redeemed") -> Token:
        tokens = expect(answer, 200).json()
        made = Token(tokens["access_token"], given)
        self.log.tokens.append(made)
        self._rng.refresh = tokens["refresh_token"]
        self._answered(what)
        return made

    def _refreshed(self, token: Token, given: Given | None) -> None:
        for _ in range(self._rng.random.randrange(3)):
            self._issued(self.portal.refresh(self._rng.refresh), given, "refreshed")

    def _ask_for_oneself(self) -> None:
        """A delegate logs in at the portal as themselves, which refreshes a few times."""
        daughter = self._rng.random.choice(list(self._delegates.values())).in_a_new_tab()
        token = self._issued(self.portal.redeem(self.portal.own_code(daughter)), None)
        self._refreshed(token, None)

    def _decide(self) -> None:
        """A system asks about whoever may act just now."""
        usable = [token for token in self._acting if token.is_usable]
        if usable:
            self._decide_about(usable[-1])
        else:
            self._stopping.wait(0.02)

    def _decide_about(self, token: Token) -> None:
        """Half the questions are the desk's; half are of a kind that nobody else asks, to be found again."""
        given = token.grant
        assert given is not None
        own = self._rng.random.random() < 0.5
        action = f"kind-{next(self.deployment.numbers)}" if own else DESK
        before, key = given.ended, (given.principal.person, action)
        with self._lock:
            self.log.asked[*key, True] += 1
            self.log.asked[*key, False] += 1
        allowed = self.portal.decides(token.access, action)
        demanded = False if own or before else True if given.ended is False else allowed
        assert allowed == demanded, f"{action} was {'allowed' if allowed else 'refused'} by {given}"
        if given.ended is False:  # of a grant that ended, nobody is told that someone acted
            with self._lock:
                self.log.decided[*key, allowed] += 1
        self._answered("decision")
