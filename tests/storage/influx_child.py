"""A process that meets a full disk with a real InfluxDB on it and prints what happened as JSON; FOLDER is the disk."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np

from storage.influx_store import InfluxStore
from telemetry.errors import StoreAway
from telemetry.ports import StoreBatch
from tests.contracts.stores import NOON_NS, series_table, some_readings
from tests.servers.influx import influxdb

ROWS = 4_000


def numbered_batch(number: int) -> StoreBatch:
    """Readings of one series whose times tell the batch, with values that do not compress."""
    times = [NOON_NS + (number * ROWS + k) * 1_000_003 for k in range(ROWS)]
    values = np.random.default_rng(number).normal(size=ROWS).tolist()
    return StoreBatch(number, some_readings([0] * ROWS, times, values))


async def try_write(store: InfluxStore, number: int) -> str | None:
    """Write one batch; gives the words of the refusal, if it is refused."""
    try:
        await store.write([numbered_batch(number)])
    except StoreAway as away:
        return str(away)
    return None


async def story(folder: Path) -> dict[str, object]:
    """Fill the disk, make room, see that the server stays wedged, restart it, go on."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    with influxdb(inside=folder) as server:
        store = InfluxStore(server.url, series_table(), timeout_s=20.0)
        await store.open()
        kept, refusal = 0, None
        while refusal is None:
            refusal = await try_write(store, kept + 1)
            kept += refusal is None
        ballast.unlink()
        wedged = await try_write(store, kept + 1)
        server.restart()
        healed = await try_write(store, kept + 1)
        found = await store.readings(0, 0, 2**62, 10**7)
        await store.close()
    return {"kept": kept, "refusal": refusal, "wedged": wedged, "healed": healed, "rows": len(found)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(story(Path(sys.argv[1])))))
