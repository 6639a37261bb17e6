"""When a message of a feed is due on the wall clock: at N times real speed, and never before it can have happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CATCH_UP_WALL_S: Final = 60
CATCH_UP_MOST_MS: Final = 86_400_000


@dataclass(frozen=True)
class Pace:
    """A feed that begins at `start_ms` and is played from the wall-clock time `wall_ms` on, `speed` times as fast.

    A feed of the past that catches up with the wall clock goes on at real speed: no message is sent before its own
    time. A feed that begins in the future is played as if it began now. Speed 0 waits for nothing but that.

    >>> past = Pace(start_ms=0, wall_ms=60_000, speed=61)
    >>> past.due_ms(30_500), past.due_ms(61_000), past.due_ms(62_000)
    (60500.0, 61000.0, 62000.0)
    """

    start_ms: int
    wall_ms: int
    speed: float

    def due_ms(self, at_ms: int) -> float:
        """Wall-clock time at which a message of feed time `at_ms` is to be sent, ms."""
        played = self.wall_ms + ((at_ms - self.start_ms) / self.speed if self.speed else 0.0)
        return max(played, float(at_ms)) if self.start_ms <= self.wall_ms else played


def start_for(wall_ms: int, speed: float, duration_s: float | None) -> int:
    """Where a feed without a start begins: now at speed 1; above it so far back that it ends, or catches up, at now.

    Without a duration that is a minute of playing, at most a day of feed.

    >>> start_for(10_000_000, 1, None), start_for(10_000_000, 61, None), start_for(10_000_000, 8, 60)
    (10000000, 6400000, 9940000)
    """
    if 0 < speed <= 1:
        return wall_ms
    if duration_s is not None:
        return wall_ms - round(duration_s * 1000)
    back_s = (speed - 1) * CATCH_UP_WALL_S if speed else CATCH_UP_MOST_MS / 1000
    return wall_ms - min(CATCH_UP_MOST_MS, round(back_s * 1000))
