"""Published windows on the live stream, while somebody watches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.live import Hub
from storage.operational import Settled
from telemetry.columns import Windows
from telemetry.ports import Resolution
from telemetry.registry import SeriesTable

#: a backfill publishes windows by the hundred thousand; nobody reads those on a screen
_MOST = 2_000


class WindowFeed:
    """Tells the hub of the windows of each settling."""

    def __init__(self, hub: Hub, table: SeriesTable) -> None:
        self._hub, self._table = hub, table

    def publish(self, settled: Settled) -> None:
        """Send the windows of a settling."""
        self.publish_windows(settled.batch.windows)

    def publish_windows(self, windows: Mapping[Resolution, Windows]) -> None:
        """Send windows, the newest where there are too many."""
        if not self._hub.watched("window"):
            return
        for resolution, rows in windows.items():
            for pilot, items in self._items(rows).items():
                self._hub.publish("window", pilot, {"pilot": pilot, "window": _NAMES[resolution], "items": items})

    def _items(self, rows: Windows) -> dict[str, list[dict[str, Any]]]:
        by_pilot: dict[str, list[dict[str, Any]]] = {}
        rows = rows.take(slice(-_MOST, None))
        for i in range(len(rows)):
            key = self._table.key(int(rows.series[i]))
            filled = bool(rows.count[i])
            by_pilot.setdefault(key.pilot, []).append(
                {
                    "device": key.device, "metric": key.metric, "start_ms": int(rows.start_ns[i]) // 10**6,
                    "count": int(rows.count[i]), "revision": int(rows.revision[i]),
                    "mean": float(rows.mean[i]) if filled else None,
                    "min": float(rows.min[i]) if filled else None,
                    "max": float(rows.max[i]) if filled else None,
                }
            )  # fmt: skip
        return by_pilot


_NAMES: dict[Resolution, str] = {"base": "10s", "1m": "1m", "1h": "1h"}
