"""What admission knows of the pilots: which devices and metrics exist, and the series of each.

`service` fills it from the pilots' files. Devices that no file declares enter only for pilots that accept them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from telemetry.names import is_metric
from telemetry.registry import SeriesKey, SeriesTable

#: how many different sets of metric names one device may send before they are looked up one by one each time
MAX_SHAPES = 64


@dataclass(slots=True)
class PilotEntry:
    """A pilot's part in admission. `index` numbers pilots for counting."""

    id: str
    index: int
    max_age_ns: int
    accept_unregistered: bool
    devices: dict[str, DeviceEntry] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class DeviceEntry:
    """A device: `metrics` maps names to series ids; `shapes` remembers the ids for sets of names it has sent."""

    pilot: PilotEntry
    id: str
    index: int
    registered: bool
    metrics: dict[str, int]
    shapes: dict[tuple[str, ...], tuple[int, ...]] = field(default_factory=dict)


class Registry:
    """All pilots and devices of this process."""

    def __init__(self, series: SeriesTable, max_unregistered_series: int = 200_000) -> None:
        self.series = series
        self.pilots: dict[str, PilotEntry] = {}
        self.devices: list[DeviceEntry] = []
        self._room = max_unregistered_series

    def add_pilot(self, pilot: str, max_age_ns: int, accept_unregistered: bool) -> None:
        """Declare a pilot."""
        self.pilots[pilot] = PilotEntry(pilot, len(self.pilots), max_age_ns, accept_unregistered)

    def add_devices(self, pilot: str, devices: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Declare devices of a pilot with their metrics; series get their ids at once."""
        listed = [(device, tuple(metrics)) for device, metrics in devices]
        ids = iter(self.series.ids([SeriesKey(pilot, d, m) for d, metrics in listed for m in metrics]))
        for device, metrics in listed:
            self._add(self.pilots[pilot], device, True, {m: next(ids) for m in metrics})

    def _add(self, pilot: PilotEntry, device: str, registered: bool, metrics: dict[str, int]) -> DeviceEntry:
        entry = DeviceEntry(pilot, device, len(self.devices), registered, metrics)
        pilot.devices[device] = entry
        self.devices.append(entry)
        return entry

    def device(self, pilot: str, device: str) -> DeviceEntry | None:
        """Find a device, making it known when its pilot accepts unregistered ones; None when it may not speak."""
        home = self.pilots.get(pilot)
        if home is None:
            return None
        entry = home.devices.get(device)
        if entry is None and home.accept_unregistered and self._room > 0:
            entry = self._add(home, device, False, {})
        return entry

    def shape(self, device: DeviceEntry, names: tuple[str, ...]) -> tuple[int, ...]:
        """Give the series ids of the metric `names` of a device, -1 for each that is not declared."""
        known = device.shapes.get(names)
        if known is None:
            known = tuple(self._metric(device, name) for name in names)
            if len(device.shapes) < MAX_SHAPES and -1 not in known:
                device.shapes[names] = known
        return known

    def _metric(self, device: DeviceEntry, name: str) -> int:
        series = device.metrics.get(name, -1)
        if series < 0 and device.pilot.accept_unregistered and is_metric(name) and self._room > 0:
            self._room -= 1
            series = device.metrics[name] = self.series.ids([SeriesKey(device.pilot.id, device.id, name)])[0]
        return series
