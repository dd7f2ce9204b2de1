"""What the design says of people, an office, grants and holds, said again in plain Python.

Nothing here asks the registry or reads a table. Whatever the registry answers is compared with this.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from delegation.grant import CurrentState, HoldCause, HoldKind
from tests.conftest import FixedClock

A_DAY = timedelta(days=1)
ATTESTED_FOR = timedelta(days=90)
NOTICE = timedelta(hours=24)
OPEN_FOR = timedelta(days=30)
TOKYO = timedelta(hours=9)
PAUSED = {True: HoldCause.PAUSED_BY_PRINCIPAL, False: HoldCause.PAUSED_BY_DELEGATE}
"""By whether it was the principal."""

Hold = tuple[HoldKind, str, HoldCause]


@dataclass
class Someone:
    """A person."""

    name: str
    proven_until: datetime
    protected: bool = False


@dataclass
class Membership:
    """Someone's work for the office.

    :param name: whom the office invited; `person` is empty until she joins.
    """

    id: str
    handle: str
    name: str
    administrator: bool
    number_until: date | None
    open_until: datetime
    person: str | None = None
    checked: bool = False
    attested_until: datetime | None = None
    left_at: datetime | None = None


@dataclass
class Office:
    """The care office."""

    id: str
    until: date | None = None
    ended: bool = False


@dataclass
class Naming:
    """The office names who acts under a grant."""

    member: Membership
    named_by: str
    named_at: datetime
    works_from: datetime
    first: bool = False
    refused: bool = False


@dataclass
class Ask:
    """The office asks someone for a grant."""

    id: str
    member: Membership
    asker: str
    target: str
    procedures: tuple[str, ...]
    first: date
    last: date
    asked_at: datetime
    answered: bool = False


@dataclass
class Given:
    """A grant.

    :param handle: of its invitation; None where there is none, or the address had got too many.
    :param invited: whom the principal asked; None where the office asked.
    :param until: until when the invitation, or the request, is open.
    :param path: the states that it went through after its proposal.
    :param accepted: the last day that the acceptance was of.
    :param namings: whom the office named, in that order.
    """

    id: str
    handle: str | None
    principal: str
    invited: str | None
    procedures: tuple[str, ...]
    first: date
    last: date
    until: datetime
    path: list[str] = field(default_factory=list)
    compared: bool = False
    tries: int = 3
    accepted: date | None = None
    namings: list[Naming] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.path[-1] if self.path else "proposed"

    @property
    def of_office(self) -> bool:
        return self.invited is None

    def coming(self, now: datetime) -> Naming | None:
        """The hand-over that is announced and does not work yet."""
        announced = [one for one in self.namings if not one.refused and one.works_from > now]
        return announced[0] if announced else None

    def named(self, now: datetime) -> Membership | None:
        """Whom the office named last, of those that work already; nobody once that member left."""
        working = [one for one in self.namings if not one.refused and one.works_from <= now]
        member = working[-1].member if working else None
        return None if member is None or member.left_at is not None else member

    def acting(self, now: datetime) -> str | None:
        """Who acts: the delegate since she accepted, or the member whom the office named."""
        if not self.of_office:
            return self.invited if "accepted" in self.path else None
        member = self.named(now)
        return None if member is None else member.person


@dataclass
class Model:
    """All that there is.

    :param reached: who asked whom at which address, and when, for the caps; None where no mail went.
    :param happened: what the log must tell at the end.
    """

    clock: FixedClock
    people: dict[str, Someone]
    office: Office
    members: dict[str, Membership] = field(default_factory=dict)
    grants: dict[str, Given] = field(default_factory=dict)
    asks: dict[str, Ask] = field(default_factory=dict)
    holds: set[Hold] = field(default_factory=set)
    reached: list[tuple[str, str | None, datetime]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return (self.now + TOKYO).date()

    # People.

    def is_proven(self, name: str) -> bool:
        return self.people[name].proven_until > self.now

    def is_held(self, kind: HoldKind, target: str) -> bool:
        return any(placed == target and kind is on for on, placed, _ in self.holds)

    def is_free(self, name: str) -> bool:
        """Whether someone may take a step towards a grant."""
        someone = self.people[name]
        return self.is_proven(name) and not someone.protected and not self.is_held(HoldKind.PERSON, name)

    # The office.

    def office_stands(self) -> bool:
        office = self.office
        over = office.ended or (office.until is not None and office.until < self.today)
        return not over and not self.is_held(HoldKind.OFFICE, office.id)

    def counts(self, member: Membership) -> bool:
        """Joined, checked, attested, with a number that is not over; and nothing is held."""
        return (
            member.person is not None
            and member.left_at is None
            and member.checked
            and member.attested_until is not None
            and member.attested_until > self.now
            and (member.number_until is None or member.number_until >= self.today)
            and not self.is_held(HoldKind.MEMBERSHIP, member.id)
            and not self.is_held(HoldKind.PERSON, member.person)
            and self.office_stands()
        )

    def works(self, name: str) -> Membership | None:
        """The membership by which someone works for the office now."""
        theirs = [one for one in self.members.values() if one.person == name and self.counts(one)]
        assert len(theirs) < 2
        return theirs[0] if theirs else None

    def administers(self, name: str, *, strong: bool) -> bool:
        member = self.works(name)
        return strong and self.is_proven(name) and member is not None and member.administrator

    def withdraw(self, member: Membership) -> None:
        """Whoever left takes over nobody."""
        for given in self.grants.values():
            coming = given.coming(self.now)
            if coming is not None and coming.member is member:
                coming.refused = True

    def handed_over_lately(self) -> int:
        namings = [one for given in self.grants.values() for one in given.namings]
        return sum(not one.first and one.named_at > self.now - A_DAY for one in namings)

    # Grants.

    def is_usable(self, given: Given) -> bool:
        """Nothing but the active, in its days, of people whom nothing stops, through a member who counts."""
        acting, principal = given.acting(self.now), self.people[given.principal]
        if acting is None or given.state != "active" or not given.first <= self.today <= given.last:
            return False
        if self.is_held(HoldKind.GRANT, given.id):
            return False
        if any(self.is_held(HoldKind.PERSON, name) for name in (given.principal, acting)):
            return False
        if principal.protected or not self.is_proven(given.principal):
            return False
        if not given.of_office:
            return not self.people[acting].protected
        member = given.named(self.now)
        return member is not None and self.counts(member)

    def current_state(self, given: Given) -> CurrentState:
        """What its page says."""
        over = given.last < self.today
        if given.state == "ended":
            return CurrentState.ENDED
        if given.state == "proposed":
            open_ = self.now < given.until and not over
            return CurrentState.WAITING if open_ else CurrentState.LAPSED
        if over:
            return CurrentState.EXPIRED
        if given.state == "accepted":
            return CurrentState.COMPARED if given.compared else CurrentState.ACCEPTED
        return CurrentState.ACTIVE if self.is_usable(given) else CurrentState.UNUSABLE

    def may_be_signed(self, given: Given) -> bool:
        """Every guard again: accepted as it is, compared, both people free, the office behind its member."""
        acting = given.acting(self.now)
        if acting is None or given.state != "accepted" or not given.compared:
            return False
        if not given.accepted == given.last >= self.today or self.is_held(HoldKind.GRANT, given.id):
            return False
        member = given.named(self.now)
        if given.of_office and (member is None or not self.counts(member)):
            return False
        return self.is_free(given.principal) and self.is_free(acting)

    def is_open(self, given: Given) -> bool:
        """Whether an invitation may be answered."""
        reached = given.handle is not None and given.state == "proposed"
        held = self.is_held(HoldKind.GRANT, given.id)
        return reached and self.now < given.until and self.is_free(given.principal) and not held

    def may_be_answered(self, ask: Ask, by: str) -> bool:
        """Whether a request is found by someone: asked of her by another, who still works there."""
        return (
            ask.target == by != ask.asker
            and not ask.answered
            and self.now < ask.asked_at + OPEN_FOR
            and self.today <= ask.last
            and self.is_free(by)
            and self.counts(ask.member)
        )

    def may_give(self, name: str) -> bool:
        """What is open, and what was made within a day, is capped."""
        mine = [given for given in self.grants.values() if given.principal == name]
        open_ = [one for one in mine if one.state in {"proposed", "accepted"} and self.now < one.until]
        made = [at for by, _, at in self.reached if by == name and at > self.now - A_DAY]
        return len(open_) < 20 and len(made) < 10

    def gets_mail(self, name: str) -> bool:
        return sum(to == name and at > self.now - A_DAY for _, to, at in self.reached) < 10

    def parties(self, given: Given) -> Iterable[str]:
        """Who may see it now."""
        acting = given.acting(self.now)
        return {given.principal} | (set() if acting is None else {acting})

    def went_on(self, given: Given, state: str, event: str) -> None:
        given.path.append(state)
        self.happened[event] += 1

    def ended(self, given: Given) -> None:
        self.went_on(given, "ended", "grant:grant:ended")
