"""Days of a ward, which begin and end in Tokyo, and dates as people read them: 西暦 with 和暦 in Japanese."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

TOKYO: Final = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, slots=True)
class Era:
    """An era of the Japanese calendar.

    :param years: Gregorian years that it names; the year of a change belongs to both eras.
    """

    name: str
    first: date
    years: range


ERAS: Final[Mapping[str, Era]] = {
    "5": Era("令和", date(2019, 5, 1), range(2019, 10000)),
    "4": Era("平成", date(1989, 1, 8), range(1989, 2020)),
    "3": Era("昭和", date(1926, 12, 25), range(1926, 1990)),
    "2": Era("大正", date(1912, 7, 30), range(1912, 1927)),
    "1": Era("明治", date(1868, 1, 25), range(1868, 1913)),
}
"""By the digit that certificates write (公的個人認証 証明書プロファイル), the newest first."""
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def era_year(day: date) -> str:
    """The year in the Japanese calendar, such as 令和8年; the first year of an era is 元年."""
    for era in ERAS.values():
        if day >= era.first:
            year = day.year - era.first.year + 1
            return f"{era.name}{'元' if year == 1 else year}年"
    return f"{day.year}年"


def date_text(day: date, locale: str) -> str:
    """A day: `2026年（令和8年）11月24日` or `24 November 2026`."""
    if locale == "ja":
        return f"{day.year}年（{era_year(day)}）{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def time_text(moment: datetime, locale: str) -> str:
    """A moment, in Tokyo."""
    local = moment.astimezone(TOKYO)
    if locale == "ja":
        return f"{local.year}年{local.month}月{local.day}日 {local.hour}時{local.minute:02d}分"
    return f"{date_text(local.date(), locale)}, {local:%H:%M}"


def ward_day(moment: datetime) -> date:
    """The day that it is in Tokyo."""
    return moment.astimezone(TOKYO).date()


def end_of(day: date) -> datetime:
    """24:00 of a ward day, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), TOKYO).astimezone(UTC)


def add_months(day: date, months: int) -> date:
    """The same day some calendar months on; the month's last where it has none (民法143条2項)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
