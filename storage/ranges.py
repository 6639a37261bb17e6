"""What is said when a query asks for more than one answer carries."""

from __future__ import annotations

from telemetry.errors import RangeTooLarge
from telemetry.registry import SeriesKey


def too_large(count: int, what: str, key: SeriesKey, limit: int) -> RangeTooLarge:
    """Tell how many there are, how many one answer carries, and the cure.

    >>> str(too_large(20_000, "readings", SeriesKey("harbour", "d1", "speed"), 10_000))[:80]
    'harbour/d1/speed has 20,000 readings in this range, one answer carries 10,000; a'
    """
    return RangeTooLarge(
        f"{'/'.join(key)} has {count:,} {what} in this range, one answer carries {limit:,}; "
        "ask for a shorter range, for longer windows, or export it"
    )
