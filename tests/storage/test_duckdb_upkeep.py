"""Retention and compaction of the embedded history, and what it tells people."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import duckdb
import pytest

from storage import duckdb_store
from storage.duckdb_store import DuckDBStore
from telemetry.columns import Event, Windows
from telemetry.ports import RESOLUTIONS, StoreBatch
from tests.contracts.stores import KEYS, NOON_NS, assert_same, batch, series_table, some_readings, some_windows


def rows_in(folder: Path, table: str) -> int:
    with duckdb.connect(str(folder / "history.duckdb")) as file:
        [(count,)] = file.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(count)


def with_store(folder: Path, work: Any) -> Any:
    async def run() -> Any:
        store = DuckDBStore(folder / "history.duckdb", series_table())
        await store.open()
        try:
            pending: Coroutine[Any, Any, Any] = work(store)
            return await pending
        finally:
            await store.close()

    return asyncio.run(run())


def test_compaction_drops_superseded_windows_and_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_store, "COMPACT_AFTER_ROWS", 150)
    starts = [NOON_NS + k * 10 for k in range(100)]
    versions = [some_windows([0] * 100, starts, revision, seed=revision) for revision in range(4)]

    async def publish(store: DuckDBStore) -> Windows:
        for number, version in enumerate(versions):
            part = version if number < 3 else version.take(slice(0, 50))
            await store.write([batch(number + 1, base=part)])
        return await store.windows(0, "base", 0, 2**62, 1000)

    got = with_store(tmp_path, publish)
    want = Windows.concat([versions[3].take(slice(0, 50)), versions[2].take(slice(50, 100))])
    assert_same(got, want)
    assert rows_in(tmp_path, "windows_base") == 150
    assert_same(with_store(tmp_path, lambda store: store.windows(0, "base", 0, 2**62, 1000)), want)


def test_expire_deletes_what_is_older_than_its_cut_off(tmp_path: Path) -> None:
    times = [NOON_NS + k for k in range(10)]
    windows = some_windows([0] * 10, times)
    events = [Event("harbour", "d", at, at, "read", str(at), "{}") for at in times]
    whole = StoreBatch(1, some_readings([0] * 10, times, [1.0] * 10), dict.fromkeys(RESOLUTIONS, windows), events)

    async def keep_some(store: DuckDBStore) -> list[int]:
        await store.write([whole])
        cutoffs = {"readings": 1, "base": 2, "1m": 3, "events": 4}
        await store.expire({what: NOON_NS + after for what, after in cutoffs.items()})
        await store.write([whole])
        kept = [len(await store.windows(0, resolution, 0, 2**62, 100)) for resolution in RESOLUTIONS]
        readings = await store.readings(0, 0, 2**62, 100)
        return [len(readings), *kept, len(await store.events("harbour", None, None, 0, 2**62, 100))]

    assert with_store(tmp_path, keep_some) == [9, 8, 7, 10, 6]


def test_people_find_the_names_of_series_in_the_file(tmp_path: Path) -> None:
    def give(number: int, series: list[int]) -> Any:
        return lambda store: store.write([batch(number, some_readings(series, [NOON_NS] * len(series), [1.0, 2.0]))])

    with_store(tmp_path, give(1, [1, 0]))
    with_store(tmp_path, give(2, [3, 0]))
    with duckdb.connect(str(tmp_path / "history.duckdb")) as file:
        named = file.execute("SELECT series, pilot, device, metric FROM series ORDER BY series").fetchall()
    assert named == [(one, *KEYS[one]) for one in (0, 1, 2, 3)]
