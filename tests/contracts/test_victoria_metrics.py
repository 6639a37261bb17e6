"""VictoriaMetrics takes the same writes; it answers no InfluxQL, so its own export is the witness.

It keeps a point that is written again as a second one unless -dedup.minScrapeInterval is set.
"""

from __future__ import annotations

import json

import httpx
import numpy as np

from storage.influx_store import InfluxStore
from telemetry.ports import StoreBatch
from tests.contracts.stores import KEYS, NOON_NS, series_table, some_readings, some_windows
from tests.servers.victoria import victoria_metrics


def exported(url: str, metric: str) -> dict[str, tuple[list[int], list[float]]]:
    """Times (ms) and values by device."""
    httpx.get(f"{url}/internal/force_flush").raise_for_status()
    lines = httpx.get(f"{url}/api/v1/export", params={"match[]": metric, "start": "0"}).text.splitlines()
    parts = [json.loads(line) for line in lines]
    return {one["metric"]["device"]: (one["timestamps"], one["values"]) for one in parts}


async def test_victoria_metrics_keeps_the_numbers_that_are_written() -> None:
    rows = 300
    times = [NOON_NS + k * 10_000_000_000 for k in range(rows)]
    values = np.round(np.random.default_rng(5).normal(20, 5, rows), 2).tolist()
    readings = some_readings([k % 2 for k in range(rows)], times, values)
    windows = some_windows([0] * rows, times)
    with victoria_metrics("-dedup.minScrapeInterval=1ms") as server:
        store = InfluxStore(server.url, series_table())
        await store.open()
        given = StoreBatch(1, readings, {"1m": windows})
        await store.write([given])
        await store.write([given])
        await store.close()
        for series in (0, 1):
            got_ms, got = exported(server.url, "readings_value")[KEYS[series].device]
            assert got_ms == [at // 1_000_000 for at in times[series::2]]
            assert got == values[series::2]
        _, counts = exported(server.url, "w_1m_count")[KEYS[0].device]
        assert counts == windows.count.tolist()
