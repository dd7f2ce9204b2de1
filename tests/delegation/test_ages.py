"""Ages as the law counts them, 29 February included."""

from calendar import isleap
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation.counter.ages import is_below, last_day_below

BIRTHS = st.dates(date(1900, 1, 1), date(2026, 12, 31))
YEARS = st.integers(1, 100)


@pytest.mark.parametrize(
    ("born", "years", "last"),
    [
        (date(2008, 11, 25), 18, date(2026, 11, 24)),
        (date(2008, 2, 29), 18, date(2026, 2, 28)),
        (date(2008, 2, 29), 20, date(2028, 2, 28)),
        (date(2008, 3, 1), 18, date(2026, 2, 28)),
        (date(2010, 3, 1), 18, date(2028, 2, 29)),
        (date(2008, 1, 1), 18, date(2025, 12, 31)),
        (date(2008, 4, 1), 15, date(2023, 3, 31)),
    ],
)
def test_an_age_is_reached_at_the_end_of_the_day_before_the_birthday(
    born: date, years: int, last: date
) -> None:
    assert last_day_below(born, years) == last
    assert is_below(born, years, last)
    assert not is_below(born, years, last + timedelta(days=1))


def birthday(born: date, year: int) -> date:
    """The birthday in a year; 1 March where there is none."""
    leap_day = (born.month, born.day) == (2, 29)
    return date(year, 3, 1) if leap_day and not isleap(year) else born.replace(year=year)


@given(BIRTHS, YEARS)
def test_it_is_reached_in_the_night_to_the_birthday(born: date, years: int) -> None:
    assert last_day_below(born, years) + timedelta(days=1) == birthday(born, born.year + years)


@given(BIRTHS, BIRTHS, YEARS)
def test_who_is_born_later_never_reaches_an_age_before(one: date, other: date, years: int) -> None:
    elder, younger = sorted((one, other))
    assert last_day_below(elder, years) <= last_day_below(younger, years)
    assert last_day_below(one, years) < last_day_below(one, years + 1)
