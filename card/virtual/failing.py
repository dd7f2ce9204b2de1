"""Cards that fail at a chosen command: what a reader, a loose contact or a bad chip does once in a while."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from card.virtual.card import Pulled, VirtualCard

_SLOW_S: Final = 0.5
_SURPLUS: Final = 300
_NONE_OF_OURS: Final = b"\xff\xfe"


class Failure(StrEnum):
    """What goes wrong. The card did what it was told each time, and only the answer is lost or wrong."""

    PULLED = "pulled"
    ERROR = "error"
    CUT = "cut"
    GARBAGE = "garbage"
    OVERSIZED = "oversized"
    ENDLESS = "endless"
    SLOW = "slow"


@dataclass
class FailingCard(VirtualCard):
    """A card that fails once, or from then on where its answer never ends.

    :param failure: what goes wrong.
    :param after: how many commands it answers before.
    """

    failure: Failure = Failure.ERROR
    after: int = 0
    answered: int = field(default=0, init=False)

    @classmethod
    def of(cls, card: VirtualCard, failure: Failure, after: int) -> Self:
        """The same card, which fails."""
        return cls(card.contents, card.changed, failure, after)

    def process(self, apdu: bytes) -> bytes:
        """Answer, or fail to.

        :raises Pulled: when it is taken away.
        """
        answer = super().process(apdu)
        self.answered += 1
        if self.answered <= self.after:
            return answer
        if self.failure is Failure.ENDLESS:
            return b"\x61\xff"
        return answer if self.answered > self.after + 1 else self._failed(answer)

    def _failed(self, answer: bytes) -> bytes:
        match self.failure:
            case Failure.PULLED:
                self.power_off()
                raise Pulled
            case Failure.ERROR:
                return b"\x6f\x00"
            case Failure.CUT:
                return answer[:1]
            case Failure.GARBAGE:
                return _NONE_OF_OURS + b"\x90\x00"
            case Failure.OVERSIZED:
                return answer[:-2] + bytes(_SURPLUS) + answer[-2:]
            case _:
                time.sleep(_SLOW_S)
                return answer
