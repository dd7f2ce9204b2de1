"""What people do with grants, and what happens to them, each step judged by the model."""

from datetime import date, timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule
from sqlmodel import col, update

from assurance.procedures import Action
from card.container import CardEvidence
from card.dates import add_months
from delegation import accepting, comparing, ending, proposing, signing
from delegation.grant import Basis, HoldKind, Terms
from delegation.registry import Typed
from delegation.tables import GrantRow
from tests.delegation.model import PAUSED, Given
from tests.delegation.model_town import HANAKO, KEN, PEOPLE, WARD, YUKI, Town
from tests.shipped import PROCEDURES

RENEW, NOTIFY, REISSUE, NEVER = (
    "kaigo.nintei.renew",
    "kaigo.plan.notify",
    "kaigo.card.reissue",
    "inkan.register",
)
ACTIONS: Final = (Action.VIEW, Action.FILE)
ANYONE = st.sampled_from([HANAKO, YUKI, HANAKO, YUKI, KEN, WARD])
PRINCIPAL, ACTING, STRANGER = "principal", "acting", "stranger"
MOSTLY = st.sampled_from([True] * 7 + [False])
AS_PRINCIPAL = st.sampled_from([PRINCIPAL, PRINCIPAL, PRINCIPAL, ACTING, STRANGER])
AS_ACTING = st.sampled_from([ACTING, ACTING, ACTING, PRINCIPAL, STRANGER])
AS_EITHER = st.sampled_from([PRINCIPAL, ACTING, PRINCIPAL, ACTING, STRANGER])


class Doings(RuleBasedStateMachine):
    """The rules of the machine; whatever an act needs, all of it may be missing."""

    grants, held = Bundle("grants"), Bundle("held")
    """All, and again those that the office holds."""
    town: Town
    signed: dict[tuple[str, str], tuple[CardEvidence, date]]
    """By grant and signer's role: what a card signed when it was asked, and the last day in it."""

    def who(self, id_: str, role: str) -> tuple[Given, str]:
        """A grant, and who has this role: who acts is whom the principal asked, or whom the office named."""
        given = self.town.model.grants[id_]
        acting = given.invited or given.acting(self.town.clock.now()) or KEN
        strangers = [name for name in PEOPLE if name not in {given.principal, acting}]
        return given, {PRINCIPAL: given.principal, ACTING: acting}.get(role, strangers[0])

    def look(self) -> None:
        """Compare in the midst of a rule: what stops things for a while must be seen while it does.

        The machine that is made of all these rules says how.
        """
        raise NotImplementedError

    # What leads to a grant.

    @rule(
        target=grants,
        who=ANYONE,
        to=ANYONE,
        procedures=st.sampled_from([(RENEW,), (RENEW, REISSUE), (RENEW,), (NEVER,), ()]),
        days=st.sampled_from([-1, 0, 25, 40, 100, 400]),
        strong=MOSTLY,
    )
    def propose(self, who: str, to: str, procedures: tuple[str, ...], days: int, strong: bool) -> Any:
        town, model = self.town, self.town.model
        first, last = model.today, model.today + timedelta(days=days)
        terms = Terms(Basis.VOLUNTARY, "agent", procedures, PROCEDURES.version, ACTIONS, first, last)
        typed = Typed(town.cards[to].profile.name, town.addresses[to])
        login = town.login(who, strong=strong)
        longest = 3 if REISSUE in procedures else 12
        done, made = town.attempt(
            lambda unit: proposing.propose(unit, town.parts, login, typed, terms),
            allowed=strong
            and model.is_free(who)
            and who != to
            and procedures not in ((), (NEVER,))
            and first <= last < add_months(first, longest)
            and model.may_give(who),
        )
        if not done or made is None:
            return multiple()
        id_, mails = made
        assert bool(mails) == model.gets_mail(to)
        handle = mails[0].body.partition("/invitations/")[2].split()[0] if mails else None
        until = model.now + timedelta(days=30)
        model.grants[id_] = Given(id_, handle, who, to, procedures, first, last, until)
        model.reached.append((who, to if mails else None, model.now))
        model.happened["grant:grant:proposed"] += 1
        return id_

    @rule(id_=grants, role=AS_ACTING, strong=MOSTLY, as_read=MOSTLY)
    def accept(self, id_: str, role: str, strong: bool, as_read: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        with town.database.reading() as session:
            row = session.get_one(GrantRow, (town.ward.code, id_))
            read = proposing.proposal_hash(session, town.parts, row) if as_read else "0" * 64
        login = town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: accepting.accept(unit, town.parts, login, given.handle or "", read),
            allowed=model.is_open(given)
            and strong
            and model.is_free(who)
            and who == given.invited
            and as_read
            and model.today <= given.last,
        )
        if done:
            given.accepted = given.last
            model.went_on(given, "accepted", "grant:grant:accepted")

    @rule(id_=grants, role=AS_ACTING, strong=MOSTLY)
    def decline(self, id_: str, role: str, strong: bool) -> None:
        town, (given, who) = self.town, self.who(id_, role)
        login = town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: accepting.decline(unit, town.parts, login, given.handle or ""),
            allowed=town.model.is_open(given) and strong and who == given.invited,
        )
        if done:
            town.model.ended(given)

    @rule(id_=grants, role=AS_PRINCIPAL, right=MOSTLY, strong=MOSTLY)
    def compare(self, id_: str, role: str, right: bool, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        with town.database.reading() as session:
            digits = comparing.digits_of(town.parts, session.get_one(GrantRow, (town.ward.code, id_)))
        typed = (digits or "000000") if right else ("000000" if digits != "000000" else "111111")
        counts = given.state == "accepted" and not given.compared
        counts = counts and strong and model.is_proven(who) and who == given.principal
        town.attempt(
            lambda unit: comparing.compare(unit, town.parts, login, id_, typed),
            allowed=counts and right,
        )
        if counts:
            given.compared, given.tries = right, given.tries - 1
            model.happened["grant:digits:compared" if right else "grant:digits:wrong"] += 1
            if given.tries == 0 and not right:
                model.ended(given)

    @rule(id_=grants, role=AS_PRINCIPAL, signer=AS_PRINCIPAL, strong=MOSTLY)
    def ask_a_card(self, id_: str, role: str, signer: str, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: signing.ask_for_signature(unit, town.parts, login, id_, "ja"),
            allowed=strong and who == given.principal and model.may_be_signed(given),
        )
        if done:
            self.signed[id_, signer] = town.signature(self.who(id_, signer)[1]), given.last

    @rule(id_=grants, role=AS_PRINCIPAL, signer=AS_PRINCIPAL, strong=MOSTLY)
    def bring_what_was_signed(self, id_: str, role: str, signer: str, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        if (id_, signer) not in self.signed:
            return
        signed, last = self.signed[id_, signer]
        done, _ = town.attempt(
            lambda unit: signing.take_in(unit, town.parts, login, id_, signed),
            allowed=strong
            and who == given.principal
            and model.may_be_signed(given)
            and signer == PRINCIPAL
            and last == given.last,
        )
        if done:
            model.went_on(given, "active", "grant:grant:activated")
            model.happened["grant:mandate:signed"] += 1

    @rule(id_=grants, wrong=st.booleans())
    def one_of_the_two_is_not_the_principal(self, id_: str, wrong: bool) -> None:
        """She sits at the principal's browser, or her card lies on the reader."""
        who, signer = (ACTING, PRINCIPAL) if wrong else (PRINCIPAL, ACTING)
        self.bring_what_was_signed(id_, who, signer, strong=True)

    @rule(id_=grants)
    def go_on(self, id_: str) -> None:
        """Whose turn it is does what comes next."""
        given = self.town.model.grants[id_]
        if given.state == "proposed":
            self.accept(id_, ACTING, strong=True, as_read=True)
        elif given.state == "accepted" and not given.compared:
            self.compare(id_, PRINCIPAL, right=True, strong=True)
        elif given.state == "accepted":
            self.ask_a_card(id_, PRINCIPAL, PRINCIPAL, strong=True)
            self.bring_what_was_signed(id_, PRINCIPAL, PRINCIPAL, strong=True)

    # What stops it.

    @rule(id_=grants, role=AS_EITHER, strong=st.booleans())
    def pause(self, id_: str, role: str, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        weakly = who == given.principal and not model.people[who].protected
        done, _ = town.attempt(
            lambda unit: ending.pause(unit, town.parts, login, id_),
            allowed=given.state == "active" and who in model.parties(given) and (strong or weakly),
        )
        if done:
            self.paused(given, who)

    def paused(self, given: Given, who: str) -> None:
        """A second time of the same side is nothing."""
        model, hold = self.town.model, (HoldKind.GRANT, given.id, PAUSED[who == given.principal])
        model.happened["grant:grant:paused"] += hold not in model.holds
        model.holds.add(hold)

    @rule(who=ANYONE, strong=st.booleans())
    def pause_all(self, who: str, strong: bool) -> None:
        town, model, login = self.town, self.town.model, self.town.login(who, strong=strong)
        town.attempt(lambda unit: ending.pause_all(unit, town.parts, login), allowed=True)
        for given in model.grants.values():
            mine = given.principal == who and given.state == "active" and given.last >= model.today
            if mine and (strong or not model.people[who].protected):
                self.paused(given, who)

    @rule(id_=grants, role=AS_EITHER)
    def both_pause_and_one_resumes(self, id_: str, role: str) -> None:
        for side in (PRINCIPAL, ACTING):
            self.pause(id_, side, strong=True)
        self.resume(id_, role, strong=True)

    @rule(id_=grants, role=AS_PRINCIPAL, protected=st.booleans())
    def a_mailbox_is_taken_over(self, id_: str, role: str, protected: bool) -> None:
        _, who = self.who(id_, role)
        self.town.protect(who, protected=protected)
        for act in (self.end, self.resume, self.pause):
            act(id_, role, strong=False)
        self.pause_all(who, strong=False)
        self.look()
        self.town.protect(who, protected=False)

    @rule(id_=grants, role=AS_EITHER, strong=MOSTLY)
    def resume(self, id_: str, role: str, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: ending.resume(unit, town.parts, login, id_),
            allowed=strong and given.state == "active" and who in model.parties(given),
        )
        hold = (HoldKind.GRANT, given.id, PAUSED[who == given.principal])
        if done and hold in model.holds:
            model.holds.remove(hold)
            model.happened["grant:grant:resumed"] += 1

    @rule(id_=grants, role=AS_EITHER, strong=MOSTLY)
    def end(self, id_: str, role: str, strong: bool) -> None:
        """An office's is ended by its principal, or for the office by its administrator."""
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        login = town.login(who, strong=strong)
        theirs = who == given.principal or (not given.of_office and who in model.parties(given))
        done, _ = town.attempt(
            lambda unit: ending.end_as_party(unit, town.parts, login, id_),
            allowed=strong and given.state != "ended" and theirs,
        )
        if done:
            model.ended(given)

    @rule(id_=grants, really=st.sampled_from([False, False, False, True]))
    def change_the_stored_last_day(self, id_: str, really: bool) -> None:
        """Nobody may; whatever does it anyway must not find a mandate afterwards."""
        town, given = self.town, self.town.model.grants[id_]
        if really and given.state in {"proposed", "accepted"}:
            given.last += timedelta(days=1)
            with town.writing() as unit:
                mine = update(GrantRow).where(col(GrantRow.id) == id_)
                unit.session.exec(mine.values(last=given.last.isoformat()))
