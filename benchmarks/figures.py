"""Small statistics over measurements."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def median(values: Sequence[float], digits: int = 2) -> float:
    """Median, rounded for the report."""
    return round(statistics.median(values), digits)


def span(values: Sequence[float], digits: int = 2) -> list[float]:
    """Least and greatest."""
    return [round(min(values), digits), round(max(values), digits)]


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile: the smallest value that at least `share` of all do not exceed.

    >>> percentile([4, 1, 3, 2], 0.5), percentile(range(1, 101), 0.99)
    (2, 99)
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 1000) // 1000) - 1)]


def latency(seconds: Sequence[float]) -> dict[str, float | int]:
    """Report of a set of durations, ms."""
    return {
        "p50_ms": round(percentile(seconds, 0.5) * 1000, 2),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 2),
        "max_ms": round(max(seconds) * 1000, 2),
        "samples": len(seconds),
    }
