"""The registry as the API shows it: pilots, kinds, devices with their state and latest values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from api.answers import DeviceView, KindView, LatestView, MetricView, PilotView, State
from api.backend import Backend, Latest
from api.encoding import number_or_none
from api.problems import not_found
from api.states import device_state
from api.times import ms, ms_or_none
from processing.pilot import Kind, Metric, Pilot, Text
from telemetry.flags import reason_names
from telemetry.registry import SeriesKey, SeriesTable


class SeriesIndex:
    """Which series each device has; rebuilt when the table has grown."""

    def __init__(self, table: SeriesTable) -> None:
        self._table = table
        self._size = -1
        self._by_device: dict[tuple[str, str], dict[str, int]] = {}

    def of_device(self, pilot: str, device: str) -> dict[str, int]:
        """Series ids of a device by metric; empty when none of its readings ever came."""
        if self._size != self._table.size:
            by_device: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
            for series, key in list(self._table.items()):
                by_device[key.pilot, key.device][key.metric] = series
            self._by_device, self._size = dict(by_device), self._table.size
        return self._by_device.get((pilot, device), {})


class RegistryView:
    """Builds the views from the backend. One per application."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._index = SeriesIndex(backend.series)

    def pilot(self, pilot: Pilot) -> PilotView:
        """Show a pilot."""
        devices = self._backend.devices(pilot.id)
        states: Counter[State] = Counter(view.state for view in self.devices(pilot, devices))
        head = pilot.head
        return PilotView(
            pilot.id, head.name, head.timezone, head.centre, head.base_window, head.accept_unregistered,
            {name: _kind(kind) for name, kind in pilot.kinds.items()}, len(devices), dict(states),
        )  # fmt: skip

    def devices(self, pilot: Pilot, names: Iterable[str]) -> list[DeviceView]:
        """Show devices of a pilot."""
        now_ns = self._backend.clock_ns()
        return [self._device(pilot, name, now_ns) for name in names]

    def device(self, pilot: Pilot, name: str) -> DeviceView:
        """Show one device; 404 where neither the pilot declares it nor anything came from it."""
        there = self._backend.devices(pilot.id)
        if name not in there:
            raise not_found("device", name, list(there))
        return self._device(pilot, name, self._backend.clock_ns())

    def series(self, pilot: Pilot, device: str, metric: str) -> int | None:
        """Find a series: None when declared and without data yet; 404 when nothing declares it and no data came."""
        found = self._backend.series.find(SeriesKey(pilot.id, device, metric))
        if found is not None:
            return found
        there = self._backend.devices(pilot.id)
        if device not in there:
            raise not_found("device", device, list(there))
        metrics = self.metrics(pilot, device)
        if metric not in metrics:
            raise not_found("metric", metric, metrics)
        return None

    def metrics(self, pilot: Pilot, device: str) -> list[str]:
        """Name the metrics of a device: those its kind declares and those that came."""
        kind = kind_of(pilot, device)
        return sorted({*(kind.metrics if kind else ()), *self._index.of_device(pilot.id, device)})

    def _device(self, pilot: Pilot, name: str, now_ns: int) -> DeviceView:
        declared, kind = pilot.devices.get(name), kind_of(pilot, name)
        latest = self._latest(pilot.id, name)
        connection = self._backend.connection(pilot.id, name)
        seen = [t for t in (connection.last_seen_ns, *(row.received_ns for row in latest.values())) if t is not None]
        state = device_state(kind, connection, ((row.time_ns, row.received_ns) for row in latest.values()), now_ns)
        return DeviceView(
            pilot.id, name, declared.kind if declared else None, declared.name if declared else Text(name, name),
            declared.location if declared else None, declared is not None, state, connection.status,
            ms_or_none(max(seen, default=None)), {metric: latest_view(row, now_ns) for metric, row in latest.items()},
        )  # fmt: skip

    def _latest(self, pilot: str, device: str) -> dict[str, Latest]:
        series = self._index.of_device(pilot, device)
        rows = self._backend.latest(list(series.values()))
        return {metric: row for metric, row in zip(series, rows, strict=True) if row is not None}


def kind_of(pilot: Pilot, device: str) -> Kind | None:
    """Give the kind of a declared device."""
    declared = pilot.devices.get(device)
    return pilot.kinds.get(declared.kind) if declared else None


def latest_view(row: Latest, now_ns: int) -> LatestView:
    """Show a latest reading; its age is never negative, also when the device's clock runs ahead."""
    age_ms = max(0, now_ns - row.time_ns) // 1_000_000
    value = number_or_none(row.value)
    return LatestView(value, row.flag, reason_names(row.reasons), ms(row.time_ns), age_ms, ms(row.received_ns))


def _kind(kind: Kind) -> KindView:
    metrics = {name: _metric(metric) for name, metric in kind.metrics.items()}
    return KindView(kind.name, ms(kind.interval_ns), ms(kind.stale_after_ns), metrics)


def _metric(metric: Metric) -> MetricView:
    limits = metric.gross_range
    return MetricView(metric.name, metric.unit, metric.decimals, (limits.suspect or limits.fail) if limits else None)
