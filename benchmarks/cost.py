"""CPU per message, messages a second, peak memory and loss of each contender on the same stream, in interleaved rounds.

The broker and the publisher are not counted. From each contender's CPU time its idle share is taken off (measured just
before, for `idle_s`), so that the figure is the price of one more message; what a contender costs without any message
is reported by the part `idle`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.broker import Broker
from benchmarks.contenders import CONTENDERS, REFERENCE, Contender
from benchmarks.figures import median, span
from benchmarks.publishing import Publisher
from benchmarks.stream import Stream

Advance = Callable[[str], None]
#: after the last message is stored, so long counts too: work that is put off must not be free
_TAIL_S = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """One contender's figures in one round. `idle` is its idle CPU as a share of one processor."""

    cpu_us: float
    cpu_us_with_idle: float
    messages_per_s: float
    peak_rss_mb: float
    lost: int
    idle: float


def patience_s(messages: int) -> float:
    """How long the slowest reader on a busy machine may take."""
    return 120 + messages / 1_000


def idle_share(contender: Contender, idle_s: float) -> float:
    """CPU seconds a second without messages."""
    before, began_s = contender.process.cpu_s(), time.monotonic()
    time.sleep(idle_s)
    return (contender.process.cpu_s() - before) / (time.monotonic() - began_s)


def measure(contender: Contender, publisher: Publisher, messages: int, idle_s: float) -> Round:
    """Let the publisher go and watch the contender until it has everything."""
    idle = idle_share(contender, idle_s)
    before, began_s = contender.process.cpu_s(), time.monotonic()
    publisher.go()
    within_s = patience_s(messages)
    published = publisher.finish(within_s, contender.process.peak_rss_bytes)
    taken = contender.take_all(messages, within_s)
    all_taken_s = time.monotonic()
    time.sleep(_TAIL_S)
    used = contender.process.cpu_s() - before
    spent_idle = idle * (time.monotonic() - began_s)
    return Round(
        cpu_us=max(used - spent_idle, 0.0) / messages * 1e6,
        cpu_us_with_idle=used / messages * 1e6,
        messages_per_s=messages / (all_taken_s - published.began_s),
        peak_rss_mb=contender.process.peak_rss_bytes() / 1e6,
        lost=messages - taken,
        idle=idle,
    )


def run_round(name: str, stream: Stream, folder: Path, idle_s: float) -> Round:
    """One contender with a broker and a publisher of its own."""
    folder.mkdir(parents=True)
    with (
        Broker(folder / "broker") as broker,
        CONTENDERS[name](broker, stream, folder) as contender,
        Publisher.of_backlog(broker.port, stream, folder) as publisher,
    ):
        return measure(contender, publisher, stream.messages, idle_s)


def run(stream: Stream, rounds: int, idle_s: float, folder: Path, advance: Advance) -> dict[str, Any]:
    """All rounds; each begins with another contender, so that none always runs on a warm or a tired machine."""
    measured: dict[str, list[Round]] = {name: [] for name in CONTENDERS}
    names = list(CONTENDERS)
    for number in range(rounds):
        for name in [*names[number % len(names) :], *names[: number % len(names)]]:
            advance(f"round {number + 1} of {rounds}: {name}")
            measured[name].append(run_round(name, stream, folder / f"{number}-{name}", idle_s))
    return report(measured)


def report(measured: dict[str, list[Round]]) -> dict[str, Any]:
    """Medians over the rounds with least and greatest; a ratio compares within its round."""
    contenders: dict[str, Any] = {}
    for name, rounds in measured.items():
        ratios = [own.cpu_us / max(ref.cpu_us, 1e-9) for own, ref in zip(rounds, measured[REFERENCE], strict=True)]
        contenders[name] = {
            "cpu_us_per_message": median([r.cpu_us for r in rounds]),
            "cpu_us_per_message_range": span([r.cpu_us for r in rounds]),
            "cpu_us_per_message_with_idle": median([r.cpu_us_with_idle for r in rounds]),
            "messages_per_s": median([r.messages_per_s for r in rounds], 0),
            "peak_rss_mb": round(max(r.peak_rss_mb for r in rounds), 1),
            "lost": sum(r.lost for r in rounds),
            f"ratio_to_{REFERENCE}": median(ratios, 3),
            f"ratio_to_{REFERENCE}_range": span(ratios, 3),
        }
    ratios_only = {name: one[f"ratio_to_{REFERENCE}"] for name, one in contenders.items()}
    return {"contenders": contenders, "ratios": ratios_only}
