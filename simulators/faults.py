"""What goes wrong with sensors, gateways and links: faults by name, composable, the same under the same seed.

Faults of the sensor change values (`stuck`, `drift`, `spike`), that of its clock changes time stamps (`skewed-clock`),
faults of the way change messages (`silence`, `dropout`, `truncated`, `garbage`, `duplicate`, `reorder`). Each draws
from its own key, so adding one does not move the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from processing.pilot import Metric
from simulators.message import Message
from simulators.noise import F64, I64, bits, once, uniform
from simulators.site import Sensor

HOUR_MS: Final = 3_600_000
STUCK_SHARE, STUCK_CELL_MS = 0.35, HOUR_MS
SPIKE_SHARE: Final = 0.01
DRIFT_SPANS_PER_DAY: Final = 0.10
SKEW_MOST_MS: Final = 240_000
SILENCE_SHARE, SILENCE_CELL_MS = 0.20, HOUR_MS // 2
DROPOUT_SHARE: Final = 0.08
TRUNCATED_SHARE, GARBAGE_SHARE = 0.03, 0.02
DUPLICATE_SHARE, DUPLICATE_AFTER_MS = 0.06, 2_500
REORDER_SHARE, REORDER_MOST_MS = 0.10, 90_000

NAMES: Final = (
    "dropout", "spike", "drift", "stuck", "skewed-clock", "duplicate", "reorder", "truncated", "garbage", "silence",
)  # fmt: skip


def known(names: Iterable[str]) -> frozenset[str]:
    """Check fault names; ValueError names the unknown ones and all that there are."""
    given = frozenset(names)
    unknown = sorted(given - set(NAMES))
    if unknown:
        raise ValueError(f"unknown fault {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return given


def span_of(metric: Metric) -> float:
    """Width of a metric's usual range, the measure of how big its faults are; 100 where no range is given."""
    limits = metric.gross_range
    low, high = (limits and (limits.suspect or limits.fail)) or (0.0, 100.0)
    return high - low


# ------------------------------------------------------------------------------------------------- the sensor


def held_ms(sensor: Sensor, metric: str, ms: I64) -> I64:
    """Instants whose values a stuck metric shows at `ms`: the hour's beginning while it is stuck, else `ms` itself."""
    cell = ms // STUCK_CELL_MS
    stuck = uniform(sensor.key("stuck", metric), cell) < STUCK_SHARE
    return np.where(stuck, cell * STUCK_CELL_MS, ms)


def drift(sensor: Sensor, metric: str, span: float, started_ms: int, ms: I64) -> F64:
    """What a drifting sensor adds: from nothing at the feed's start, a tenth of the usual range a day, up or down."""
    sign = 1.0 if bits(sensor.key("drift", metric), np.array([0], dtype=np.int64))[0] & np.uint64(1) else -1.0
    return np.asarray(sign * span * DRIFT_SPANS_PER_DAY * (ms - started_ms) / (24.0 * HOUR_MS), dtype=np.float64)


def spike(sensor: Sensor, metric: str, span: float, ms: I64) -> F64:
    """What an electrical spike adds: nothing to most readings, half the usual range or more to one in a hundred."""
    hit = uniform(sensor.key("spike", metric), ms) < SPIKE_SHARE
    size = span * (0.5 + uniform(sensor.key("spike size", metric), ms))
    return np.where(hit, size, 0.0)


def skew_ms(sensor: Sensor) -> int:
    """How far a device's clock is off, ms: half a minute at least, four minutes at most, ahead or behind."""
    share = once(sensor.key("clock")) * 2.0 - 1.0
    return int(math.copysign(30_000 + abs(share) * (SKEW_MOST_MS - 30_000), share))


# --------------------------------------------------------------------------------------------------- the way


@dataclass(frozen=True)
class Way:
    """The way of one device's messages to the broker, with the faults that it has."""

    sensor: Sensor
    faults: frozenset[str]

    def carry(self, messages: list[Message]) -> list[Message]:
        """Apply the way's faults to messages in order of time; times may come out of order."""
        for name, step in _STEPS.items():
            if name in self.faults and messages:
                at = np.asarray([m.at_ms for m in messages], dtype=np.int64)
                messages = step(self.sensor, messages, at)
        return messages


Step = Callable[[Sensor, list[Message], I64], list[Message]]


def _silence(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    silent = uniform(sensor.key("silence"), at // SILENCE_CELL_MS) < SILENCE_SHARE
    return [m for m, gone in zip(messages, silent.tolist(), strict=True) if not gone]


def _dropout(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    lost = uniform(sensor.key("dropout"), at) < DROPOUT_SHARE
    return [m for m, gone in zip(messages, lost.tolist(), strict=True) if not gone]


def _truncated(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    hit = uniform(sensor.key("truncated"), at) < TRUNCATED_SHARE
    keep = uniform(sensor.key("truncated to"), at)
    return [
        m._replace(payload=m.payload[: int(share * len(m.payload))]) if cut else m
        for m, cut, share in zip(messages, hit.tolist(), keep.tolist(), strict=True)
    ]


def _garbage(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    hit = uniform(sensor.key("garbage"), at) < GARBAGE_SHARE
    return [
        m._replace(payload=_noise_bytes(sensor, m)) if bad else m
        for m, bad in zip(messages, hit.tolist(), strict=True)
    ]  # fmt: skip


def _noise_bytes(sensor: Sensor, message: Message) -> bytes:
    """As many random bytes as the message had; 0xFF leads, so it is never UTF-8."""
    words = bits(sensor.key("garbage", message.at_ms), np.arange(len(message.payload) // 8 + 1))
    return b"\xff" + words.tobytes()[: max(0, len(message.payload) - 1)]


def _duplicate(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    twice = uniform(sensor.key("duplicate"), at) < DUPLICATE_SHARE
    again = [
        m._replace(at_ms=m.at_ms + DUPLICATE_AFTER_MS)
        for m, copied in zip(messages, twice.tolist(), strict=True)
        if copied
    ]
    return messages + again


def _reorder(sensor: Sensor, messages: list[Message], at: I64) -> list[Message]:
    late = uniform(sensor.key("reorder"), at) < REORDER_SHARE
    by = (1_000 + uniform(sensor.key("reorder by"), at) * (REORDER_MOST_MS - 1_000)).astype(np.int64)
    return [
        m._replace(at_ms=m.at_ms + delay) if moved else m
        for m, moved, delay in zip(messages, late.tolist(), by.tolist(), strict=True)
    ]


_STEPS: Final[dict[str, Step]] = {
    "silence": _silence,
    "dropout": _dropout,
    "truncated": _truncated,
    "garbage": _garbage,
    "duplicate": _duplicate,
    "reorder": _reorder,
}
