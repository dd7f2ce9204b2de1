"""Processor time of this process, which counts little of what else the machine does."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def least_us(what: Callable[[T], object], of: Sequence[T], runs: int = 7) -> float:
    """Of one, in microseconds: the least of some runs over all."""
    return min(used_us(what, of) for _ in range(runs))


def used_us(what: Callable[[T], object], of: Sequence[T]) -> float:
    """Of one, in microseconds, where each can be done but once."""
    began = time.process_time()
    for each in of:
        what(each)
    return (time.process_time() - began) / len(of) * 1e6
