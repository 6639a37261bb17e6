"""Load: a steady rate of telemetry over many devices, round-robin, cheap to make. No day, no physics, no faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from processing.pilot import Pilot
from simulators.message import Message, topic_of
from simulators.noise import uniform
from simulators.signals.generic import span
from simulators.site import Sensor, Site
from simulators.world import sensors_of

_BATCH: Final = 512


def load(
    pilots: Iterable[Pilot],
    seed: int = 0,
    start_ms: int = 0,
    duration_s: float | None = None,
    devices: int | None = None,
    rate: float = 1000.0,
) -> Iterator[Message]:
    """Give `rate` telemetry messages a second of event time, endless without a duration.

    Devices take turns; `devices` limits or multiplies those of each pilot. `at_ms` is whole milliseconds, `ts` carries
    fractions, so that no two messages of a device share a time. ValueError when the rate is not positive or no device
    has a metric.
    """
    if not 0 < rate <= 1_000_000:
        raise ValueError(f"a rate of {rate:g} messages a second cannot be made; give more than 0 and at most 1,000,000")
    fleet = [s for pilot in pilots for s in sensors_of(Site(pilot, seed), devices) if s.metrics]
    if not fleet:
        raise ValueError("no device has a metric, so there is nothing to send; choose another pilot")
    count = None if duration_s is None else int(rate * duration_s)
    return _messages([_Sender(sensor) for sensor in fleet], start_ms, 1000.0 / rate, count)


class _Sender:
    """One device's ready-made form: a payload with places for the time, the values and the number of the message."""

    def __init__(self, sensor: Sensor) -> None:
        self.topic = topic_of(sensor.site.pilot.id, sensor.name, "telemetry")
        fields = ",".join(f'"{name}":%.{min(metric.decimals, 9)}f' for name, metric in sensor.metrics.items())
        self._form = '{"ts":%.3f,"values":{' + fields + '},"seq":%d}'
        self._low, high = np.array([span(metric) for metric in sensor.metrics.values()]).T
        self._width = high - self._low
        self._key = sensor.key("load")

    def rows(self, first_lap: int) -> Sequence[list[float]]:
        """Values of `_BATCH` messages from a lap on, one list a message."""
        shares = uniform(self._key, np.arange(_BATCH * len(self._low)) + first_lap * len(self._low))
        rows: list[list[float]] = (self._low + self._width * shares.reshape(_BATCH, -1)).tolist()
        return rows

    def payload(self, ts_ms: float, row: list[float], seq: int) -> bytes:
        """The message as bytes."""
        return (self._form % (ts_ms, *row, seq)).encode()


def _messages(fleet: list[_Sender], start_ms: int, every_ms: float, count: int | None) -> Iterator[Message]:
    sent, lap = 0, 0
    rows: list[Sequence[list[float]]] = []
    while True:
        if lap % _BATCH == 0:
            rows = [sender.rows(lap) for sender in fleet]
        for sender, batch in zip(fleet, rows, strict=True):
            if sent == count:
                return
            ts_ms = start_ms + sent * every_ms
            yield Message(sender.topic, sender.payload(ts_ms, batch[lap % _BATCH], lap), int(ts_ms))
            sent += 1
        lap += 1
