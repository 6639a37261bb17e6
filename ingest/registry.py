"""What admission knows of the pilots: which devices and metrics exist, and the series of each.

`service` fills it from the pilots' files. Devices that no file declares enter only for pilots that accept them.
A message names its metrics in some order; that *shape* is looked up once for all devices of a kind, so that the hot
path touches one small table per kind and not one per device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from telemetry.columns import I32, I64
from telemetry.names import is_metric
from telemetry.registry import SeriesKey, SeriesTable

#: different sets or orders of metric names that one kind may send before they are taken apart name by name
MAX_SHAPES = 512


@dataclass(slots=True)
class PilotEntry:
    """A pilot's part in admission."""

    id: str
    max_age_ns: int
    accept_unregistered: bool
    devices: dict[str, DeviceEntry] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Layout:
    """The metrics of devices of one kind: a series is the device's `first` plus the offset. Shapes: names in order."""

    offsets: dict[str, int]
    shapes: dict[tuple[str, ...], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class DeviceEntry:
    """A device. `index` counts devices, `pilot_id` stands here once more for the hot path."""

    pilot: PilotEntry
    pilot_id: str
    id: str
    index: int
    first: int
    layout: Layout

    @property
    def metrics(self) -> dict[str, int]:
        """Series ids by metric."""
        return {name: self.first + offset for name, offset in self.layout.offsets.items()}


class Registry:
    """All pilots and devices of this process."""

    def __init__(self, series: SeriesTable, max_unregistered_series: int = 200_000) -> None:
        self.series = series
        self.pilots: dict[str, PilotEntry] = {}
        self.devices: list[DeviceEntry] = []
        self._room = self._device_room = max_unregistered_series
        self._shape_sizes: list[int] = []
        self._shape_offsets: list[int] = []
        self._first: I64 = np.empty(0, np.int64)
        self._sizes: I64 = np.empty(0, np.int64)
        self._offsets: I64 = np.empty(0, np.int64)

    def add_pilot(self, pilot: str, max_age_ns: int, accept_unregistered: bool) -> None:
        """Declare a pilot."""
        self.pilots[pilot] = PilotEntry(pilot, max_age_ns, accept_unregistered)

    def add_devices(self, pilot: str, devices: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Declare devices of a pilot with their metrics; series get their ids at once."""
        listed = [(device, tuple(metrics)) for device, metrics in devices]
        ids = iter(self.series.ids([SeriesKey(pilot, d, m) for d, metrics in listed for m in metrics]))
        shared: dict[tuple[str, ...], Layout] = {}
        for device, metrics in listed:
            series = {m: next(ids) for m in metrics}
            first = min(series.values(), default=0)
            if list(series.values()) == list(range(first, first + len(series))):
                layout = shared.setdefault(metrics, Layout({m: i for i, m in enumerate(metrics)}))
            else:
                first, layout = 0, Layout(series)  # the kind has changed since the ids were given
            self._add(self.pilots[pilot], device, first, layout)

    def _add(self, pilot: PilotEntry, device: str, first: int, layout: Layout) -> DeviceEntry:
        entry = DeviceEntry(pilot, pilot.id, device, len(self.devices), first, layout)
        pilot.devices[device] = entry
        self.devices.append(entry)
        return entry

    def device(self, pilot: str, device: str) -> DeviceEntry | None:
        """Find a device, making it known when its pilot accepts unregistered ones; None when it may not speak."""
        home = self.pilots.get(pilot)
        if home is None:
            return None
        entry = home.devices.get(device)
        if entry is None and home.accept_unregistered and min(self._room, self._device_room) > 0:
            self._device_room -= 1  # a device costs memory even when it sends nothing that is taken
            entry = self._add(home, device, 0, Layout({}))
        return entry

    def shape(self, device: DeviceEntry, names: tuple[str, ...]) -> int | None:
        """Give the number of a shape, None when a name in it is not declared or there are too many shapes already."""
        layout = device.layout
        known = layout.shapes.get(names)
        if known is None and all(self.knows(device, name) for name in names):
            layout = device.layout  # `knows` may have given the device one of its own
            if len(layout.shapes) < MAX_SHAPES or len(names) == 1:
                known = layout.shapes[names] = len(self._shape_sizes)
                self._shape_sizes.append(len(names))
                self._shape_offsets.extend(layout.offsets[name] for name in names)
        return known

    def knows(self, device: DeviceEntry, name: str) -> bool:
        """Tell whether a metric is declared, declaring it where the pilot accepts unregistered ones."""
        if name in device.layout.offsets:
            return True
        if not (device.pilot.accept_unregistered and is_metric(name) and self._room > 0):
            return False
        self._room -= 1
        series = self.series.ids([SeriesKey(device.pilot.id, device.id, name)])[0]
        # `first` stays: records of the same group that were read before name shapes of the layout so far
        device.layout = Layout({**device.layout.offsets, name: series - device.first})
        return True

    def expand(self, device: I32, shape: I64) -> tuple[I32, I32]:
        """Give the readings in each record and the series of every reading, for records of these devices and shapes."""
        self._follow()
        count = self._sizes[shape]
        before = np.cumsum(count) - count
        ends = np.cumsum(self._sizes)[shape]
        within = np.arange(int(count.sum())) - np.repeat(before - (ends - count), count)
        series = self._offsets[within] + np.repeat(self._first[device], count)
        return count.astype(np.int32), series.astype(np.int32)

    def _follow(self) -> None:
        if len(self._first) < len(self.devices):
            more = [device.first for device in self.devices[len(self._first) :]]
            self._first = np.append(self._first, np.array(more, np.int64))
        if len(self._sizes) < len(self._shape_sizes):
            self._sizes = np.array(self._shape_sizes, np.int64)
            self._offsets = np.array(self._shape_offsets, np.int64)
