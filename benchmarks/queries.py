"""Query latency over HTTP while messages come in, with a long history in the store.

The history goes the real way: telemetry arrays of 16 h over MQTT, so journal, admission, flags, all three windows and
the store take part. Queries are asked one after another over one keep-alive connection, for a series and a day drawn
anew each time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.broker import Broker
from benchmarks.cost import Advance, patience_s
from benchmarks.figures import latency
from benchmarks.process_cost import BenchFailed
from benchmarks.publishing import Publisher
from benchmarks.rasad_process import Rasad, wait_quiet
from benchmarks.stream import METRICS, PILOT, History, Stream

_DAY_MS: Final = 86_400_000
#: load comes in for so long before the first question
_WARM_UP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Draws questions about a history that ends at `end_ms`."""

    rasad: Rasad
    past: History
    end_ms: int
    draw: random.Random

    def _series(self) -> dict[str, str]:
        return {"pilot": PILOT, "device": self.draw.choice(self.past.names()), "metric": self.draw.choice(METRICS)}

    def day_of_readings(self) -> int:
        """24 h of one series at 1 min, raw; gives how many readings came."""
        latest_begin_ms = self.end_ms - _DAY_MS
        begin_ms = self.draw.randrange(self.end_ms - int(self.past.days * _DAY_MS), latest_begin_ms + 1, 60_000)
        answer = self.rasad.api.get_bytes("/readings", **self._series(), **{"from": begin_ms, "to": begin_ms + _DAY_MS})
        return answer[: answer.index(b"]")].count(b",") + 1

    def overview(self) -> int:
        """The whole history of one series in windows of 1 h; gives how many windows came."""
        begin_ms = self.end_ms - int(self.past.days * _DAY_MS)
        span = {"from": begin_ms, "to": self.end_ms}
        answer = self.rasad.api.get_bytes("/aggregates", **self._series(), **span, window="1h")
        return answer[: answer.index(b"]")].count(b",") + 1


def timed(ask: Callable[[], int], wanted: int, times: int) -> list[float]:
    """Ask so many times; BenchFailed when an answer has not the rows that it must have."""
    spent_s = []
    for _ in range(times):
        began_s = time.perf_counter()
        rows = ask()
        spent_s.append(time.perf_counter() - began_s)
        if rows != wanted:
            raise BenchFailed(f"an answer had {rows} rows instead of {wanted}: the store is not right")
    return spent_s


def fill(broker: Broker, rasad: Rasad, past: History, folder: Path) -> float:
    """Send the history and wait until all of it is stored; gives seconds."""
    with Publisher.of_history(broker.port, past, folder) as publisher:
        began_s = time.monotonic()
        publisher.go()
        within_s = patience_s(past.readings // 10)
        publisher.finish(within_s)
        wait_quiet(rasad, past.readings, within_s)
        return time.monotonic() - began_s


def run(past: History, rate: float, times: int, folder: Path, advance: Advance) -> dict[str, Any]:
    """Fill, load, ask."""
    folder.mkdir(parents=True)
    load = Stream(messages=10**9)
    with (
        Broker(folder / "broker") as broker,
        Rasad(folder / "rasad", broker.port, [*load.names(), *past.names()]) as rasad,
    ):
        advance(f"filling the store with {past.readings:,} readings")
        end_ms = time.time_ns() // 1_000_000 // 3_600_000 * 3_600_000
        filled_s = fill(broker, rasad, past, folder)
        with Publisher.at_rate(broker.port, load, rate, folder) as publisher:
            publisher.go()
            time.sleep(_WARM_UP_S)
            ask = Asker(rasad, past, end_ms, random.Random(0))
            advance(f"{times} times 24 h of one series at {rate:,.0f} messages/s")
            day = timed(ask.day_of_readings, 1440, times)
            advance(f"{times} times {past.days:g} days of 1 h windows at {rate:,.0f} messages/s")
            overview = timed(ask.overview, int(past.days * 24), times)
            published = publisher.end()
        return {
            "history_readings": past.readings,
            "history_series": past.devices * len(METRICS),
            "history_days": past.days,
            "fill_s": round(filled_s, 1),
            "fill_readings_per_s": round(past.readings / filled_s),
            "messages_per_s": round(published.rate),
            "readings_24h": latency(day),
            "windows_1h": latency(overview),
            "rss_mb": round(rasad.rss_bytes() / 1e6, 1),
            "peak_rss_mb": round(rasad.peak_rss_bytes() / 1e6, 1),
        }
