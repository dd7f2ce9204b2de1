"""What happens to people, the office and days while they do what they do."""

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from card.dates import end_of
from delegation.grant import HoldCause, HoldKind
from tests.delegation.model import ATTESTED_FOR, PAUSED
from tests.delegation.model_offices import DAY, OfficeDoings
from tests.delegation.model_rules import ACTING, ANYONE, MOSTLY, PRINCIPAL
from tests.delegation.model_town import PEOPLE, WARD

STAFF_S = (HoldCause.ADMIN, HoldCause.STAFF_REVIEW, HoldCause.CARD_LOST)
BY_STAFF = st.sampled_from(STAFF_S)
FOR_A_WHILE = "for a while"
HOW_LONG = st.sampled_from([FOR_A_WHILE] * 4 + ["until it is lifted"])
SECOND = timedelta(seconds=1)


class Happenings(OfficeDoings):
    """Stops of every kind, most of them for a while, and jumps of the clock to where something ends."""

    grants, held, members = OfficeDoings.grants, OfficeDoings.held, OfficeDoings.members

    @rule(
        kind=st.sampled_from(HoldKind),
        cause=BY_STAFF,
        who=st.sampled_from(PEOPLE),
        id_=grants,
        member=members,
        how=HOW_LONG,
    )
    def a_hold_is_placed(
        self, kind: HoldKind, cause: HoldCause, who: str, id_: str, member: str, how: str
    ) -> None:
        """The end of one cause leaves every other's; two staff place and lift once there is a way to."""
        targets = {HoldKind.PERSON: who, HoldKind.GRANT: id_, HoldKind.MEMBERSHIP: member}
        target = targets.get(kind, self.town.model.office.id)
        self.town.hold(kind, target, cause, held=True)
        if how == FOR_A_WHILE:
            self.look()
            self.town.hold(kind, target, cause, held=False)

    @rule(cause=BY_STAFF, all_of_it=MOSTLY)
    def the_ward_puts_things_right(self, cause: HoldCause, all_of_it: bool) -> None:
        """What this cause holds is free; or everything is, both sides resume, all are proven and checked."""
        town, model = self.town, self.town.model
        for kind, target, placed in sorted(model.holds):
            if placed is cause or (all_of_it and placed in STAFF_S):
                town.hold(kind, target, placed, held=False)
        if not all_of_it:
            return
        town.set_office(until=None, ended=False)
        for name, someone in model.people.items():
            if someone.protected:
                town.protect(name, protected=False)
            if not model.is_proven(name):
                town.prove(name)
        for id_, member in model.members.items():
            if member.person is not None and not model.counts(member):
                self.check(id_, WARD, strong=True)
        for _, grant, placed in sorted(model.holds):
            if placed in PAUSED.values():
                role = PRINCIPAL if placed is PAUSED[True] else ACTING
                self.resume(grant, role, strong=True)

    @rule(who=ANYONE, what=st.sampled_from(["protection", "lapse", "lapse soon"]), how=HOW_LONG)
    def someone_is_stopped(self, who: str, what: str, how: str) -> None:
        town = self.town
        if what == "protection":
            town.protect(who, protected=True)
        else:
            town.let_proof_end(who, 2 * (what == "lapse soon"))
        if how == FOR_A_WHILE:
            self.look()
            town.protect(who, protected=False)
            town.prove(who)

    @rule(days=st.sampled_from([-1, 0, 5, 90, None]), ended=st.sampled_from([False, True]), how=HOW_LONG)
    def the_ward_ends_or_limits_the_office(self, days: int | None, ended: bool, how: str) -> None:
        until = None if days is None else self.town.model.today + timedelta(days=days)
        self.town.set_office(until=until, ended=ended)
        if how == FOR_A_WHILE:
            self.look()
            self.town.set_office(until=None, ended=False)

    @rule(
        by=st.sampled_from(
            [timedelta(hours=5), timedelta(hours=1), DAY, timedelta(days=5), timedelta(days=30)]
        )
    )
    def let_time_pass(self, by: timedelta) -> None:
        self.town.clock.advance(by)

    @rule(less=st.booleans())
    def midnight_comes(self, less: bool) -> None:
        """In Tokyo; or the last second before it."""
        self.wait_for(end_of(self.town.model.today), less=less)

    @rule(id_=grants, less=st.booleans())
    def the_last_day_of_a_grant_ends(self, id_: str, less: bool) -> None:
        self.wait_for(end_of(self.town.model.grants[id_].last), less=less)

    @rule(id_=members, less=st.booleans())
    def an_attestation_runs_out(self, id_: str, less: bool) -> None:
        until = self.town.model.members[id_].attested_until
        if until is not None:
            self.wait_for(until, less=less)

    @rule(id_=held, less=st.booleans())
    def a_hand_over_comes_to_work(self, id_: str, less: bool) -> None:
        coming = self.town.model.grants[id_].coming(self.town.model.now)
        if coming is not None:
            self.wait_for(coming.works_from, less=less)

    def wait_for(self, moment: datetime, *, less: bool) -> None:
        """Not further than an attestation reaches: or each example ends with everything over."""
        by = moment - self.town.model.now - (SECOND if less else timedelta(0))
        if timedelta(0) < by <= ATTESTED_FOR:
            self.town.clock.advance(by)
