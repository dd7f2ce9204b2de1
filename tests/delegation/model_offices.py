"""What an office and its members do, each step judged by the model."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule

from card.dates import add_months
from delegation.grant import Basis, HoldKind, Terms
from delegation.offices import asking, designating, members
from delegation.offices.members import Invited
from tests.delegation.model import ATTESTED_FOR, NOTICE, OPEN_FOR, Ask, Given, Naming
from tests.delegation.model_rules import (
    ACTING,
    ACTIONS,
    MOSTLY,
    NEVER,
    NOTIFY,
    PRINCIPAL,
    REISSUE,
    RENEW,
    Doings,
)
from tests.delegation.model_town import HANAKO, KEN, MIDORI, SAKURA, WARD, YUKI
from tests.shipped import PROCEDURES

COLLEAGUES = st.sampled_from([KEN, MIDORI, KEN, MIDORI, SAKURA, YUKI])
ADMINISTRATOR = st.sampled_from([SAKURA] * 7 + [KEN, HANAKO])
STAFF = st.sampled_from([WARD] * 6 + [SAKURA, KEN])
DAY = timedelta(days=1)


class OfficeDoings(Doings):
    """Rules about the office; its grants are among the others."""

    grants, held, members, asks = Doings.grants, Doings.held, Bundle("members"), Bundle("asks")

    # Members.

    @rule(
        target=members, by=ADMINISTRATOR, whom=COLLEAGUES, days=st.sampled_from([-1, 3, 365]), strong=MOSTLY
    )
    def invite(self, by: str, whom: str, days: int, strong: bool) -> Any:
        town, model = self.town, self.town.model
        until = model.today + timedelta(days=days)
        invited, login = Invited(whom, town.addresses[whom], "13000001", until), town.login(by, strong=strong)
        done, mails = town.attempt(
            lambda unit: members.invite(unit, town.parts, login, model.office.id, invited),
            allowed=model.administers(by, strong=strong) and days >= 0,
        )
        return town.invited(whom, mails[0].body, until).id if done and mails else multiple()

    @rule(id_=members, invited=MOSTLY, strong=MOSTLY)
    def join(self, id_: str, invited: bool, strong: bool) -> None:
        town, model, member = self.town, self.town.model, self.town.model.members[id_]
        who = member.name if invited else YUKI
        login = town.login(who, strong=strong)
        already = any(one.person == who and one.left_at is None for one in model.members.values())
        done, _ = town.attempt(
            lambda unit: members.join(unit, town.parts, login, member.handle),
            allowed=strong
            and model.is_proven(who)
            and who == member.name
            and member.person is None
            and member.left_at is None
            and model.now < member.open_until
            and not model.office.ended
            and not already,
        )
        if done:
            town.joined(member, who)

    @rule(id_=members, by=STAFF, strong=MOSTLY)
    def check(self, id_: str, by: str, strong: bool) -> None:
        """Staff found the number in the register."""
        town, model, member = self.town, self.town.model, self.town.model.members[id_]
        login = town.login(by, strong=strong)
        done, _ = town.attempt(
            lambda unit: members.check(unit, town.parts, login, model.office.id, id_),
            allowed=strong
            and model.is_proven(by)
            and by == WARD
            and not model.is_held(HoldKind.PERSON, by)  # which takes the powers of staff too
            and member.person not in {None, by}
            and member.left_at is None,
        )
        if done:
            member.checked, member.attested_until = True, model.now + ATTESTED_FOR
            model.happened["office:member:checked"] += 1

    @rule(id_=members, by=ADMINISTRATOR, strong=MOSTLY)
    def attest(self, id_: str, by: str, strong: bool) -> None:
        town, model, member = self.town, self.town.model, self.town.model.members[id_]
        login = town.login(by, strong=strong)
        done, _ = town.attempt(
            lambda unit: members.attest(unit, town.parts, login, model.office.id, id_),
            allowed=model.administers(by, strong=strong) and member.checked and member.left_at is None,
        )
        if done:
            member.attested_until = model.now + ATTESTED_FOR
            model.happened["office:member:attested"] += 1

    @rule(id_=members, by=st.sampled_from([SAKURA, KEN, MIDORI, HANAKO]), strong=MOSTLY)
    def leave(self, id_: str, by: str, strong: bool) -> None:
        town, model, member = self.town, self.town.model, self.town.model.members[id_]
        login = town.login(by, strong=strong)
        own = strong and model.is_proven(by) and member.person == by
        done, _ = town.attempt(
            lambda unit: members.leave(unit, town.parts, login, model.office.id, id_),
            allowed=member.left_at is None and (own or model.administers(by, strong=strong)),
        )
        if done:
            member.left_at = model.now
            model.withdraw(member)
            model.happened["office:member:left"] += 1

    @rule(target=members, whom=st.sampled_from([KEN, MIDORI]))
    def someone_joins_again(self, whom: str) -> Any:
        """All steps at once, if the office may take them: a colleague who left comes back."""
        made = self.invite(SAKURA, whom, 365, strong=True)
        if made in self.town.model.members:
            self.join(made, invited=True, strong=True)
            self.check(made, WARD, strong=True)
        return made

    # Grants to the office.

    @rule(
        target=asks,
        by=st.sampled_from([KEN, MIDORI, KEN, MIDORI, SAKURA, YUKI]),
        whom=st.sampled_from([HANAKO, YUKI, HANAKO, YUKI, KEN, SAKURA]),
        procedures=st.sampled_from([(RENEW, NOTIFY), (RENEW,), (RENEW, NOTIFY), (REISSUE,), (NEVER,), ()]),
        days=st.sampled_from([-1, 0, 40, 300, 400]),
        strong=MOSTLY,
    )
    def ask(self, by: str, whom: str, procedures: tuple[str, ...], days: int, strong: bool) -> Any:
        town, model, member = self.town, self.town.model, self.town.model.works(by)
        last = model.today + timedelta(days=days)
        terms = Terms(Basis.CARE_OFFICE, "agent", procedures, PROCEDURES.version, ACTIONS, model.today, last)
        login, profile = town.login(by, strong=strong), town.cards[whom].profile
        asked = profile.name, profile.birth_date
        lately = [
            one for one in model.asks.values() if one.asked_at > model.now - DAY and one.member is member
        ]
        done, id_ = town.attempt(
            lambda unit: asking.ask(unit, town.parts, login, model.office.id, asked, terms),
            allowed=strong
            and model.is_proven(by)
            and member is not None
            and not member.administrator
            and procedures in ((RENEW, NOTIFY), (RENEW,))
            and model.today <= last < add_months(model.today, 12)
            and len(lately) < 20,
        )
        if not done or id_ is None or member is None:
            return multiple()
        model.asks[id_] = Ask(id_, member, by, whom, procedures, model.today, last, model.now)
        model.happened["office:grant:asked"] += 1
        return id_

    @rule(targets=(grants, held), id_=asks, asked=MOSTLY, strong=MOSTLY)
    def agree(self, id_: str, asked: bool, strong: bool) -> Any:
        town, model, ask = self.town, self.town.model, self.town.model.asks[id_]
        who = ask.target if asked else ask.asker
        login = town.login(who, strong=strong)
        done, grant = town.attempt(
            lambda unit: asking.agree(unit, town.parts, login, id_),
            allowed=strong and model.may_be_answered(ask, who),
        )
        if not done or grant is None:
            return multiple()
        ask.answered = True
        until = ask.asked_at + OPEN_FOR
        given = Given(grant, None, who, None, ask.procedures, ask.first, ask.last, until)
        given.namings.append(Naming(ask.member, ask.asker, model.now, model.now, first=True))
        given.compared, given.accepted = True, ask.last
        model.grants[grant] = given
        model.reached.append((who, None, model.now))
        model.happened["grant:grant:proposed"] += 1
        model.went_on(given, "accepted", "grant:grant:accepted")
        return grant

    @rule(id_=asks, asked=MOSTLY, strong=MOSTLY)
    def decline_what_an_office_asks(self, id_: str, asked: bool, strong: bool) -> None:
        town, model, ask = self.town, self.town.model, self.town.model.asks[id_]
        who = ask.target if asked else ask.asker
        login = town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: asking.decline(unit, town.parts, login, id_),
            allowed=strong and model.may_be_answered(ask, who),
        )
        if done:
            ask.answered = True
            model.happened["office:grant:declined"] += 1

    @rule(targets=(grants, held), by=st.sampled_from([KEN, MIDORI]), whom=st.sampled_from([HANAKO, YUKI]))
    def the_office_asks_and_gets(self, by: str, whom: str) -> Any:
        asked = self.ask(by, whom, (RENEW, NOTIFY), 300, strong=True)
        if asked not in self.town.model.asks:
            return multiple()
        grant = self.agree(asked, asked=True, strong=True)
        if grant in self.town.model.grants:
            self.go_on(grant)
        return grant

    # Handing over.

    @rule(id_=held, by=ADMINISTRATOR, member=members, strong=MOSTLY)
    def hand_over(self, id_: str, by: str, member: str, strong: bool) -> None:
        town, model, given = self.town, self.town.model, self.town.model.grants[id_]
        to, login = model.members[member], town.login(by, strong=strong)
        done, _ = town.attempt(
            lambda unit: designating.hand_over(unit, town.parts, login, model.office.id, id_, member),
            allowed=model.administers(by, strong=strong)
            and given.of_office
            and given.state == "active"
            and given.coming(model.now) is None
            and model.counts(to)
            and not to.administrator
            and to.person not in {given.principal, given.acting(model.now)}
            and model.handed_over_lately() < 10,
        )
        if done:
            given.namings.append(Naming(to, by, model.now, model.now + NOTICE))
            model.happened["office:designation:named"] += 1

    @rule(id_=held, by=st.sampled_from([PRINCIPAL, PRINCIPAL, SAKURA, KEN, MIDORI, YUKI]), strong=MOSTLY)
    def confirm(self, id_: str, by: str, strong: bool) -> None:
        """She, or a second person of the office: neither who named nor who is named."""
        town, model, given = self.town, self.town.model, self.town.model.grants[id_]
        by = given.principal if by == PRINCIPAL else by
        coming, login = given.coming(model.now), town.login(by, strong=strong)
        done, _ = town.attempt(
            lambda unit: designating.confirm(unit, town.parts, login, id_),
            allowed=strong
            and model.is_proven(by)
            and (by == given.principal or model.works(by) is not None)
            and given.state == "active"
            and coming is not None
            and by not in {coming.named_by, coming.member.person},
        )
        if done and coming is not None:
            coming.works_from = model.now
            model.happened["office:designation:confirmed"] += 1

    @rule(id_=held, role=st.sampled_from([PRINCIPAL, PRINCIPAL, ACTING]), strong=MOSTLY)
    def refuse(self, id_: str, role: str, strong: bool) -> None:
        town, model, (given, who) = self.town, self.town.model, self.who(id_, role)
        coming, login = given.coming(model.now), town.login(who, strong=strong)
        done, _ = town.attempt(
            lambda unit: designating.refuse(unit, town.parts, login, id_),
            allowed=strong and who == given.principal and given.state == "active" and coming is not None,
        )
        if done and coming is not None:
            coming.refused = True
            model.happened["office:designation:refused"] += 1

    @rule(id_=held, then=st.sampled_from(["confirm", "refuse", "wait", "leave", "and no more"]))
    def a_client_is_handed_over(self, id_: str, then: str) -> None:
        model = self.town.model
        _, acting = self.who(id_, ACTING)
        colleagues = [
            one.id for one in model.members.values() if not one.administrator and one.name != acting
        ]
        member = next((one for one in colleagues if model.counts(model.members[one])), colleagues[0])
        self.hand_over(id_, SAKURA, member, strong=True)
        if then == "confirm":
            self.confirm(id_, PRINCIPAL, strong=True)
        elif then == "refuse":
            self.refuse(id_, PRINCIPAL, strong=True)
        elif then == "leave":
            self.leave(member, SAKURA, strong=True)
        elif then == "wait":
            self.town.clock.advance(NOTICE)

    @rule(id_=held, by=ADMINISTRATOR, strong=MOSTLY)
    def end_for_the_office(self, id_: str, by: str, strong: bool) -> None:
        town, model, given = self.town, self.town.model, self.town.model.grants[id_]
        login = town.login(by, strong=strong)
        done, _ = town.attempt(
            lambda unit: designating.end_for_office(unit, town.parts, login, model.office.id, id_),
            allowed=model.administers(by, strong=strong) and given.of_office and given.state != "ended",
        )
        if done:
            model.ended(given)

    @rule(id_=held, member=members)
    def who_acts_passes_it_on(self, id_: str, member: str) -> None:
        """4 and 5: names a colleague, confirms that, signs for the principal or extends it."""
        _, acting = self.who(id_, ACTING)
        self.hand_over(id_, acting, member, strong=True)
        self.confirm(id_, acting, strong=True)
        self.compare(id_, ACTING, right=True, strong=True)
        self.ask_a_card(id_, ACTING, ACTING, strong=True)
        self.bring_what_was_signed(id_, ACTING, ACTING, strong=True)

    def settle(self) -> None:
        """Where every example begins: grants at every step, and an office with two care managers."""
        (sakura,) = self.town.model.members
        self.join(sakura, invited=True, strong=True)
        for colleague in (KEN, MIDORI):
            self.someone_joins_again(colleague)
        made = [self.propose(HANAKO, YUKI, (RENEW,), 25, strong=True) for _ in range(4)]
        for id_, steps in zip(made, (3, 2, 1, 0), strict=True):
            for _ in range(steps):
                self.go_on(id_)
        for signer in (PRINCIPAL, ACTING):
            self.ask_a_card(made[1], PRINCIPAL, signer, strong=True)
        self.the_office_asks_and_gets(KEN, HANAKO)
        self.the_office_asks_and_gets(MIDORI, YUKI)
        asked = self.ask(KEN, YUKI, (RENEW, NOTIFY), 300, strong=True)
        self.agree(asked, asked=True, strong=True)
        self.ask(MIDORI, HANAKO, (RENEW,), 40, strong=True)
