"""What is to be measured and how long: the options of `rasad bench`, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PARTS: Final = ("cost", "latency", "queries", "series", "idle")


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run. `rate` is the background load of latency and queries, messages a second."""

    parts: tuple[str, ...] = PARTS
    messages: int = 200_000
    rounds: int = 3
    idle_s: float = 2.0
    long_idle_s: float = 10.0
    rate: float = 5_000.0
    latency_s: float = 20.0
    history_days: float = 30.0
    history_devices: int = 40
    queries: int = 300
    series: tuple[int, ...] = (1_000, 10_000, 100_000)


def plan(
    only: str = "", messages: int | None = None, rounds: int | None = None, quick: bool = False, full: bool = False
) -> Plan:
    """Make a plan; ValueError when the options contradict each other or name a part that is none.

    >>> plan("cost,idle", quick=True).parts
    ('cost', 'idle')
    """
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise ValueError(f"--only {unknown[0]!r} is no part; choose from {', '.join(PARTS)}")
    if quick and full:
        raise ValueError("--quick and --full contradict each other; give one of them")
    parts = tuple(name for name in PARTS if name in wanted) or PARTS
    if quick:
        return Plan(
            parts, messages or 20_000, rounds or 1, idle_s=0.5, long_idle_s=2.0, latency_s=4.0,
            history_days=2.0, history_devices=4, queries=50, series=(1_000, 10_000),
        )  # fmt: skip
    series = (1_000, 10_000, 100_000, 1_000_000) if full else (1_000, 10_000, 100_000)
    return Plan(parts, messages or 200_000, rounds or 3, series=series)
