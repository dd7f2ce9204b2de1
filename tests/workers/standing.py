"""What must hold of a deployment, whatever was killed while it was written to."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session, select
from typer.testing import CliRunner

from assurance.events import EventName
from delegation.audit.leaf import Leaf
from delegation.audit.leaves_about import leaves_about
from delegation.audit.tables import LeafRow
from delegation.tables import DecisionRow, GrantRow, TransitionRow
from idp.cli.audit import app as audit
from idp.tables import CodeRow, RefreshTokenRow
from tests.workers.browser import expect
from tests.workers.load import Given, Load

_STEPS: Final = ("proposed", "accepted", "compared", "active", "ended")
_LEAF_OF: Final[Mapping[str, str]] = {
    EventName.GRANT_ACCEPTED: "accepted",
    EventName.GRANT_ACTIVATED: "active",
    EventName.GRANT_ENDED: "ended",
}
_FROM_BEFORE: Final = 5
"""How many answers of earlier rounds are looked at again each time; at the end all of them are."""


@dataclass
class Seen:
    """How much of the log the rounds before have shown to stand."""

    sessions: int = 0
    tokens: int = 0


def check(load: Load, seen: Seen, rng: random.Random, *, all_of_it: bool = False) -> None:
    """Everything that was answered is there, and what is there is whole."""
    log, services = load.log, load.deployment.services
    load.portal.log_in()
    _sessions(load, _due(log.sessions, seen.sessions, rng, all_of_it=all_of_it))
    _tokens(load, _due(log.tokens, seen.tokens, rng, all_of_it=all_of_it))
    seen.sessions, seen.tokens = len(log.sessions), len(log.tokens)
    with services.database.reading() as session:
        said = [Leaf.parse(content) for content in session.exec(select(LeafRow.content))]
        leaves = Counter(leaf.event for leaf in said)
        _grants(session, load, leaves)
        _decisions(session, load, said)
        _families(session, leaves)
    judged = CliRunner().invoke(audit, ["verify"], env=dict(load.deployment.environment))
    assert judged.exit_code == 0, judged.output


def _due(noted: list[Any], before: int, rng: random.Random, *, all_of_it: bool) -> list[Any]:
    if all_of_it:
        return noted
    return noted[before:] + rng.sample(noted[:before], min(before, _FROM_BEFORE))


def _sessions(load: Load, sessions: Iterable[Any]) -> None:
    """A login that was answered goes on; one that ended does not."""
    for session in sessions:
        if session.ended is not None:
            expect(session.resident.get("/account"), 303 if session.ended else 200)


def _tokens(load: Load, tokens: Iterable[Any]) -> None:
    """A token that was answered is active, and one of an ended grant neither is nor carries a decision."""
    for token in tokens:
        if not token.lasts or (token.grant is not None and token.grant.ended is None):
            continue
        ended = token.grant is not None and token.grant.ended
        assert load.portal.is_active(token.access) is not ended, token.grant
        if ended:
            assert not load.portal.decides(token.access), token.grant


def _grants(session: Session, load: Load, leaves: Counter[str]) -> None:
    """Each step has its leaf and each leaf its step; what was answered is among them."""
    services, rows = load.deployment.services, {row.id: row for row in session.exec(select(GrantRow))}
    steps = Counter((row.grant, row.state) for row in session.exec(select(TransitionRow)))
    told = Counter(
        (leaf.told["grant"], _LEAF_OF[leaf.event])
        for who in load.deployment.residents
        for leaf in leaves_about(session, services.vault, services.ward.code, who.person, at_most=10**6)
        if leaf.event in _LEAF_OF and rows[leaf.told["grant"]].principal == who.person
    )
    assert set(steps.values()) <= {1}
    assert steps == told
    assert steps.total() == sum(leaves[event] for event in _LEAF_OF)
    assert leaves[EventName.MANDATE_SIGNED] == leaves[EventName.GRANT_ACTIVATED]
    for given in load.log.grants:
        assert _STEPS.index(_reached(rows[given.id])) >= _STEPS.index(given.reached), given
        assert given.ended is not False or rows[given.id].state != "ended", given
        _path_is_whole(given, rows[given.id], steps)


def _reached(row: GrantRow) -> str:
    compared = row.state == "accepted" and row.compared_at is not None
    return "compared" if compared else row.state


def _path_is_whole(given: Given, row: GrantRow, steps: Counter[tuple[str, str]]) -> None:
    """One step after the other, none skipped: the version counts them, and the last is the state."""
    went = [state for state in ("accepted", "active", "ended") if steps[given.id, state]]
    assert row.version == 1 + len(went), given
    assert row.state == (went[-1] if went else "proposed"), given


def _decisions(session: Session, load: Load, leaves: Sequence[Leaf]) -> None:
    """A decision that was answered has its row, one that nobody asked for has none, and each has its leaf."""
    rows = Counter((row.principal, row.action, row.allowed) for row in session.exec(select(DecisionRow)))
    asked, decided = load.log.asked, load.log.decided
    assert not {key: (count, rows[key]) for key, count in decided.items() if rows[key] < count}
    assert not {key: (count, asked[key]) for key, count in rows.items() if count > asked[key]}
    names = {EventName.DECISION_ALLOWED: True, EventName.DECISION_DENIED: False}
    told = Counter(names[leaf.event] for leaf in leaves if leaf.event in names and leaf.parts)
    assert told == Counter(allowed for *_, allowed in rows.elements())


def _families(session: Session, leaves: Counter[str]) -> None:
    """A used code has one family: a chain of which exactly the last is unused; an unused code has none."""
    codes = session.exec(select(CodeRow)).all()
    tokens = session.exec(select(RefreshTokenRow)).all()
    unused = Counter(token.authorization for token in tokens if token.used_by is None)
    assert unused == Counter(code.authorization for code in codes if code.used_by is not None)
    assert leaves[EventName.CODE_REDEEMED] == sum(code.used_by is not None for code in codes)
    assert leaves[EventName.TOKEN_REFRESHED] == sum(token.used_by is not None for token in tokens)
