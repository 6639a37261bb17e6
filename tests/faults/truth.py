"""What must be true after a bad day: the ledger balances, stored = distinct, and windows equal the batch answer."""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from telemetry.columns import Readings
from tests.faults.publisher import Message
from tests.faults.rasad_process import RasadProcess
from tests.processing.batch_answer import Row, batch_windows
from tests.servers.process import wait_until

METRICS = ("level", "flow")
WINDOWS = {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}
_LEVEL_FAIL_ABOVE = 900
_UNLIMITED = "raw"


@dataclass
class Feed:
    """Messages of `devices` gauges, `per_device` each, in windows that have ended when `ends_s_ago` is above 12."""

    per_device: int
    devices: int = 8
    step_ms: int = 250
    ends_s_ago: float = 15.0
    seed: int = 1
    first_device: int = 0
    expected: dict[tuple[str, str], dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = random.Random(self.seed)
        first_ms = int((time.time() - self.ends_s_ago) * 1000) - self.per_device * self.step_ms
        for number in range(self.per_device):
            for device in range(self.first_device, self.first_device + self.devices):
                name = f"g{device:02d}"
                ts = first_ms + number * self.step_ms + device
                values = {"level": round(draw.uniform(-5, 950), 3), "flow": float(number)}
                self._add(name, ts, values, number)

    def _add(self, device: str, ts: int, values: dict[str, float], seq: int) -> None:
        for metric, value in values.items():
            self.expected[device, metric][ts] = value
        payload = json.dumps({"ts": ts, "values": values, "seq": seq}).encode()
        self.messages.append((f"city/v1/quay/{device}/telemetry", payload))

    @property
    def readings(self) -> int:
        """Distinct readings."""
        return sum(len(rows) for rows in self.expected.values())

    def shuffled(self, times: int = 1, reach: int = 0) -> list[Message]:
        """All messages `times` over, in random order; with `reach`, none further than that from its place."""
        draw = random.Random(self.seed + 1)
        copies = self.messages * times
        if not reach:
            draw.shuffle(copies)
            return copies
        return [m for _, m in sorted(enumerate(copies), key=lambda pair: pair[0] + draw.uniform(0, reach))]


def ledger(rasad: RasadProcess) -> dict[str, Any]:
    """The pilot's ledger."""
    row: dict[str, Any] = rasad.api("/ledger", pilot="quay")
    return row


def assert_true(
    rasad: RasadProcess, *feeds: Feed, received: int = 0, events: int = 0, within_s: float = 45.0
) -> dict[str, Any]:
    """Wait until nothing is pending, then hold everything against the batch answer; gives the ledger.

    `received` readings at least must have come, repetitions counted; `events` are stored beside the readings.
    """
    want = sum(feed.readings for feed in feeds) + events
    seen: dict[str, Any] = {}

    def quiet() -> bool:
        seen.update(ledger(rasad))
        return bool(seen["pending"] == 0 and seen["stored"] >= want and seen["received"] >= received)

    try:
        wait_until(quiet, "a quiet ledger", within_s)
    except TimeoutError as error:
        raise AssertionError(f"{error}: wanted {want} stored, ledger {seen}") from None
    assert seen["balanced"], seen
    assert seen["stored"] == want, seen
    total = sum(seen[name] for name in ("stored", "duplicate", "quarantined", "rejected", "pending"))
    assert seen["received"] == total, seen
    expected: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for feed in feeds:
        for key, rows in feed.expected.items():
            expected[key].update(rows)
    for (device, metric), rows in expected.items():
        _assert_readings(rasad, device, metric, rows)
    for (device, metric), rows in expected.items():
        if metric == _UNLIMITED:
            continue  # its values are as large as a float can be: their squares are beyond float64
        for window, span_ms in WINDOWS.items():
            _assert_windows(rasad, device, metric, rows, window, span_ms)
    return seen


def _where(device: str, metric: str, rows: dict[int, float]) -> dict[str, Any]:
    return {"pilot": "quay", "device": device, "metric": metric, "from_": min(rows) - 3_600_000, "to": max(rows) + 1}


def _assert_readings(rasad: RasadProcess, device: str, metric: str, rows: dict[int, float]) -> None:
    got = rasad.api("/readings", **_where(device, metric, rows))
    assert dict(zip(got["time_ms"], got["value"], strict=True)) == rows, (device, metric)
    assert got["flag"] == [_flag(metric, value) for _, value in sorted(rows.items())]
    assert len(got["time_ms"]) == len(rows), (device, metric, "a reading is stored twice")


def _assert_windows(
    rasad: RasadProcess, device: str, metric: str, rows: dict[int, float], window: str, span_ms: int
) -> None:
    expected = {
        start // 10**6: row for (_, start), row in batch_windows(_columns(metric, rows), span_ms * 10**6).items()
    }
    ended = {start: row for start, row in expected.items() if start + span_ms < time.time() * 1000 - 5_000}
    differences: list[str] = []

    def equal() -> bool:
        got = rasad.api("/aggregates", window=window, **_where(device, metric, rows))
        differences[:] = _differences(got, ended, window)
        return not differences

    try:
        wait_until(equal, f"{window} windows of {device} {metric}", 15.0)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {differences[:5]}") from None


def _differences(got: dict[str, list[Any]], expected: dict[int, Row], window: str) -> list[str]:
    at = {start: i for i, start in enumerate(got["start_ms"])}
    if len(at) != len(got["start_ms"]):
        return ["a window is given twice"]
    found = [f"no window at {start}" for start in expected if start not in at]
    for start, row in expected.items():
        for name, want in row.items():
            if start not in at or (name in ("p50", "p95") and window != "10s"):
                continue
            have = got[name][at[start]]
            if want is None or have is None:
                if have is not want:
                    found.append(f"{start} {name}: {have}, not {want}")
            elif not math.isclose(have, want, rel_tol=1e-6, abs_tol=1e-9):
                found.append(f"{start} {name}: {have}, not {want}")
    return found


def _flag(metric: str, value: float) -> int:
    if metric == _UNLIMITED:
        return 2
    return 4 if metric == "level" and not 0 <= value <= _LEVEL_FAIL_ABOVE else 1


def _columns(metric: str, rows: dict[int, float]) -> Readings:
    times = sorted(rows)
    time_ns = np.array(times, np.int64) * 10**6
    value = np.array([rows[t] for t in times])
    flag = np.array([_flag(metric, rows[t]) for t in times], np.uint8)
    nothing = np.zeros(len(times))
    return Readings(nothing.astype(np.int32), time_ns, value, flag, nothing.astype(np.uint16), time_ns)
