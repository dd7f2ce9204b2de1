"""Ages as the law counts them (年齢計算ニ関スル法律, 民法143条2項). Pure.

An age is reached at the end of the day before the birthday. Who was born on 29 February reaches it at the end
of 28 February, in every year: in a year without that birthday the month ends there.
"""

from datetime import date, timedelta
from typing import Final

SIGNS_FROM: Final = 15
"""Below it nobody has a signature certificate (公的個人認証法3条, its guidelines)."""

ADULT_FROM: Final = 18
"""民法4条."""


def last_day_below(birth_date: date, years: int) -> date:
    """The last day on which someone is younger than this; the age is reached at its end."""
    year = birth_date.year + years
    if (birth_date.month, birth_date.day) == (2, 29):
        return date(year, 2, 28)
    return birth_date.replace(year=year) - timedelta(days=1)


def is_below(birth_date: date, years: int, day: date) -> bool:
    """Whether someone is younger than this all day long."""
    return day <= last_day_below(birth_date, years)
