"""Numbers of care offices and care managers. Pure.

A number is compared as text: it may begin with a zero, and an office's may hold a letter.
"""

import re
from typing import Final

from card.faults import Fault
from card.full_width import narrowed

_OFFICE: Final = re.compile(r"[0-9]{2}[0-9A][0-9]{7}\Z")
_CARE_MANAGER: Final = re.compile(r"[0-9]{8}\Z")


def _check_digit(first_nine: str) -> int:
    """Weights 2, 1, 2, 1 …; the digits of each product are added (介護給付費請求書 記載要領)."""
    total = 0
    for position, digit in enumerate(first_nine):
        product = int(digit) * (1 if position % 2 else 2)
        total += product // 10 + product % 10
    return (10 - total % 10) % 10


def office_number(typed: str) -> str:
    """A 事業所番号: prefecture 2, kind 1, area 2, serial 4, check digit.

    :raises Fault: `office.number`, also for one whose digit does not fit. The letter of a 総合事業 office has
        no weight that is published, so such a number is taken as it is.
    """
    number = narrowed(typed).strip().upper()
    if _OFFICE.match(number) is None:
        raise Fault("office.number")
    if number[2] != "A" and _check_digit(number[:9]) != int(number[9]):
        raise Fault("office.number")
    return number


def care_manager_number(typed: str) -> str:
    """A 介護支援専門員 registration number, eight digits; it has no check digit, so staff look it up.

    :raises Fault: `office.member_number`.
    """
    number = narrowed(typed).strip()
    if _CARE_MANAGER.match(number) is None:
        raise Fault("office.member_number")
    return number
