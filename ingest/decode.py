"""A group of messages to columns: topics looked up, payloads parsed, series found, troubles set aside.

The one Python loop over messages is here; from here on data moves as numpy columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ingest import event_json, telemetry_json, topics
from ingest.message import Message
from ingest.registry import DeviceEntry, Registry
from ingest.telemetry_json import Record, Trouble
from telemetry.columns import F64, I32, I64
from telemetry.reasons import NO_PILOT, Aside, Quarantined, Refused, Rejected


class Happening(NamedTuple):
    """A decoded event or status message."""

    pilot: str
    device: str
    kind: str
    time_ns: int
    received_ns: int
    key: str
    body: str
    topic: str


@dataclass(slots=True)
class Decoded:
    """What a group of messages says. Record columns have a row an object, `series` and `value` a row a reading.

    device, time_ns, received_ns, count   (records,): index into `Registry.devices`, ns, ns, readings in the record
    series, value                         (readings,): NaN stands for a missing value
    """

    device: I32
    time_ns: I64
    received_ns: I64
    count: I32
    series: I32
    value: F64
    asides: list[Aside] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    sequences: list[tuple[int, int]] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)

    def count_received(self, pilot: str, readings: int) -> None:
        """Add to what the pilot has received; done here, apart from what becomes of the readings."""
        self.received[pilot] = self.received.get(pilot, 0) + readings


class GroupDecoder:
    """Turns groups into `Decoded`. Keeps a bounded memory of topics, nothing else."""

    def __init__(
        self,
        registry: Registry,
        max_payload_bytes: int = 262_144,
        max_objects: int = 10_000,
    ) -> None:
        self._registry = registry
        self._max_bytes = max_payload_bytes
        self._max_objects = max_objects
        self._telemetry = {
            f"{topics.PREFIX}{device.pilot_id}/{device.id}/telemetry": device for device in registry.devices
        }

    def decode(self, messages: Iterable[Message]) -> Decoded:
        """Decode messages in their order; never raises for what a device sent."""
        rows = _Rows()
        telemetry, max_bytes, decode_one = self._telemetry, self._max_bytes, telemetry_json.decode_one
        add_values, add_record, max_ms = rows.value.extend, rows.records.extend, telemetry_json.MAX_MS
        for message in messages:
            topic, payload, retain, received_ns = message
            # the fast path, written out: a known topic, one object in the typed shape, ms as an integer, a known shape
            device = telemetry.get(topic)
            record: Record | None = None
            if device is not None and len(payload) <= max_bytes and not retain:
                try:
                    record = decode_one(payload)
                except (ValueError, RecursionError):
                    pass
                else:
                    ts, values = record.ts, record.values
                    shape = device.layout.shapes.get(tuple(values))
                    if shape is not None and type(ts) is int and 0 <= ts <= max_ms and record.seq is None:
                        add_values(values.values())
                        add_record((device.index, ts * 1_000_000, received_ns, shape))
                        continue
            try:
                if device is None or record is None:
                    self._read(rows, message)
                else:
                    self._take(rows, device, record, message)
            except Exception as error:  # noqa: BLE001  a fault of ours must cost one message, not the stream
                trouble = Trouble(Quarantined.INTERNAL_ERROR, repr(error)[:200], payload)
                rows.aside(message, self._pilot_in(topic), "", trouble)
        return rows.decoded(self._registry)

    def count_pilots(self, messages: list[Message]) -> dict[str, int]:
        """Count messages by pilot, those of no known pilot under `_unknown`."""
        known = self._telemetry.get
        counts: Counter[str] = Counter()
        devices = [known(message[0]) for message in messages]
        counts.update([device.pilot_id for device in devices if device is not None])
        if None in devices:
            counts.update(
                [
                    self._pilot_in(message[0])
                    for message, device in zip(messages, devices, strict=True)
                    if device is None
                ]
            )
        return counts

    def _pilot_in(self, topic: str) -> str:
        name = topic.removeprefix(topics.PREFIX).partition("/")[0]
        return name if name in self._registry.pilots else NO_PILOT

    def _read(self, rows: _Rows, message: Message) -> None:
        topic, payload, _, _ = message
        address = topics.parse(topic)
        if address is None:
            # no topic of a device begins with an exclamation mark: `frames` puts it before what the codec refused
            reason = Quarantined.BAD_PACKET if topic.startswith("!") else Quarantined.BAD_TOPIC
            rows.aside(message, NO_PILOT, "", Trouble(reason, f"topic {topic[:200]!r}", payload))
            return
        pilot = address.pilot if address.pilot in self._registry.pilots else NO_PILOT
        if len(payload) > self._max_bytes:
            rows.refused.append(Refused(pilot, Rejected.TOO_LARGE, 1))
            return
        device = self._registry.device(address.pilot, address.device)
        if device is None:
            self._read_stranger(rows, message, pilot, address)
        elif address.channel == "telemetry":
            self._read_telemetry(rows, message, device)
        else:
            self._read_happening(rows, message, device, address.channel)

    def _read_telemetry(self, rows: _Rows, message: Message, device: DeviceEntry) -> None:
        if len(self._telemetry) < 1_000_000:
            self._telemetry[message[0]] = device
        records, troubles = telemetry_json.parse(message[1], self._max_objects)
        for trouble in troubles:
            rows.aside(message, device.pilot.id, device.id, trouble)
        for record in records:
            if message[2] and record.ts is None:
                rows.aside(message, device.pilot.id, device.id, _untimed(record))
            else:
                self._take(rows, device, record, message)

    def _take(self, rows: _Rows, device: DeviceEntry, record: Record, message: Message) -> None:
        ts = record.ts
        if type(ts) is int and 0 <= ts <= telemetry_json.MAX_MS:
            time_ns = ts * 1_000_000
        elif ts is None:
            time_ns = message[3]
        else:
            time_ns, reason, detail = telemetry_json.time_ns(ts)
            if reason is not None:
                rows.aside(message, device.pilot.id, device.id, _whole(record, reason, detail))
                return
        values = record.values
        names = tuple(values)
        shape = device.layout.shapes.get(names)
        if shape is None:
            shape = self._registry.shape(device, names)
        if shape is None:
            self._take_apart(rows, device, record, message, time_ns)
        else:
            rows.value.extend(values.values())
            rows.records.extend((device.index, time_ns, message[3], shape))
        if record.seq is not None:
            rows.sequences.append((device.index, record.seq))

    def _take_apart(self, rows: _Rows, device: DeviceEntry, record: Record, message: Message, time_ns: int) -> None:
        declared = ", ".join(list(device.layout.offsets)[:12])
        reason = Quarantined.TOO_MANY_SERIES if device.pilot.accept_unregistered else Quarantined.UNKNOWN_METRIC
        for name, value in record.values.items():
            shape = self._registry.shape(device, (name,))
            if shape is None:
                detail = f"metric {name[:80]!r} of device {device.id!r}; declared: {declared}"
                fragment = telemetry_json.fragment(name, record.ts, value)
                rows.aside(message, device.pilot.id, device.id, Trouble(reason, detail, fragment))
            else:
                rows.value.append(value)
                rows.records.extend((device.index, time_ns, message[3], shape))

    def _read_stranger(self, rows: _Rows, message: Message, pilot: str, address: topics.Address) -> None:
        readings = 1
        if address.channel == "telemetry":
            records, troubles = telemetry_json.parse(message[1], self._max_objects)
            readings = sum(len(r.values) for r in records) + sum(t.readings for t in troubles)
        detail = f"device {address.device!r} of pilot {address.pilot!r}"
        trouble = Trouble(Quarantined.UNKNOWN_DEVICE, detail, message[1], max(readings, 1))
        rows.aside(message, pilot, address.device, trouble)

    def _read_happening(self, rows: _Rows, message: Message, device: DeviceEntry, channel: topics.Channel) -> None:
        topic, payload, retain, received_ns = message
        read = event_json.parse_event if channel == "event" else event_json.parse_status
        found = read(payload, received_ns)
        if isinstance(found, Trouble):
            rows.aside(message, device.pilot.id, device.id, found)
            return
        if channel == "event" and retain and not found.timed:
            trouble = Trouble(Quarantined.RETAINED_WITHOUT_TIME, "a retained event without ts", payload)
            rows.aside(message, device.pilot.id, device.id, trouble)
            return
        rows.happenings.append(
            Happening(device.pilot.id, device.id, channel, found.time_ns, received_ns, found.key, found.body, topic)
        )


class _Rows:
    """Growing Python lists of one group, until they become columns."""

    __slots__ = ("asides", "happenings", "records", "refused", "sequences", "value")

    def __init__(self) -> None:
        self.records: list[int] = []
        self.value: list[telemetry_json.Value] = []
        self.asides: list[Aside] = []
        self.refused: list[Refused] = []
        self.happenings: list[Happening] = []
        self.sequences: list[tuple[int, int]] = []

    def aside(self, message: Message, pilot: str, device: str, trouble: Trouble) -> None:
        reason, detail, payload, readings = trouble
        self.asides.append(
            Aside(pilot, device, message[0], reason, detail, payload, readings, message[3])
        )  # fmt: skip

    def decoded(self, registry: Registry) -> Decoded:
        table = np.array(self.records, np.int64).reshape(-1, 4)
        device = table[:, 0].astype(np.int32)
        count, series = registry.expand(device, table[:, 3])
        decoded = Decoded(
            device=device,
            time_ns=table[:, 1],
            received_ns=table[:, 2],
            count=count,
            series=series,
            value=np.array(self.value, np.float64),
            asides=self.asides,
            refused=self.refused,
            happenings=self.happenings,
            sequences=self.sequences,
        )
        self._count_received(decoded, registry)
        return decoded

    def _count_received(self, decoded: Decoded, registry: Registry) -> None:
        if len(decoded.device):
            readings = np.bincount(decoded.device, weights=decoded.count)
            for index in np.flatnonzero(readings).tolist():
                decoded.count_received(registry.devices[index].pilot.id, int(readings[index]))
        for aside in self.asides:
            decoded.count_received(aside.pilot, aside.readings)
        for refused in self.refused:
            decoded.count_received(refused.pilot, refused.readings)
        for happening in self.happenings:
            decoded.count_received(happening.pilot, 1)


def _untimed(record: Record) -> Trouble:
    return _whole(record, Quarantined.RETAINED_WITHOUT_TIME, "a retained message without ts")


def _whole(record: Record, reason: Quarantined, detail: str) -> Trouble:
    body = {"values": record.values} if record.ts is None else {"ts": record.ts, "values": record.values}
    return Trouble(reason, detail, telemetry_json.encode(body), max(len(record.values), 1))
