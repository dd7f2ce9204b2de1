"""What follows from a reason on a list: RFC 5280 §5.3.1 whole."""

import pytest
from cryptography.x509 import ReasonFlags
from hypothesis import given
from hypothesis import strategies as st

from delegation.revoked.consequence import Consequence, follows

FOLLOWS = {
    "unspecified": Consequence.REVIEW,
    "keyCompromise": Consequence.HOLD,
    "cACompromise": Consequence.REVIEW,
    "affiliationChanged": Consequence.REVIEW,
    "superseded": Consequence.NOTICE,
    "cessationOfOperation": Consequence.REVIEW,
    "certificateHold": Consequence.HOLD,
    "removeFromCRL": Consequence.REVIEW,
    "privilegeWithdrawn": Consequence.REVIEW,
    "aACompromise": Consequence.REVIEW,
}


def test_rfc5280_5_3_1_every_reason_is_here() -> None:
    assert FOLLOWS.keys() == {reason.value for reason in ReasonFlags}


@pytest.mark.parametrize(("reason", "consequence"), FOLLOWS.items())
def test_rfc5280_5_3_1_each_reason_has_its_consequence(reason: str, consequence: Consequence) -> None:
    assert follows(reason) is consequence


@given(st.text())
def test_what_no_list_should_say_is_for_staff(reason: str) -> None:
    assert follows(reason) is FOLLOWS.get(reason, Consequence.REVIEW)
