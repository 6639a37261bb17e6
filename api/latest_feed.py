"""Sends changed latest values to the stream: coalesced, at a bounded rate, and only while somebody watches."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

import msgspec

from api.answers import Number
from api.backend import Backend
from api.encoding import number_or_none
from api.options import ApiOptions
from api.times import ms
from telemetry.columns import I32
from telemetry.flags import reason_names

#: items in one event; a slow line gets many small events rather than one that blocks it
ITEMS_PER_EVENT: Final = 500


class LatestItem(msgspec.Struct):
    """A latest reading on the stream."""

    device: str
    metric: str
    value: float | None
    flag: int
    reasons: list[str]
    time_ms: Number
    received_ms: Number


class LatestEvent(msgspec.Struct):
    """What an event `latest` carries."""

    pilot: str
    items: list[LatestItem]


async def feed_latest(backend: Backend, options: ApiOptions) -> None:
    """Run until cancelled. Waits longer after much, so that 100,000 series flood neither the line nor the processor."""
    while True:
        await backend.hub.has_changes.wait()
        changed = backend.hub.take_changed()
        for at in range(0, len(changed), ITEMS_PER_EVENT):
            publish_latest(backend, changed[at : at + ITEMS_PER_EVENT])
            await asyncio.sleep(0)  # acknowledgements wait in the same loop
        await asyncio.sleep(max(options.latest_every_s, len(changed) / options.latest_items_per_s))


def publish_latest(backend: Backend, series: I32) -> int:
    """Publish the latest readings of `series`, by pilot; gives how many."""
    by_pilot: defaultdict[str, list[LatestItem]] = defaultdict(list)
    ids = series.tolist()
    for number, row in zip(ids, backend.latest(ids), strict=True):
        if row is not None:
            key = backend.series.key(number)
            item = LatestItem(
                key.device, key.metric, number_or_none(row.value), row.flag, reason_names(row.reasons),
                ms(row.time_ns), ms(row.received_ns),
            )  # fmt: skip
            by_pilot[key.pilot].append(item)
    for pilot, items in by_pilot.items():
        for at in range(0, len(items), ITEMS_PER_EVENT):
            backend.hub.publish("latest", pilot, LatestEvent(pilot, items[at : at + ITEMS_PER_EVENT]))
    return len(ids)
