"""How a device behaves: when it reports, what it measures then, and the messages that it makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processing.pilot import Metric
from simulators.faults import Way, drift, held_ms, skew_ms, span_of, spike
from simulators.message import Message, json_bytes, topic_of
from simulators.noise import F64, I64, once
from simulators.signals.catalogue import measure, model_of
from simulators.site import Sensor

_FIRST_REPORT_WITHIN_MS = 3_000
_LATENCY_LEAST_MS, _LATENCY_SPREAD_MS = 30, 250


@dataclass
class Device:
    """One device from its start at `started_ms`; ask it for stretches of time one after another.

    It reports once soon after its start, then at its own phase of the interval, and out of turn where its kind does.
    `seq` counts its telemetry messages from 0, also those that a fault loses on the way.
    """

    sensor: Sensor
    started_ms: int
    faults: frozenset[str]
    seq: int = 0
    _way: Way = field(init=False)

    def __post_init__(self) -> None:
        self._way = Way(self.sensor, self.faults)
        self._model = model_of(self.sensor)
        self._latency_ms = _LATENCY_LEAST_MS + int(once(self.sensor.key("latency")) * _LATENCY_SPREAD_MS)
        self._skew_ms = skew_ms(self.sensor) if "skewed-clock" in self.faults else 0

    def messages(self, from_ms: int, to_ms: int) -> list[Message]:
        """Messages of what happens in [from_ms, to_ms); faults may send them later than that."""
        return self._way.carry(self._telemetry(from_ms, to_ms) + self._events(from_ms, to_ms))

    def report_times_ms(self, from_ms: int, to_ms: int) -> I64:
        """Instants in [from_ms, to_ms) at which the device measures, ascending and distinct."""
        every = self.sensor.interval_ms
        phase = int(once(self.sensor.key("phase")) * every)
        regular = np.arange(from_ms + (phase - from_ms) % every, to_ms, every, dtype=np.int64)
        first = self.started_ms + int(once(self.sensor.key("first")) * _FIRST_REPORT_WITHIN_MS)
        extra = self._model.extra_reports_ms(self.sensor, from_ms, to_ms)
        times = np.union1d(np.append(regular, first), extra)
        return times[(times >= from_ms) & (times < to_ms)]

    def _telemetry(self, from_ms: int, to_ms: int) -> list[Message]:
        times = self.report_times_ms(from_ms, to_ms)
        if not len(times) or not self.sensor.metrics:
            return []
        columns = {name: self._as_sent(name, column) for name, column in self._measured(times).items()}
        names, rows = tuple(columns), zip(*columns.values(), strict=True)
        topic = topic_of(self.sensor.site.pilot.id, self.sensor.name, "telemetry")
        leaves = self._leaves_ms(times)
        return [
            Message(topic, self._payload(ms, dict(zip(names, row, strict=True))), at)
            for ms, at, row in zip(times.tolist(), leaves, rows, strict=True)
        ]

    def _payload(self, ms: int, values: dict[str, float | int | bool]) -> bytes:
        self.seq += 1
        return json_bytes({"ts": ms + self._skew_ms, "values": values, "seq": self.seq - 1})

    def _leaves_ms(self, ms: I64) -> list[int]:
        """A device's own latency, always the same, so that its messages leave in the order of their times."""
        leaves: list[int] = (ms + self._latency_ms).tolist()
        return leaves

    def _measured(self, ms: I64) -> dict[str, F64]:
        columns = measure(self.sensor, ms)
        for name in [n for n in columns if n not in self._model.booleans]:
            column, span = columns[name], span_of(self.sensor.metrics[name])
            if "stuck" in self.faults:
                column = measure(self.sensor, held_ms(self.sensor, name, ms))[name]
            if "drift" in self.faults:
                column = column + drift(self.sensor, name, span, self.started_ms, ms)
            if "spike" in self.faults:
                column = column + spike(self.sensor, name, span, ms)
            columns[name] = column
        return columns

    def _as_sent(self, name: str, column: F64) -> list[Any]:
        if name in self._model.booleans:
            return [value >= 0.5 for value in column.tolist()]
        return rounded(column, self.sensor.metrics[name])

    def _events(self, from_ms: int, to_ms: int) -> list[Message]:
        topic = topic_of(self.sensor.site.pilot.id, self.sensor.name, "event")
        found = self._model.events(self.sensor, from_ms, to_ms)
        if not found:
            return []
        leaves = self._leaves_ms(np.asarray([event["ts"] for event in found], dtype=np.int64))
        return [
            Message(topic, json_bytes(event | {"ts": event["ts"] + self._skew_ms}), at)
            for event, at in zip(found, leaves, strict=True)
        ]


def rounded(column: F64, metric: Metric) -> list[float] | list[int]:
    """Values with the metric's decimals; whole numbers where it has none."""
    sent = np.round(column, metric.decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
    return [int(value) for value in sent.tolist()] if metric.decimals == 0 else sent.tolist()
