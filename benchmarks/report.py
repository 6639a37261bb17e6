"""The figures as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import REFERENCE

Row = dict[str, Any]


def show(answer: Row, console: Console) -> None:
    """Print every part that was measured."""
    where, stream = answer["machine"], answer["stream"]
    console.print(
        f"{where['processors']} processors, Python {where['python']}, Mosquitto {where['mosquitto']}, "
        f"{where['filesystem']}, load average {where['load_average_before']} before and "
        f"{where['load_average_after']} after"
    )
    tables: dict[str, Callable[[Any], Table]] = {
        "latency": _latency,
        "queries": _queries,
        "series": _series,
        "idle": _idle,
    }
    if "cost" in answer:
        console.print(_cost(answer["cost"], stream))
    for part, table in tables.items():
        if part in answer:
            console.print(table(answer[part]))
    for line in warnings(answer):
        console.print(f"[yellow]{line}[/]")


def warnings(answer: Row) -> Iterator[str]:
    """What a reader must know before believing the figures."""
    where = answer["machine"]
    if where["load_average_before"] > 0.5:
        load = where["load_average_before"]
        yield f"The machine was busy at the start (load average {load}): figures may be too high."
    if where["filesystem"] == "tmpfs":
        yield "The temporary folder is in memory, where an fsync is free: set TMPDIR to a folder on a disk."


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _range(found: Row, key: str, digits: int) -> str:
    low, high = found[f"{key}_range"]
    return f"{found[key]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _cost(found: Row, stream: Row) -> Table:
    title = (
        f"Cost: {stream['messages']:,} messages at QoS 1, {stream['devices']:,} devices, "
        f"{stream['metrics_per_message']} metrics each, {stream['rounds']} rounds"
    )
    table = _table(title, "", "CPU µs/message", f"× {REFERENCE}", "messages/s", "peak RSS MB", "lost")
    for name, one in found["contenders"].items():
        table.add_row(
            name, _range(one, "cpu_us_per_message", 1), _range(one, f"ratio_to_{REFERENCE}", 2),
            f"{one['messages_per_s']:,.0f}", f"{one['peak_rss_mb']:.0f}", str(one["lost"]),
        )  # fmt: skip
    return table


def _percentiles(found: Row) -> tuple[str, str, str]:
    return f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}", f"{found['samples']:,}"


def _latency(found: Row) -> Table:
    watched = found["watched"]
    table = _table(
        f"Latency at {found['messages_per_s']:,} messages/s", "", "p50 ms", "p99 ms", "samples", "CPU µs/message"
    )
    table.add_row("publish to PUBACK", *_percentiles(found["to_puback"]), f"{found['cpu_us_per_message']:.1f}")
    cpu_us = f"{watched['cpu_us_per_message']:.1f}"
    table.add_row("the same, stream watched", *_percentiles(watched["to_puback"]), cpu_us)
    table.add_row("publish to `latest` on the stream", *_percentiles(watched["to_latest_on_stream"]), cpu_us)
    table.caption = f"{REFERENCE} beside it: {found[f'{REFERENCE}_cpu_us_per_message']:.1f} µs/message at this rate"
    return table


def _queries(found: Row) -> Table:
    title = (
        f"Queries over HTTP at {found['messages_per_s']:,} messages/s, {found['history_series']} series × "
        f"{found['history_days']:g} days at 1 min in the store"
    )
    table = _table(title, "", "p50 ms", "p99 ms", "samples")
    table.add_row("24 h of one series, raw", *_percentiles(found["readings_24h"]))
    table.add_row(f"{found['history_days']:g} days of one series, 1 h windows", *_percentiles(found["windows_1h"]))
    table.caption = f"filled at {found['fill_readings_per_s']:,} readings/s; peak RSS {found['peak_rss_mb']:.0f} MB"
    return table


def _series(found: list[Row]) -> Table:
    table = _table(
        "Rasad by number of series", "series", "CPU µs/message", "× first row", "messages/s",
        "RSS MB at start", "peak RSS MB", "start-up s", "lost",
    )  # fmt: skip
    for row in found:
        table.add_row(
            f"{row['series']:,}", _range(row, "cpu_us_per_message", 1), f"{row['relative']:.2f}",
            f"{row['messages_per_s']:,.0f}", f"{row['rss_mb_at_start']:.0f}", f"{row['peak_rss_mb']:.0f}",
            f"{row['ready_s']:.1f}", str(row["lost"]),
        )  # fmt: skip
    return table


def _idle(found: Row) -> Table:
    table = _table(f"Rasad at rest, {found['devices']:,} devices", "", "median (range)")
    table.add_row("start-up s", _range(found, "ready_s", 2))
    table.add_row("idle CPU %", _range(found, "idle_cpu_percent", 1))
    table.add_row("RSS MB", f"{found['rss_mb']:.0f}")
    return table
