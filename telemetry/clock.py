"""Receive time: the server's clock, never running backwards within a process."""

from __future__ import annotations

import time
from collections.abc import Callable


class ReceiveClock:
    """Gives receive times in ns since 1970 that rise strictly, whatever the system clock does.

    A clock that steps back is waited out: stamps go on in µs steps until it has caught up, but never for more than
    `patience_ns`; after that the clock is believed again, because a wrong future must not last.

    >>> clock = ReceiveClock(iter([10_000, 5_000]).__next__)
    >>> clock.stamps(2), clock.stamps(1)
    (10000, 12000)
    """

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns, patience_ns: int = 600 * 10**9) -> None:
        self._wall_ns = wall_ns
        self._patience_ns = patience_ns
        self._next_ns = 0

    def stamps(self, count: int) -> int:
        """Reserve `count` stamps 1 µs apart and give the first."""
        now_ns = self._wall_ns()
        first = now_ns if self._next_ns - now_ns > self._patience_ns else max(now_ns, self._next_ns)
        self._next_ns = first + 1_000 * count
        return first
