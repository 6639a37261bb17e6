"""Gaps in the sequence numbers of devices that send `seq`: losses before us that nothing else would show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: how far back a number may come late and still close its gap
_REACH: Final = 4096
#: larger numbers are no counts (and would not fit the database)
_MOST: Final = 2**53
#: a fall by more than this is a restart of the device's counter
_RESTART: Final = 100_000


@dataclass(slots=True)
class SequenceTracker:
    """One device: `high` is the highest number seen, `seen` a bit for each of the last 4096, `missing` open gaps."""

    high: int = -1
    seen: int = 0
    missing: int = 0

    def see(self, number: int) -> None:
        """Take the next number as it came.

        >>> t = SequenceTracker()
        >>> for n in (5, 6, 9, 7, 7): t.see(n)
        >>> t.missing
        1
        """
        if not 0 <= number < _MOST:
            return
        if self.high < 0 or number < self.high - _RESTART or (number < self.high - _REACH and number <= 1):
            self.high, self.seen = number, 1
        elif number > self.high:
            step = number - self.high
            self.missing = min(self.missing + step - 1, _MOST)
            self.seen = ((self.seen << step) | 1) & ((1 << _REACH) - 1) if step < _REACH else 1
            self.high = number
        elif self.high - number < _REACH and not self.seen >> (self.high - number) & 1:
            self.seen |= 1 << (self.high - number)
            self.missing = max(self.missing - 1, 0)
