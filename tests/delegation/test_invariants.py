"""Whatever people do in whatever order, the registry keeps its invariants.

A small model says who may do what, and the registry's own functions, on a database, agree with it at every
step. People log in weakly or strongly, act on grants that are not theirs, bring signatures that were made
before something changed, are held, protected or no longer proven, and let days pass.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    initialize,
    invariant,
    multiple,
    run_state_machine_as_test,
)
from sqlmodel import col, select

from assurance.counter import LinkedCard
from assurance.database import connection_of
from assurance.engine import Assurance
from assurance.identifiers import IdentifierKind
from assurance.sealed import Vault
from assurance.wards import Ward
from delegation import registry
from delegation.audit.tables import LeafRow
from delegation.decision import Acting, Caller, Question, decide
from delegation.tables import GrantRow, MandateRow, TransitionRow
from tests.delegation.model import PROCEDURES, RULES, Given, ModelledTown
from tests.delegation.model_rules import INVITED, NEVER, PEOPLE, PRINCIPAL, REISSUE, RENEW, Doings

OFFERED = frozenset({RENEW, REISSUE, NEVER})
CALLER = Caller("portal", {}, "https://portal.example", "kaigo", OFFERED)


class Registry(Doings):
    """Begins with grants at several steps, and holds after each act what the design promises."""

    grants = Doings.grants
    begin: Callable[[], ModelledTown]

    def settle(self, town: ModelledTown) -> ModelledTown:
        """Where every example begins: grants active, signed and not yet brought, accepted, proposed."""
        self.town = town
        made = [self.propose("田中花子", "田中由紀", (RENEW,), 25, strong=True) for _ in range(4)]
        for id_, steps in zip(made, (3, 2, 1, 0), strict=True):
            for _ in range(steps):
                self.go_on(id_)
        for signer in (PRINCIPAL, INVITED):
            self.ask_a_card(made[1], PRINCIPAL, signer, strong=True)
        return town

    @initialize(target=grants)
    def a_settled_town(self) -> Any:
        self.town = type(self).begin()
        return multiple(*self.town.grants)

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.every_step_has_its_leaf()
            self.town.database.close()

    @invariant()
    def the_stored_state_is_the_path_that_was_gone(self) -> None:
        """1 and 3: active came after acceptance and with a mandate; nothing comes after the end."""
        town = self.town
        with town.database.reading() as session:
            rows = {row.id: row for row in session.exec(select(GrantRow)).all()}
            steps = session.exec(select(TransitionRow).order_by(col(TransitionRow.version))).all()
            mandates = {row.grant: row.certificate for row in session.exec(select(MandateRow)).all()}
        assert rows.keys() == town.grants.keys()
        for id_, given in town.grants.items():
            row, principal = rows[id_], town.people[given.principal]
            assert (row.state, row.principal) == (given.state, principal.id)
            assert row.delegate in {None, town.people[given.invited].id} - {row.principal}
            went = [(step.version, step.state) for step in steps if step.grant == id_]
            assert went == list(enumerate(given.path, start=2))
            assert (id_ in mandates) == ("active" in given.path)
            assert "active" not in given.path or (row.compared_at, given.path[0]) != (None, "proposed")
            identity = principal.card.signature.certificate.identity
            mac = town.vault.mac(town.ward.code, IdentifierKind.CARD_SIGNATURE, identity)
            assert mandates.get(id_, mac) == mac

    @invariant()
    def what_may_be_used_is_what_the_model_says(self) -> None:
        """2, 7 and 8: no use past the last day, a lapsed proof, a hold, a protection or an end; at once."""
        town = self.town
        with town.database.reading() as session:
            usable = registry.usable_of(connection_of(session), town.ward.code, list(town.grants), town.now)
            for name, someone in town.people.items():
                held = registry.usable(session, town.ward.code, someone.id, town.now)
                expected = {
                    id_
                    for id_, given in town.grants.items()
                    if given.invited == name and town.is_usable(given)
                }
                assert {row.id for row in held} == expected
        assert usable.keys() == {id_ for id_, given in town.grants.items() if town.is_usable(given)}

    @invariant()
    def a_decision_allows_what_every_ground_allows(self) -> None:
        """6 and 9: the grant, the rules and the login each; it names the grant that carries it."""
        town = self.town
        with town.database.reading() as session:
            usable = registry.usable_of(connection_of(session), town.ward.code, list(town.grants), town.now)
        for id_, given in town.grants.items():
            for strong in (True, False):
                assurance = town.login(given.invited, strong=strong).assurance
                acting = self.acting(given, usable.get(id_), assurance)
                for procedure in OFFERED:
                    for action in ("file", "receive"):
                        question = Question("delegate", "principal", procedure, action)
                        answer = decide(question, CALLER, acting, PROCEDURES, RULES, town.now)
                        assert answer.allowed == (
                            town.is_usable(given)
                            and procedure in given.procedures
                            and action == "file"
                            and town.is_proven(given.invited, strong=strong)
                        )
                        assert answer.grant == (id_ if answer.allowed else None)

    def acting(self, given: Given, usable: registry.Usable | None, assurance: Assurance) -> Acting:
        principal, delegate = (self.town.people[name].id for name in (given.principal, given.invited))
        return Acting(
            person=delegate, principal=principal, subject="delegate", principal_sub="principal",
            audience=CALLER.audience, assurance=assurance,
            procedures=OFFERED, grant=given.id, terms=None if usable is None else usable.terms,
        )  # fmt: skip

    def every_step_has_its_leaf(self) -> None:
        """12: and 11, nothing that was acknowledged is missing."""
        with self.town.database.reading() as session:
            leaves = [json.loads(leaf.content)["event"] for leaf in session.exec(select(LeafRow)).all()]
        told = Counter(event for event in leaves if event.startswith("grant:"))
        assert told == self.town.happened


@pytest.mark.timeout(400)  # what fails is made small first
def test_the_registry_keeps_its_invariants(
    tmp_path: Path, vault: Vault, ward: Ward, linked: Callable[[str], LinkedCard]
) -> None:
    cards, number = {name: linked(name) for name in PEOPLE}, iter(range(10**6))
    settled = Registry().settle(ModelledTown(tmp_path, vault, ward, cards))
    settled.database.close()

    def begin() -> ModelledTown:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        return settled.copied(folder)

    class Here(Registry):
        pass

    Here.begin = staticmethod(begin)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=80,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        ),
    )
