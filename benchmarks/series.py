"""Rasad's cost per message, memory and start-up as the number of series grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.broker import Broker
from benchmarks.contenders import RasadContender
from benchmarks.cost import Advance, Round, measure
from benchmarks.figures import median, span
from benchmarks.publishing import Publisher
from benchmarks.rasad_process import Rasad
from benchmarks.stream import METRICS, Stream


def stream_of(series: int, messages: int) -> Stream:
    """A stream over so many series in which every device speaks at least five times.

    >>> stream_of(1_000_000, 200_000).messages
    1000000
    """
    devices = series // len(METRICS)
    return replace(Stream(), devices=devices, messages=max(messages, 5 * devices))


def run_level(stream: Stream, folder: Path, idle_s: float) -> tuple[Round, dict[str, float]]:
    """Measure one number of series once; also start-up seconds and memory before the first message."""
    folder.mkdir(parents=True)
    with Broker(folder / "broker") as broker, Rasad(folder / "rasad", broker.port, stream.names()) as rasad:
        start = {"ready_s": rasad.ready_s, "rss_mb": rasad.rss_bytes() / 1e6}
        with Publisher.of_backlog(broker.port, stream, folder) as publisher:
            return measure(RasadContender(rasad), publisher, stream.messages, idle_s), start


def run(levels: tuple[int, ...], messages: int, rounds: int, idle_s: float, folder: Path, advance: Advance) -> Any:
    """Every level in every round; `relative` compares the medians with the first level's."""
    measured: dict[int, list[tuple[Round, dict[str, float]]]] = {level: [] for level in levels}
    for number in range(rounds):
        for level in levels:
            advance(f"round {number + 1} of {rounds}: {level:,} series")
            stream = stream_of(level, messages)
            measured[level].append(run_level(stream, folder / f"{number}-{level}", idle_s))
    rows = [_row(level, messages, found) for level, found in measured.items()]
    for row in rows:
        row["relative"] = round(row["cpu_us_per_message"] / max(rows[0]["cpu_us_per_message"], 1e-9), 3)
    return rows


def _row(level: int, messages: int, found: list[tuple[Round, dict[str, float]]]) -> dict[str, Any]:
    rounds = [one for one, _ in found]
    return {
        "series": level,
        "messages": stream_of(level, messages).messages,
        "cpu_us_per_message": median([r.cpu_us for r in rounds]),
        "cpu_us_per_message_range": span([r.cpu_us for r in rounds]),
        "messages_per_s": median([r.messages_per_s for r in rounds], 0),
        "rss_mb_at_start": median([start["rss_mb"] for _, start in found], 1),
        "peak_rss_mb": round(max(r.peak_rss_mb for r in rounds), 1),
        "ready_s": median([start["ready_s"] for _, start in found]),
        "idle_cpu_percent": median([r.idle * 100 for r in rounds], 1),
        "lost": sum(r.lost for r in rounds),
    }
