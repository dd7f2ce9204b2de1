"""What a ward may change without a programmer, as it ships: rules, procedures and thresholds."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from assurance.levels import AAL, IAL
from assurance.procedures import Action, load_procedures
from assurance.thresholds import load_thresholds
from delegation.grant import Basis
from delegation.rules import load_rules
from deploy.sandbox.layout import Layout

PROCEDURES, RULES, THRESHOLDS = load_procedures(), load_rules(), load_thresholds()


def decisions() -> Iterator[tuple[str, ...]]:
    for line in (Path(__file__).parent / "decisions.csv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield tuple(cell.strip() for cell in line.split(","))


@pytest.mark.parametrize(("basis", "procedure", "action", "mode", "allowed"), list(decisions()))
def test_the_rules_say_what_the_table_says(
    basis: str, procedure: str, action: str, mode: str, allowed: str
) -> None:
    assert RULES.ruling(basis, procedure, Action(action), mode).allowed == (allowed == "yes")


def test_a_messenger_sees_and_decides_nothing() -> None:
    for basis in Basis:
        for procedure in PROCEDURES.by_id:
            for action in (Action.VIEW, Action.DRAFT):
                assert not RULES.ruling(basis, procedure, action, "messenger").allowed


def test_what_is_never_delegable_is_in_no_rule() -> None:
    never = {entry.id for entry in PROCEDURES.by_id.values() if entry.never}
    assert "inkan.register" in never
    assert not [row for row in RULES.rows if any(id_ in row for id_ in never)]


def test_there_are_ten_procedures_and_each_delegable_one_ends() -> None:
    assert len(PROCEDURES.by_id) == 10
    for entry in PROCEDURES.by_id.values():
        assert set(entry.name) == {"ja", "en"}
        assert bool(entry.delegates) == (entry.longest_months is not None)


def test_nothing_that_a_delegate_may_do_rests_on_mail_alone() -> None:
    for entry in PROCEDURES.by_id.values():
        assert not entry.delegates or entry.level.aal >= AAL.MULTI


def test_mail_proves_contact_and_no_more_and_the_card_reaches_the_top() -> None:
    reached = THRESHOLDS.authentication
    assert reached.email_code == AAL.CONTACT
    assert reached.passkey_user_verified == AAL.MULTI
    assert (reached.card, reached.card_unchecked) == (AAL.HARDWARE, AAL.MULTI)
    assert THRESHOLDS.proofing["counter_card"].ial == IAL.HIGH
    assert (THRESHOLDS.unchecked_card_ial, THRESHOLDS.app_ial) == (IAL.SUBSTANTIAL, IAL.SUBSTANTIAL)


def test_the_sandbox_raises_one_procedure_and_changes_nothing_else(tmp_path: Path) -> None:
    Layout(tmp_path, 1, 2, 3, 4, 5, in_process_card=True).write_procedures()
    changed = load_procedures((tmp_path / "procedures.toml").read_text("utf-8")).by_id
    shipped = load_procedures(files("policies").joinpath("procedures.toml").read_text("utf-8")).by_id
    assert {id_ for id_ in shipped if shipped[id_] != changed[id_]} == {"kaigo.card.reissue"}
    assert changed["kaigo.card.reissue"].level.aal == AAL.HARDWARE
