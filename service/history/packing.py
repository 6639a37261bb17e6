"""Samples to messages: many small ones of a device in one array, as a gateway would send them."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import msgspec

from service.history.lines import Raw, Sample
from telemetry.names import is_pilot_or_device

OBJECTS_PER_MESSAGE: Final = 500
#: keeps a message of the longest names and numbers under the size limit of messages
_VALUES_PER_MESSAGE: Final = 2_000
#: objects of all devices that may wait for company
_MOST_WAITING: Final = 120_000
_encode = msgspec.json.Encoder().encode


class _Growing:
    """The message of one device under way; the newest object still takes more values of its time."""

    __slots__ = ("objects", "topic", "ts", "values", "values_count")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.objects: list[dict[str, Any]] = []
        self.values_count = 0
        self.ts: int | float | str = ""
        self.values: dict[str, Any] = {}


class Packer:
    """Takes samples and raw messages in their order; `ready` holds finished messages, oldest first.

    The order of each device's samples is kept.

    >>> packer = Packer()
    >>> for metric in ("speed", "count"):
    ...     packer.add(Sample("harbour", "speed_6005", 5, {metric: 1.5}))
    >>> packer.flush(); packer.ready[0].payload
    b'[{"ts":5,"values":{"speed":1.5,"count":1.5}}]'
    """

    def __init__(self) -> None:
        self.ready: list[Raw] = []
        self._growing: dict[tuple[str, str], _Growing] = {}
        self._waiting = 0
        #: event time of the oldest message's first object, ms; near enough to warn by
        self.earliest_ms = math.inf

    def add(self, sample: Sample) -> None:
        """Take a sample, and its dictionary of values; ValueError when its names can stand in no topic."""
        pilot, device, ts, values = sample
        growing = self._growing.get((pilot, device))
        if growing is None:
            growing = self._begin(pilot, device)
        if ts == growing.ts and growing.objects and values.keys().isdisjoint(growing.values):
            growing.values.update(values)
            growing.values_count += len(values)
            return
        if len(growing.objects) >= OBJECTS_PER_MESSAGE or growing.values_count > _VALUES_PER_MESSAGE:
            self._finish(growing)
        growing.ts, growing.values = ts, values
        growing.objects.append({"ts": ts, "values": values})
        growing.values_count += len(values)
        self._waiting += 1
        if self._waiting > _MOST_WAITING:
            self.flush()

    def add_raw(self, raw: Raw) -> None:
        """Take a message that goes out as it is, after what came before it from the same device."""
        levels = raw.topic.split("/")
        growing = self._growing.get((levels[2], levels[3])) if len(levels) == 5 else None
        if growing is not None:
            self._finish(growing)
        self.ready.append(raw)

    def flush(self) -> None:
        """Finish everything that is under way."""
        for growing in self._growing.values():
            self._finish(growing)

    def _begin(self, pilot: str, device: str) -> _Growing:
        for what, name in (("pilot", pilot), ("device", device)):
            if not is_pilot_or_device(name):
                raise ValueError(f"{what} {name[:70]!r} is no name: 1 to 64 of A-Z a-z 0-9 _ . - are allowed")
        growing = self._growing[pilot, device] = _Growing(f"city/v1/{pilot}/{device}/telemetry")
        return growing

    def _finish(self, growing: _Growing) -> None:
        if growing.objects:
            self.ready.append(Raw(growing.topic, _json(growing.objects)))
            self._waiting -= len(growing.objects)
            first = growing.objects[0]["ts"]
            if not isinstance(first, str):
                self.earliest_ms = min(self.earliest_ms, first)
            growing.objects, growing.values_count = [], 0


def _json(objects: list[dict[str, Any]]) -> bytes:
    try:
        encoded: bytes = _encode(objects)
    except (ValueError, TypeError, OverflowError):
        encoded = b"null"
    # msgspec writes NaN and infinities as null, which would say "missing" where the file says something else
    return encoded if b"null" not in encoded else json.dumps(objects, separators=(",", ":")).encode()
