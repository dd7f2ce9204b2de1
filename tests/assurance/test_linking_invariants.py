"""Whatever two namesakes, their cards and the counter do in whatever order: what of it always holds."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlmodel import col, select

from assurance.database import Database
from assurance.linking import LinkedCard
from assurance.sealed import Vault
from assurance.tables import IdentifierRow
from assurance.thresholds import Thresholds
from assurance.wards import Ward
from card.faults import Fault
from card.test_authority import TestAuthority
from card.trust import Trust
from card.virtual.card import VirtualCard
from tests.assurance.test_linking import Home, authority, cards, deck, good
from tests.conftest import NOW, FixedClock

__all__ = ["authority", "cards", "deck", "good"]

CARDS: Final = ("old", "new", "newer", "other name")
_cards = st.sampled_from(CARDS)
_who = st.integers(0, 1)


class Linking(RuleBasedStateMachine):
    """Hanako with her card, and a namesake with a passkey and none."""

    begin: Callable[["Linking"], Home]

    @initialize()
    def settle(self) -> None:
        self.home = self.begin()
        self.people = [self.home.person, self.home.register("spaced", not_these=[self.home.person])]
        self.holder: dict[str, str] = {}
        self.ended: set[str] = set()
        self.by_counter, self.counter_saw = False, NOW

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Fault:
            return False
        return True

    @rule(card=_cards, who=_who)
    def link_at_home(self, card: str, who: int) -> None:
        self.by_counter = False
        linked = self._try(lambda: self.home.link(card, self.home.login(person=self.people[who])))
        assert not (linked and card == "other name")

    @rule(card=_cards, who=_who)
    def relink_at_the_counter(self, card: str, who: int) -> None:
        self.by_counter = True
        if self._try(lambda: self.home.relink(card, self.people[who])):
            self.counter_saw = self.home.clock.now()

    @rule(who=_who)
    def withdraw(self, who: int) -> None:
        self.by_counter = False
        self._try(lambda: self.home.withdraw(self.home.login(person=self.people[who])))

    @rule(card=_cards)
    def hand_in(self, card: str) -> None:
        self.home.revoke(card)

    @rule(hours=st.sampled_from([1, 71, 72]))
    def wait(self, hours: int) -> None:
        self.by_counter = False
        self.home.clock.advance(timedelta(hours=hours))
        self.home.authority.publish_crls(self.home.clock.now())

    def rows(self) -> list[IdentifierRow]:
        with self.home.database.reading() as session:
            return list(
                session.exec(select(IdentifierRow).where(col(IdentifierRow.kind).like("card%"))).all()
            )

    @invariant()
    def an_identifier_is_one_persons_for_ever(self) -> None:
        for row in self.rows():
            assert self.holder.setdefault(row.mac, row.person) == row.person

    @invariant()
    def nobody_has_two_live_cards(self) -> None:
        live = [(row.person, row.kind) for row in self.rows() if row.ended_at is None]
        assert len(live) == len(set(live))

    @invariant()
    def what_ended_comes_back_at_the_counter_alone(self) -> None:
        ended = {row.mac for row in self.rows() if row.ended_at is not None}
        assert self.by_counter or self.ended <= ended
        self.ended = ended

    @invariant()
    def what_counts_at_once_was_seen_at_the_counter(self) -> None:
        for row in self.rows():
            wait = None if row.counts_from is None else row.counts_from - row.bound_at
            assert wait in {None, timedelta(hours=72)} or self.counter_saw >= row.bound_at


@pytest.mark.timeout(600)
def test_linking_keeps_its_invariants(
    tmp_path: Path,
    sqlite_tables: Path,
    vault: Vault,
    ward: Ward,
    thresholds: Thresholds,
    authority: TestAuthority,
    good: Trust,
    deck: dict[str, VirtualCard],
    cards: Callable[[str], LinkedCard],
) -> None:
    opened: list[Database] = []

    def begin(_: Linking) -> Home:
        for path in authority.crl_folder.glob("*.crl"):
            path.unlink()
        authority.publish_crls(NOW)
        while opened:
            opened.pop().close()
        for left in tmp_path.glob("dairi.db*"):
            left.unlink()
        shutil.copy(sqlite_tables, tmp_path / "dairi.db")
        opened.append(Database(f"sqlite:///{tmp_path / 'dairi.db'}"))
        home = Home(opened[0], vault, ward, thresholds, authority, good, deck, cards, FixedClock())
        home.open()
        return home

    class Here(Linking):
        pass

    Here.begin = begin
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=25,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    opened.pop().close()
