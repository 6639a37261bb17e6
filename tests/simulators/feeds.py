"""Pilots and short feeds that the tests look at."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from processing.pilot import Pilot
from processing.signals import pilot_from_toml
from service.discovery import find_pilots
from simulators.message import Message
from simulators.world import feed

DAY_S = 86_400
SUNDAY_MS = 1_772_308_800_000  # 2026-02-28T20:00Z, Sunday 2026-03-01 00:00 in Muscat

HARBOUR = """
[pilot]
id = "harbour"
name = {en = "Harbour", ar = "الميناء"}
timezone = "Asia/Muscat"
centre = [23.628, 58.566]
[kinds.traffic]
name = {en = "Traffic counter", ar = "عدّاد حركة المرور"}
interval = "10s"
stale_after = "15m"
[kinds.traffic.metrics.speed]
name = {en = "Speed", ar = "السرعة"}
unit = "m/s"
gross_range = {fail = [0, 90], suspect = [0, 40]}
[kinds.traffic.metrics.headway]
name = {en = "Headway", ar = "الفاصل الزمني"}
unit = "s"
decimals = 0
[kinds.yard]
name = {en = "Yard", ar = "ساحة"}
interval = "1m"
stale_after = "5m"
[kinds.yard.metrics.inside]
name = {en = "Inside", ar = "في الداخل"}
unit = "1"
[devices.speed_6005]
kind = "traffic"
name = {en = "Corniche east", ar = "شرق الكورنيش"}
[devices.yard_a]
kind = "yard"
name = {en = "Yard", ar = "ساحة"}
"""


@cache
def shipped(pilot: str) -> Pilot:
    """A pilot of the shipped folders."""
    (found,) = find_pilots(only=[pilot])
    return found.pilot


@cache
def harbour() -> Pilot:
    """A pilot that is only a file, with kinds that other pilots have too, in other units and with other metrics."""
    return pilot_from_toml(HARBOUR, "signals.toml")


@cache
def one_day(pilot: str, seed: int = 11, start_ms: int = SUNDAY_MS, days: int = 1) -> tuple[Message, ...]:
    """Whole days of a shipped pilot, fault-free."""
    return tuple(feed(shipped(pilot), seed, start_ms, days * DAY_S))


def columns(messages: tuple[Message, ...] | list[Message]) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    """Telemetry by (device, metric): rows of (ts in ms, value), in the order of sending."""
    rows: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for message in messages:
        device, channel = message.topic.split("/")[3:5]
        if channel == "telemetry":
            sent = json.loads(message.payload)
            for metric, value in sent["values"].items():
                rows[device, metric].append((sent["ts"], float(value)))
    return {series: np.array(pairs) for series, pairs in rows.items()}


@cache
def day_columns(
    pilot: str, seed: int = 11, start_ms: int = SUNDAY_MS, days: int = 1
) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    """`columns` of `one_day`."""
    return columns(one_day(pilot, seed, start_ms, days))


def events(messages: tuple[Message, ...] | list[Message]) -> list[tuple[str, dict[str, Any]]]:
    """(lane, event) of every event message, in the order of sending."""
    return [(m.topic.split("/")[3], json.loads(m.payload)) for m in messages if m.topic.endswith("/event")]


def between(rows: npt.NDArray[np.float64], from_h: float, to_h: float, offset_h: float) -> npt.NDArray[np.float64]:
    """Values whose local hour lies in [from_h, to_h)."""
    hour = (rows[:, 0] / 3_600_000 + offset_h) % 24
    return np.asarray(rows[(hour >= from_h) & (hour < to_h), 1])
