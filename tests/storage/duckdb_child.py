"""A process that writes batches to an embedded history, for tests to kill, lock out or starve of room.

`write FOLDER` appends batch after batch and prints each number when `write` has returned.
`hold FOLDER` opens the file and waits for its input to end.
`fill FOLDER` writes until the disk is full, deletes `ballast`, goes on, and prints what happened as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np

from storage import duckdb_file
from storage.duckdb_store import DuckDBStore
from telemetry.columns import Readings, Windows
from telemetry.errors import StoreAway
from telemetry.ports import StoreBatch
from telemetry.registry import SeriesKey, SeriesTable

ROWS = 5_000
SERIES = 10
CHECKPOINT_AFTER = "2MB"


def numbered_batch(number: int) -> StoreBatch:
    """The batch of that number: times and values tell which one it is."""
    at = np.arange(ROWS, dtype=np.int64) + number * ROWS
    noise = np.random.default_rng(number).normal(size=ROWS)
    series = (at % SERIES).astype(np.int32)
    readings = Readings(series, at, noise, np.ones(ROWS, np.uint8), np.zeros(ROWS, np.uint16), at)
    few = readings.take(slice(0, 500))
    columns = {name: np.zeros(500, dtype) for name, dtype in Windows.DTYPES.items()}
    columns |= {"series": few.series, "start_ns": few.time_ns, "mean": few.value, "count": few.time_ns}
    return StoreBatch(number, readings, {"base": Windows(**columns)})


def open_store(folder: Path) -> DuckDBStore:
    """The history in `folder`, with checkpoints so often that kills hit them."""
    duckdb_file.CHECKPOINT_AFTER = CHECKPOINT_AFTER  # type: ignore[misc]
    keys = [(one, SeriesKey("harbour", f"d{one}", "speed")) for one in range(SERIES)]
    return DuckDBStore(folder / "history.duckdb", SeriesTable(keys, lambda new: []))


async def batches_in(store: DuckDBStore) -> list[int]:
    """Numbers of the batches that are there whole, in both tables; ValueError when one is there in part or twice."""
    readings = [await store.readings(one, 0, 2**62, 10**9) for one in range(SERIES)]
    windows = [await store.windows(one, "base", 0, 2**62, 10**9) for one in range(SERIES)]
    numbers = whole(np.concatenate([part.time_ns for part in readings]), ROWS)
    if numbers != whole(np.concatenate([part.start_ns for part in windows]), 500):
        raise ValueError("readings and windows are not of the same batches")
    return numbers


def whole(time_ns: np.ndarray, rows: int) -> list[int]:
    """Numbers of the batches that these times belong to."""
    numbers, counts = np.unique(time_ns // ROWS, return_counts=True)
    if len(np.unique(time_ns)) != len(time_ns) or not (counts == rows).all():
        raise ValueError(f"batches in part or twice: {dict(zip(numbers.tolist(), counts.tolist(), strict=True))}")
    return [int(number) for number in numbers]


async def write_on(store: DuckDBStore) -> None:
    """Write from the last whole batch on, that one again."""
    await store.open()
    number = max([*await batches_in(store), 1])
    while True:
        await store.write([numbered_batch(number)])
        print(number, flush=True)
        number += 1


async def hold(store: DuckDBStore) -> None:
    """Have the file open until somebody closes our input."""
    await store.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.close()


async def fill(store: DuckDBStore, folder: Path) -> None:
    """Meet a full disk, several times, then find room."""
    await store.open()
    refusals: list[str] = []
    kept, seen = 0, []
    while len(refusals) < 3:
        try:
            await store.write([numbered_batch(kept + 1)])
            kept += 1
        except StoreAway as away:
            refusals.append(str(away))
            seen.append(await batches_in(store))
    (folder / "ballast").unlink()
    for _ in range(5):
        await store.write([numbered_batch(kept + 1)])
        kept += 1
    after = await batches_in(store)
    await store.close()
    again = open_store(folder)
    await again.open()
    story = {"refusals": refusals, "seen": seen, "after": after, "reopened": await batches_in(again), "kept": kept}
    await again.close()
    print(json.dumps(story))


def main() -> None:
    """Do what the arguments say."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    store = open_store(folder)
    work = {"write": lambda: write_on(store), "hold": lambda: hold(store), "fill": lambda: fill(store, folder)}
    asyncio.run(work[what]())


if __name__ == "__main__":
    main()
