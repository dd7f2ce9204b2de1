"""Numbers of care offices and care managers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card.faults import Fault
from delegation.offices.numbers import care_manager_number, office_number


@pytest.mark.parametrize("number", ["1370100016", "1371500016", "１３７０１０００１６", " 1370100016 "])
def test_an_office_number_is_taken_as_it_is_typed(number: str) -> None:
    assert office_number(number) in {"1370100016", "1371500016"}


@given(st.integers(0, 9), st.integers(1, 9))
def test_every_change_of_one_digit_is_noticed(position: int, by: int) -> None:
    digits = list("1370100016")
    digits[position] = str((int(digits[position]) + by) % 10)
    with pytest.raises(Fault, match=r"office\.number"):
        office_number("".join(digits))


@pytest.mark.parametrize(
    "number", ["", "137010001", "13701000161", "13B0100016", "1370100016\n1", "١٣٧٠١٠٠٠١٦"]
)
def test_what_is_no_office_number_is_refused(number: str) -> None:
    with pytest.raises(Fault, match=r"office\.number"):
        office_number(number)


def test_a_letter_is_kept_unweighed() -> None:
    assert office_number("13a0100012") == "13A0100012"


def test_a_care_manager_number_has_eight_digits_and_may_begin_with_zero() -> None:
    assert care_manager_number("０１２３４５６７") == "01234567"
    for wrong in ("", "1234567", "123456789", "1234567x"):
        with pytest.raises(Fault, match=r"office\.member_number"):
            care_manager_number(wrong)
