"""What the pure core needs from the outside, as protocols; `storage` and `service` give the real things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from telemetry.columns import I32, I64, Event, Readings, Windows

Resolution = Literal["base", "1m", "1h"]
RESOLUTIONS: tuple[Resolution, ...] = ("base", "1m", "1h")


@dataclass(slots=True)
class StoreBatch:
    """What one settling hands to the store. `number` grows by one a batch; writing a batch twice changes nothing."""

    number: int
    readings: Readings = field(default_factory=Readings.empty)
    windows: dict[Resolution, Windows] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


class Store(Protocol):
    """Where readings, windows and events live for good. One contract suite (tests/contracts) runs over each.

    Every method raises `StoreAway` when trying again later can help and `StoreRefused` when it cannot.
    """

    name: str

    async def open(self) -> None:
        """Make ready; creates what is missing."""

    async def close(self) -> None:
        """Let go of files and connections."""

    async def ping(self) -> None:
        """Return when the store can be written and read now."""

    async def write(self, batches: list[StoreBatch]) -> None:
        """Keep batches for good, in order. When it returns, they survive a crash; a batch given again is no change."""

    async def expire(self, cutoffs_ns: Mapping[str, int]) -> None:
        """Forget what is older than its cut-off, ns; keys are `readings`, `base`, `1m`, `1h` and `events`."""

    async def readings(self, series: int, from_ns: int, to_ns: int, limit: int) -> Readings:
        """Readings of one series in [from_ns, to_ns) by time; raises `RangeTooLarge` beyond `limit` rows."""

    async def windows(self, series: int, resolution: Resolution, from_ns: int, to_ns: int, limit: int) -> Windows:
        """Newest revision of each window of one series that starts in [from_ns, to_ns), by start."""

    async def recall_readings(self, series: I32, start_ns: I64, span_ns: int) -> Readings:
        """All readings in the spans [start_ns[i], start_ns[i] + span_ns) of series[i], by series and time."""

    async def recall_windows(self, series: I32, start_ns: I64, span_ns: int, resolution: Resolution) -> Windows:
        """Newest revisions of the windows that start in those spans, by series and start."""

    async def events(
        self, pilot: str, device: str | None, kind: str | None, from_ns: int, to_ns: int, limit: int
    ) -> list[Event]:
        """Events in [from_ns, to_ns) by time, at most `limit`."""
