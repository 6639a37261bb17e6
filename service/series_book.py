"""Everything that follows from a pilot's file for its series: ids, admission, limits, base windows, owner."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ingest.registry import Registry
from processing.latest import LatestTable
from processing.pilot import Pilot
from processing.quality import GrossRange
from processing.window_engine import WindowEngine
from telemetry.columns import I32
from telemetry.durations import duration_ns
from telemetry.registry import SeriesKey, SeriesTable


class SeriesBook:
    """Gives ids to series and keeps every per-series array of the process as long as there are series.

    New ids live in `unsaved` until a settling commits them together with the first readings that use them.
    """

    def __init__(self, pilots: Iterable[Pilot], known: list[tuple[int, SeriesKey]]) -> None:
        self.pilots = {pilot.id: pilot for pilot in pilots}
        self.unsaved: list[tuple[int, SeriesKey]] = []
        self._next = max((series for series, _ in known), default=-1) + 1
        self.table = SeriesTable(known, self._allocate)
        self.registry = Registry(self.table)
        self.quality = GrossRange()
        self.latest = LatestTable()
        self.windows = WindowEngine()
        self.pilot_ids = [*self.pilots, ""]
        self.pilot_of: I32 = np.empty(0, np.int32)
        for pilot in self.pilots.values():
            self._declare(pilot)
        self.grow()
        self.grow_windows()

    def _allocate(self, keys: list[SeriesKey]) -> list[int]:
        ids = list(range(self._next, self._next + len(keys)))
        self._next += len(keys)
        self.unsaved.extend(zip(ids, keys, strict=True))
        return ids

    def _declare(self, pilot: Pilot) -> None:
        self.registry.add_pilot(pilot.id, pilot.max_age_ns, pilot.head.accept_unregistered)
        metrics = {name: tuple(kind.metrics) for name, kind in pilot.kinds.items()}
        self.registry.add_devices(pilot.id, ((name, metrics[d.kind]) for name, d in pilot.devices.items()))
        for kind_name, kind in pilot.kinds.items():
            devices = [
                self.registry.pilots[pilot.id].devices[n] for n, d in pilot.devices.items() if d.kind == kind_name
            ]
            for metric_name, metric in kind.metrics.items():
                limits = metric.gross_range
                if limits and devices:
                    series = np.array([device.metrics[metric_name] for device in devices], np.int32)
                    self.quality.configure(series, limits.fail, limits.suspect)

    def grow(self) -> None:
        """Make the arrays that ticks use follow the table."""
        size, known = self.table.size, len(self.pilot_of)
        if size <= known:
            return
        index = {pilot: i for i, pilot in enumerate(self.pilot_ids)}
        owner = np.full(size - known, len(self.pilot_ids) - 1, np.int32)
        for series, key in self.table.items(known):
            owner[series - known] = index.get(key.pilot, len(self.pilot_ids) - 1)
        self.quality.grow(size)
        self.latest.grow(size)
        self.pilot_of = np.append(self.pilot_of, owner)

    def grow_windows(self) -> None:
        """Make the windows' arrays follow; a settling does it, because its work in another thread holds them."""
        known = len(self.windows.base_ns)
        if len(self.pilot_of) > known:
            spans = [duration_ns(self.pilots[pilot].head.base_window) for pilot in self.pilots]
            self.windows.grow(len(self.pilot_of), 10 * 10**9)
            self.windows.base_ns[known:] = np.array([*spans, 10 * 10**9], np.int64)[self.pilot_of[known:]]

    def count(self, series: I32) -> dict[str, int]:
        """Readings by pilot."""
        if not len(series):
            return {}
        counts = np.bincount(self.pilot_of[series], minlength=len(self.pilot_ids))
        return {pilot: int(n) for pilot, n in zip(self.pilot_ids, counts.tolist(), strict=True) if n}

    def base_spans(self) -> set[int]:
        """Every length of base window in use, ns."""
        return set(np.unique(self.windows.base_ns).tolist())
