"""What people do with grants, and what happens to them, each step judged by the model."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
)
from sqlmodel import col, update

from assurance.procedures import Action
from card.dates import add_months
from delegation import accepting, comparing, ending, proposing, signing
from delegation.grant import Basis, GrantId, Terms
from delegation.registry import Typed
from delegation.tables import GrantRow
from tests.delegation.model import PROCEDURES, Given, ModelledTown

PEOPLE = ("田中花子", "田中由紀", "職員一郎")
RENEW, REISSUE, NEVER = "kaigo.nintei.renew", "kaigo.card.reissue", "inkan.register"
ACTIONS = (Action.VIEW, Action.FILE)
ANYONE = st.sampled_from([*PEOPLE, *PEOPLE[:2]])
PRINCIPAL, INVITED, STRANGER = "principal", "invited", "stranger"
MOSTLY = st.sampled_from([True, True, True, False])
AS_PRINCIPAL = st.sampled_from([PRINCIPAL, PRINCIPAL, INVITED, STRANGER])
AS_INVITED = st.sampled_from([INVITED, INVITED, PRINCIPAL, STRANGER])
AS_EITHER = st.sampled_from([PRINCIPAL, INVITED, PRINCIPAL, INVITED, STRANGER])


def is_pending(given: Given, now: datetime) -> bool:
    return given.state in {"proposed", "accepted"} and now < given.until


class Doings(RuleBasedStateMachine):
    """The rules of the machine; whatever an act needs, all of it may be missing."""

    grants = Bundle("grants")
    town: ModelledTown

    def who(self, id_: GrantId, role: str) -> tuple[Given, str]:
        given = self.town.grants[id_]
        strangers = [name for name in PEOPLE if name not in {given.principal, given.invited}]
        return given, {PRINCIPAL: given.principal, INVITED: given.invited}.get(role, strangers[0])

    def ended(self, given: Given) -> None:
        given.path.append("ended")
        self.town.happened["grant:grant:ended"] += 1

    # What leads to a grant.

    @rule(
        target=grants,
        who=ANYONE,
        to=ANYONE,
        procedures=st.sampled_from([(RENEW,), (RENEW, REISSUE), (NEVER,), ()]),
        days=st.sampled_from([-1, 0, 25, 40, 100, 400]),
        strong=MOSTLY,
    )
    def propose(self, who: str, to: str, procedures: tuple[str, ...], days: int, strong: bool) -> Any:
        town = self.town
        first, last = town.today, town.today + timedelta(days=days)
        terms = Terms(Basis.VOLUNTARY, "agent", procedures, PROCEDURES.version, ACTIONS, first, last)
        typed = Typed(town.people[to].card.profile.name, town.people[to].address)
        login = town.login(who, strong=strong)
        lately = [(by, reached) for by, reached, at in town.made if at > town.now - timedelta(days=1)]
        mine = [given for given in town.grants.values() if given.principal == who]
        longest = 3 if REISSUE in procedures else 12
        made = town.attempt(
            lambda unit: proposing.propose(unit, town.parts, login, typed, terms),
            allowed=town.is_proven(who, strong=strong)
            and town.people[who].is_free(town.now)
            and who != to
            and procedures not in ((), (NEVER,))
            and first <= last < add_months(first, longest)
            and sum(by == who for by, _ in lately) < 10
            and sum(is_pending(given, town.now) for given in mine) < 20,
        )
        if made is None:
            return multiple()
        id_, mails = made
        assert len(mails) == (sum(reached == to for _, reached in lately) < 10)
        handle = mails[0].body.partition("/invitations/")[2].split()[0] if mails else None
        until = town.now + timedelta(days=30)
        town.grants[id_] = Given(id_, handle, who, to, procedures, last, until)
        town.made.append((who, to if mails else None, town.now))
        town.happened["grant:grant:proposed"] += 1
        return id_

    def is_open(self, given: Given) -> bool:
        town = self.town
        free = town.people[given.principal].is_free(town.now)
        reached = given.handle is not None and given.state == "proposed"
        return reached and town.now < given.until and free

    @rule(id_=grants, role=AS_INVITED, strong=MOSTLY, as_read=MOSTLY)
    def accept(self, id_: GrantId, role: str, strong: bool, as_read: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        with town.database.reading() as session:
            row = session.get_one(GrantRow, (town.ward.code, id_))
            read = proposing.proposal_hash(session, town.parts, row) if as_read else "0" * 64
        login = town.login(who, strong=strong)
        done = town.attempt(
            lambda unit: accepting.accept(unit, town.parts, login, given.handle or "", read),
            allowed=self.is_open(given)
            and town.is_proven(who, strong=strong)
            and town.people[who].is_free(town.now)
            and who == given.invited
            and as_read
            and town.today <= given.last,
        )
        if done is not None:
            given.path.append("accepted")
            given.accepted = given.last
            town.happened["grant:grant:accepted"] += 1

    @rule(id_=grants, role=AS_INVITED, strong=MOSTLY)
    def decline(self, id_: GrantId, role: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        done = town.attempt(
            lambda unit: accepting.decline(unit, town.parts, login, given.handle or ""),
            allowed=self.is_open(given) and strong and who == given.invited,
        )
        if done is not None:
            self.ended(given)

    @rule(id_=grants, role=AS_PRINCIPAL, right=MOSTLY, strong=MOSTLY)
    def compare(self, id_: GrantId, role: str, right: bool, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        with town.database.reading() as session:
            digits = comparing.digits_of(town.parts, session.get_one(GrantRow, (town.ward.code, id_)))
        typed = (digits or "000000") if right else ("000000" if digits != "000000" else "111111")
        counts = given.state == "accepted" and not given.compared
        counts = counts and town.is_proven(who, strong=strong) and who == given.principal
        town.attempt(
            lambda unit: comparing.compare(unit, town.parts, login, id_, typed),
            allowed=counts and right,
        )
        if counts:
            given.compared, given.tries = right, given.tries - 1
            town.happened["grant:digits:compared" if right else "grant:digits:wrong"] += 1
            if given.tries == 0 and not right:
                self.ended(given)

    def may_be_signed(self, given: Given, who: str, strong: bool) -> bool:
        town = self.town
        return (
            town.is_proven(who, strong=strong)
            and who == given.principal
            and given.state == "accepted"
            and given.compared
            and given.accepted == given.last >= town.today
            and all(town.people[name].is_free(town.now) for name in given.parties)
        )

    @rule(id_=grants, role=AS_PRINCIPAL, signer=AS_PRINCIPAL, strong=MOSTLY)
    def ask_a_card(self, id_: GrantId, role: str, signer: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        asked = town.attempt(
            lambda unit: signing.ask_for_signature(unit, town.parts, login, id_, "ja"),
            allowed=self.may_be_signed(given, who, strong),
        )
        if asked is not None:
            given.signed[signer] = town.signature(self.who(id_, signer)[1]), given.last

    @rule(id_=grants, role=AS_PRINCIPAL, signer=AS_PRINCIPAL, strong=MOSTLY)
    def bring_what_was_signed(self, id_: GrantId, role: str, signer: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        if signer not in given.signed:
            return
        signed, last = given.signed[signer]
        done = town.attempt(
            lambda unit: signing.take_in(unit, town.parts, login, id_, signed),
            allowed=self.may_be_signed(given, who, strong) and signer == PRINCIPAL and last == given.last,
        )
        if done is not None:
            given.path.append("active")
            town.happened["grant:grant:activated"] += 1
            town.happened["grant:mandate:signed"] += 1

    @rule(id_=grants, wrong=st.booleans())
    def one_of_the_two_is_not_the_principal(self, id_: GrantId, wrong: bool) -> None:
        """She sits at the principal's browser, or her card lies on the reader."""
        who, signer = (INVITED, PRINCIPAL) if wrong else (PRINCIPAL, INVITED)
        self.bring_what_was_signed(id_, who, signer, strong=True)

    @rule(id_=grants)
    def go_on(self, id_: GrantId) -> None:
        """Whose turn it is does what comes next."""
        given = self.town.grants[id_]
        if given.state == "proposed":
            self.accept(id_, INVITED, strong=True, as_read=True)
        elif given.state == "accepted" and not given.compared:
            self.compare(id_, PRINCIPAL, right=True, strong=True)
        elif given.state == "accepted":
            self.ask_a_card(id_, PRINCIPAL, PRINCIPAL, strong=True)
            self.bring_what_was_signed(id_, PRINCIPAL, PRINCIPAL, strong=True)

    # What stops it.

    @rule(id_=grants, role=AS_EITHER, strong=st.booleans())
    def pause(self, id_: GrantId, role: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        weakly = who == given.principal and not town.people[who].protected
        done = town.attempt(
            lambda unit: ending.pause(unit, town.parts, login, id_),
            allowed=given.state == "active" and who in given.parties and (strong or weakly),
        )
        if done is not None and who not in given.paused:
            given.paused.add(who)
            town.happened["grant:grant:paused"] += 1

    @rule(who=ANYONE, strong=st.booleans())
    def pause_all(self, who: str, strong: bool) -> None:
        town, login = self.town, self.town.login(who, strong=strong)
        town.attempt(lambda unit: ending.pause_all(unit, town.parts, login), allowed=True)
        for given in town.grants.values():
            mine = given.principal == who and given.state == "active" and given.last >= town.today
            if mine and who not in given.paused and (strong or not town.people[who].protected):
                given.paused.add(who)
                town.happened["grant:grant:paused"] += 1

    @rule(id_=grants, role=AS_EITHER)
    def both_pause_and_one_resumes(self, id_: GrantId, role: str) -> None:
        for side in (PRINCIPAL, INVITED):
            self.pause(id_, side, strong=True)
        self.resume(id_, role, strong=True)

    @rule(id_=grants, role=AS_PRINCIPAL, protected=st.booleans())
    def a_mailbox_is_taken_over(self, id_: GrantId, role: str, protected: bool) -> None:
        _, who = self.who(id_, role)
        self.town.protect(self.town.people[who], protected=protected)
        for act in (self.end, self.resume, self.pause):
            act(id_, role, strong=False)
        self.pause_all(who, strong=False)

    @rule(id_=grants, role=AS_EITHER, strong=MOSTLY)
    def resume(self, id_: GrantId, role: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        done = town.attempt(
            lambda unit: ending.resume(unit, town.parts, login, id_),
            allowed=strong and given.state == "active" and who in given.parties,
        )
        if done is not None and who in given.paused:
            given.paused.remove(who)
            town.happened["grant:grant:resumed"] += 1

    @rule(id_=grants, role=AS_EITHER, strong=MOSTLY)
    def end(self, id_: GrantId, role: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        done = town.attempt(
            lambda unit: ending.end_as_party(unit, town.parts, login, id_),
            allowed=strong and given.state != "ended" and who in given.parties,
        )
        if done is not None:
            self.ended(given)

    # What happens to people and days.

    @rule(who=ANYONE, what=st.sampled_from(["hold", "protection", "lapse", "lapse soon"]))
    def someone_is_stopped_or_free_again(self, who: str, what: str) -> None:
        town, someone = self.town, self.town.people[who]
        if not someone.is_free(town.now):
            town.hold(someone, held=False)
            town.protect(someone, protected=False)
            town.prove(someone)
        elif what == "hold":
            town.hold(someone, held=True)
        elif what == "protection":
            town.protect(someone, protected=True)
        else:
            town.limit_proof(someone, town.now + timedelta(days=2 * (what == "lapse soon")))

    @rule(by=st.sampled_from([timedelta(hours=5), timedelta(days=1), timedelta(days=30)]))
    def let_time_pass(self, by: timedelta) -> None:
        self.town.clock.advance(by)

    @rule(id_=grants)
    def change_the_stored_last_day(self, id_: GrantId) -> None:
        """Nobody may; whatever does it anyway must not find a mandate afterwards."""
        town, given = self.town, self.town.grants[id_]
        if given.state in {"proposed", "accepted"}:
            given.last += timedelta(days=1)
            with town.database.writing(town.ward.code) as unit:
                mine = update(GrantRow).where(col(GrantRow.id) == id_)
                unit.session.exec(mine.values(last=given.last.isoformat()))
