"""Whatever people do in whatever order, the registry keeps its invariants.

A model, which is plain Python and asks the registry nothing, says who may do what and what may be used. The
registry's own functions, on a database, agree with it after every step, for all people and all grants. People
log in weakly or strongly, act on grants that are not theirs, bring signatures that were made before something
changed, join an office, hand its clients over, are held, protected or no longer proven, and let days pass.

What stands for which invariant is said where it is checked. Of these there is nothing to ask yet:
1's counter attestation by two staff, and 10: no grant is made for someone under guardianship, or a minor;
4's mandate that lets a delegate delegate: no mandate can say so, and all that a delegate can try is refused;
5's delegated tokens: no function here takes one, and `test_acting` shows what they open;
11 where the process dies, and 12 for decisions: a decision has its leaf by the batch door, in `test_acting`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, invariant, multiple, run_state_machine_as_test
from sqlmodel import Session

from assurance.database import connection_of
from assurance.events import EventName
from assurance.identifiers import IdentifierKind
from assurance.linking import LinkedCard
from assurance.sealed import Vault
from assurance.wards import Ward
from card.dates import end_of
from delegation import usability
from delegation.decision import Acting, Answer, Caller, Question, Reason, decide
from delegation.grant import GrantId, GrantState, current_state
from delegation.offices import members
from delegation.offices.tables import MembershipRow
from delegation.pages.view import view
from delegation.tables import GrantRow
from delegation.usability import Usable
from tests.delegation.model import Given, Model
from tests.delegation.model_happenings import Happenings
from tests.delegation.model_rules import ACTIONS, NEVER, NOTIFY, REISSUE, RENEW
from tests.delegation.model_town import NUMBER_OF_OFFICE, PEOPLE, Town
from tests.shipped import PROCEDURES, RULES
from tests.soak import SOAKS

STEPS: Final = 100_000 if SOAKS else 20_000
IN_A_ROW: Final = 100
OFFERED: Final = frozenset({RENEW, NOTIFY, REISSUE, NEVER})
CALLER: Final = Caller("portal", {}, "https://portal.example", "kaigo", OFFERED)
ACTS: Final = {
    EventName.GRANT_PROPOSED, EventName.GRANT_ACCEPTED, EventName.GRANT_DIGITS_WRONG,
    EventName.GRANT_COMPARED, EventName.MANDATE_SIGNED, EventName.GRANT_ACTIVATED, EventName.GRANT_PAUSED,
    EventName.GRANT_RESUMED, EventName.GRANT_ENDED, EventName.MEMBER_INVITED, EventName.MEMBER_JOINED,
    EventName.MEMBER_CHECKED, EventName.MEMBER_ATTESTED, EventName.MEMBER_LEFT, EventName.GRANT_ASKED,
    EventName.GRANT_ASK_DECLINED, EventName.DESIGNATED, EventName.DESIGNATION_CONFIRMED,
    EventName.DESIGNATION_REFUSED,
}  # fmt: skip
"""What every run must have seen done; what staff does joins them once there are functions for it."""
OF_A_GRANT: Final = "id, version, state, principal, delegate, office, compared_at, ended_at"


@dataclass
class Tally:
    """What a run really did.

    :param compared: steps after which something could have changed, so that everything was asked again.
    """

    steps: int = 0
    compared: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    allowed: int = 0


class Registry(Happenings):
    """Begins with grants at several steps, and holds after each act what the design promises."""

    grants, held = Happenings.grants, Happenings.held
    members, asks = Happenings.members, Happenings.asks
    begin: Callable[["Registry"], None]
    tally: Tally

    def begun(self) -> Model:
        if not hasattr(self, "town"):
            self.begin()
            self.at: Any = None
        return self.town.model

    @initialize(target=grants)
    def its_grants(self) -> Any:
        return multiple(*self.begun().grants)

    @initialize(target=held)
    def what_the_office_holds(self) -> Any:
        return multiple(*(id_ for id_, given in self.begun().grants.items() if given.of_office))

    @initialize(target=members)
    def its_members(self) -> Any:
        return multiple(*self.begun().members)

    @initialize(target=asks)
    def its_asks(self) -> Any:
        return multiple(*self.begun().asks)

    @invariant()
    def the_registry_says_what_the_model_says(self) -> None:
        """Its answers are made of what is stored and the time: where neither changed, none of them can."""
        self.tally.steps += self.at is not None
        self.look()

    def look(self) -> None:
        town, before = self.town, self.at
        self.at = town.version(), town.model.now
        if self.at != before:
            self.tally.compared += 1
            with town.database.reading() as session:
                self.compare_all(session)

    def compare_all(self, session: Session) -> None:
        town, model = self.town, self.town.model
        ids = [GrantId(id_) for id_ in model.grants]
        usable = usability.usable_of(connection_of(session), town.ward.code, ids, model.now)
        rows = {row[0]: row for row in town.stored(OF_A_GRANT, "delegation_grant")}
        assert rows.keys() == model.grants.keys()
        self.active_only_by_acceptance_and_mandate_and_ended_for_ever(rows)
        self.usable_is_what_the_model_says(session, usable)
        self.a_decision_allows_what_every_ground_allows(usable)
        self.pages_say_what_is_so(session, rows, usable)

    def active_only_by_acceptance_and_mandate_and_ended_for_ever(self, rows: Mapping[str, Any]) -> None:
        """1, 3 and 5: a mandate by the principal's own card, after an acceptance; nothing after the end."""
        town, model, went = self.town, self.town.model, dict[str, list[tuple[int, str]]]()
        for grant, version, state in town.stored(
            "grant, version, state", "grant_transition ORDER BY version"
        ):
            went.setdefault(grant, []).append((version, state))
        mandates = dict(town.stored("grant, certificate", "mandate"))
        for id_, given in model.grants.items():
            _, version, state, principal, delegate, office, compared_at, ended_at = rows[id_]
            assert (state, principal) == (given.state, town.ids[given.principal])
            assert went.get(id_, []) == list(enumerate(given.path, start=2))
            assert version == 1 + len(given.path)
            assert delegate == (
                town.ids[given.invited] if given.invited is not None and "accepted" in given.path else None
            )
            assert delegate != principal
            assert office == (model.office.id if given.of_office else None)
            assert (compared_at is not None, ended_at is not None) == (given.compared, state == "ended")
            assert (id_ in mandates) == ("active" in given.path)
            if "active" in given.path:
                assert given.path.index("accepted") < given.path.index("active")
                assert compared_at is not None
                assert mandates[id_] == self.card_of(given.principal)

    def card_of(self, name: str) -> str:
        identity = self.town.cards[name].signature.certificate.identity
        return self.town.vault.mac(self.town.ward.code, IdentifierKind.CARD_SIGNATURE, identity)

    def usable_is_what_the_model_says(self, session: Session, usable: Mapping[GrantId, Usable]) -> None:
        """2, 7 and 8: not past the last day, a proof, the office, an attestation, a naming; no hold, at once.

        A protected person's grants are not found, as those of someone who gave none.
        """
        town, model = self.town, self.town.model
        expected = {id_: given for id_, given in model.grants.items() if model.is_usable(given)}
        assert usable.keys() == expected.keys()
        for id_, given in expected.items():
            found, acting = usable[GrantId(id_)], given.acting(model.now)
            assert acting is not None
            assert (found.principal, found.delegate) == (town.ids[given.principal], town.ids[acting])
            assert found.office == (NUMBER_OF_OFFICE if given.of_office else None)
            assert (found.terms.procedures, found.terms.last) == (given.procedures, given.last)
        for name, person in town.ids.items():
            theirs = [row.id for row in usability.usable(session, town.ward.code, person, model.now)]
            mine = [id_ for id_, given in expected.items() if given.acting(model.now) == name]
            assert theirs == sorted(mine)

    def a_decision_allows_what_every_ground_allows(self, usable: Mapping[GrantId, Usable]) -> None:
        """4, 6 and 9: the grant, the rules and the login each; it names the grant that carries it.

        Everybody but who acts is told that there is no grant: a former care manager, a colleague, the invited
        person before she accepted, and whoever was handed what was not theirs to hand on.
        """
        for given in self.town.model.grants.values():
            found = usable.get(GrantId(given.id))
            acting = given.acting(self.town.model.now) if found is not None else None
            for name in self.town.ids.keys() - {given.principal}:
                if name == acting:
                    self.decide_all(given, name, found)
                else:
                    answer = self.decide(given, name, found, given.procedures[0], "file", strong=True)
                    assert (answer.reason, answer.grant) == (Reason.NO_GRANT, None)

    def decide_all(self, given: Given, name: str, found: Usable | None) -> None:
        proven = self.town.model.is_proven(name)
        weak = self.decide(given, name, found, given.procedures[0], "file", strong=False)
        assert (weak.reason, weak.grant) == (Reason.STEP_UP, None)
        for procedure in OFFERED:
            for action in ("file", "receive"):
                answer = self.decide(given, name, found, procedure, action, strong=True)
                allowed = proven and procedure in given.procedures and action in ACTIONS
                assert answer.allowed == allowed
                assert answer.grant == (given.id if allowed else None)
                assert answer.until == (end_of(given.last) if allowed else None)
                assert (answer.reason is Reason.NEVER_DELEGABLE) == (procedure == NEVER)
                self.tally.allowed += allowed

    def decide(
        self, given: Given, name: str, found: Usable | None, procedure: str, action: str, *, strong: bool
    ) -> Answer:
        question = Question("delegate", "principal", procedure, action)
        acting = self.acting(given, name, found, strong=strong)
        return decide(question, CALLER, acting, PROCEDURES, RULES, self.town.model.now)

    def acting(self, given: Given, name: str, found: Usable | None, *, strong: bool) -> Acting:
        """As a token says it: its grant counts if it is still between the same two people."""
        delegate, principal = self.town.ids[name], self.town.ids[given.principal]
        fits = found is not None and (found.delegate, found.principal) == (delegate, principal)
        return Acting(
            person=delegate, principal=principal, subject="delegate", principal_sub="principal",
            audience=CALLER.audience, assurance=self.town.login(name, strong=strong).assurance,
            procedures=OFFERED, grant=GrantId(given.id), terms=found.terms if found and fits else None,
        )  # fmt: skip

    def pages_say_what_is_so(
        self, session: Session, rows: Mapping[str, Any], usable: Mapping[GrantId, Usable]
    ) -> None:
        """Every state, of what is stored and usable; and of one grant, in turn, all that its page asks."""
        town, model = self.town, self.town.model
        for id_, given in model.grants.items():
            state, compared = GrantState(rows[id_][2]), rows[id_][6] is not None
            said = current_state(
                state, given.last, model.today, invited=model.now < given.until, compared=compared,
                usable=id_ in usable,
            )  # fmt: skip
            assert said == model.current_state(given)
        given = list(model.grants.values())[self.tally.compared % len(model.grants)]
        row = session.get_one(GrantRow, (town.ward.code, given.id))
        assert usability.state_now(session, row, model.now) == model.current_state(given)

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.every_page_says_it()
            self.every_act_has_its_leaf()
            self.tally.happened.update(self.town.model.happened)

    def every_page_says_it(self) -> None:
        """8: what parties read in words, of the last grant; and whether the office counts the last member."""
        town, model = self.town, self.town.model
        with town.database.reading() as session:
            given, member = list(model.grants.values())[-1], list(model.members.values())[-1]
            row = session.get_one(GrantRow, (town.ward.code, given.id))
            for name in model.parties(given):
                page = view(session, town.parts, row, town.ids[name])
                assert (page.state, page.mine) == (model.current_state(given), name == given.principal)
                assert page.reason is None or page.mine
            joined = session.get_one(MembershipRow, (town.ward.code, member.id))
            assert members.counts(session, joined, model.now) == model.counts(member)

    def every_act_has_its_leaf(self) -> None:
        """11 and 12: what was acknowledged is there for whoever opens the database anew, with its leaf."""
        self.town.database.engine.dispose()
        leaves = [json.loads(content)["event"] for (content,) in self.town.stored("content", "audit_leaf")]
        told = Counter(event for event in leaves if event.startswith(("grant:", "office:")))
        assert told == +self.town.model.happened


@pytest.mark.timeout(6000 if SOAKS else 1200)  # what fails is made small first
def test_the_registry_keeps_its_invariants(
    tmp_path: Path, vault: Vault, ward: Ward, linked: Callable[[str], LinkedCard]
) -> None:
    town, tally = Town(tmp_path, vault, ward, {name: linked(name) for name in PEOPLE}), Tally()
    settled = Registry()
    settled.town, settled.signed = town, {}
    settled.settle()
    again = town.keep()

    def begin(machine: Registry) -> None:
        again()
        machine.town, machine.signed = town, dict(settled.signed)

    class Here(Registry):
        pass

    Here.begin, Here.tally = begin, tally
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=STEPS // IN_A_ROW * 14 // 10,  # some are shorter
            stateful_step_count=IN_A_ROW + 4,  # with the four that begin
            deadline=None,
            derandomize=not SOAKS,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    town.close()
    assert tally.steps >= STEPS, "a machine that stops early proves nothing"
    assert tally.happened.keys() >= ACTS, "nor does one that is refused everything"
