"""A registry, a decoder and messages for tests of ingest; nothing of it is faked."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from typing import Any

from ingest.decode import Decoded, GroupDecoder
from ingest.message import Message
from ingest.registry import Registry
from telemetry.registry import SeriesTable

NOW_NS = 1_800_000_000 * 10**9
DAY_NS = 86_400 * 10**9
MAX_AGE_NS = 400 * DAY_NS
TOPIC = "city/v1/quay/g1/telemetry"


def make_registry(max_unregistered_series: int = 1000) -> Registry:
    """`quay` with the devices g1 and g2 (level, flow), and `open`, which accepts what is not registered."""
    numbers = count()
    table = SeriesTable([], lambda keys: [next(numbers) for _ in keys])
    registry = Registry(table, max_unregistered_series)
    registry.add_pilot("quay", MAX_AGE_NS, accept_unregistered=False)
    registry.add_devices("quay", [("g1", ("level", "flow")), ("g2", ("level", "flow"))])
    registry.add_pilot("open", MAX_AGE_NS, accept_unregistered=True)
    registry.add_devices("open", [("o1", ("level", "flow")), ("o2", ("level", "flow"))])
    return registry


def message(payload: Any, topic: str = TOPIC, retain: bool = False, received_ns: int = NOW_NS) -> Message:
    """A message; what is no bytes becomes JSON."""
    return (topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), retain, received_ns)


def decode(*messages: Message, registry: Registry | None = None) -> tuple[Decoded, Registry]:
    """Decode messages as one group."""
    registry = registry or make_registry()
    return GroupDecoder(registry).decode(messages), registry


def readings_of(decoded: Decoded, registry: Registry) -> list[tuple[str, str, float | None]]:
    """Device, metric and value of every reading, in order; None where it is missing."""
    keys = [registry.series.key(series) for series in decoded.series.tolist()]
    values = [None if value != value else value for value in decoded.value.tolist()]
    return [(key.device, key.metric, value) for key, value in zip(keys, values, strict=True)]


def outcome(payload: bytes, **more: Any) -> tuple[dict[str, float | None], Counter[str]]:
    """What becomes of one payload of g1: values that go on by metric, and readings set aside or refused by reason."""
    decoded, registry = decode(message(payload, **more))
    reasons: Counter[str] = Counter()
    for aside in decoded.asides:
        reasons[str(aside.reason)] += aside.readings
    for refused in decoded.refused:
        reasons[str(refused.reason)] += refused.readings
    values = {metric: value for _, metric, value in readings_of(decoded, registry)}
    assert sum(decoded.received.values()) == len(decoded.series) + sum(reasons.values()) + len(decoded.happenings)
    assert len(decoded.series) == len(decoded.value) == int(decoded.count.sum())
    return values, reasons
