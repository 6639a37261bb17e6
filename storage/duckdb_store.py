"""The embedded store: history in one DuckDB file, written by one thread and read by others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import duckdb

from storage import duckdb_queries as queries
from storage.duckdb_file import DuckDBFile
from storage.duckdb_schema import EVENTS, READINGS, WINDOWS
from storage.duckdb_writer import COMPACT_AFTER_ROWS, BatchWriter
from storage.ranges import too_large
from telemetry.columns import I32, I64, Event, Readings, Windows
from telemetry.ports import Resolution, StoreBatch
from telemetry.registry import SeriesKey, SeriesTable

_P = ParamSpec("_P")
_T = TypeVar("_T")
_TABLES: Final = {READINGS: READINGS, EVENTS: EVENTS} | {
    str(resolution): table for resolution, table in WINDOWS.items()
}
_log = logging.getLogger(__name__)


class DuckDBStore:
    """History in one DuckDB file of this process; see `telemetry.ports.Store`.

    A write is one transaction: when it returns, its batches are on the disk. Queries see whole transactions and wait
    for no write. `memory_limit_mb` bounds DuckDB's buffers, `threads` what one query may use.
    """

    name = "duckdb"

    def __init__(self, path: Path, series: SeriesTable, memory_limit_mb: int = 192, threads: int = 2) -> None:
        self.path = path
        self._series = series
        self._file = DuckDBFile(path, memory_limit_mb, threads)
        self._batches = BatchWriter()
        self._named: int = -1
        self._write_thread = ThreadPoolExecutor(1, "duckdb-write")
        self._read_threads = ThreadPoolExecutor(2, "duckdb-read")

    async def open(self) -> None:
        """Open the file, or make it; `StoreRefused` when another process has it or it is damaged."""
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._file.open)

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._file.close)
        self._write_thread.shutdown()
        self._read_threads.shutdown()

    async def ping(self) -> None:
        """Return when the file can be read and the write thread is free; opens it again after a fault."""
        await self._with_cursor_in(self._write_thread, lambda cursor: cursor.execute("SELECT 1"))

    async def write(self, batches: list[StoreBatch]) -> None:
        """Append the batches that are not there yet, in one transaction."""
        names = self._new_names(batches)
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._write, batches, names)
        self._named = max(self._named, *names, -1)

    def _new_names(self, batches: list[StoreBatch]) -> dict[int, SeriesKey]:
        highest = max((int(batch.readings.series.max()) for batch in batches if len(batch.readings)), default=-1)
        known = dict(self._series.items(self._named + 1)) if highest > self._named else {}
        return {series: known[series] for series in range(self._named + 1, highest + 1) if series in known}

    def _write(self, batches: list[StoreBatch], names: Mapping[int, SeriesKey]) -> None:
        try:
            self._with_cursor(lambda cursor: self._batches.write(cursor, batches, names))
        except BaseException:
            self._batches.forget()
            raise
        for resolution, republished in self._batches.republished.items():
            if republished.rows > COMPACT_AFTER_ROWS:
                self._write_thread.submit(self._compact, resolution)

    def _compact(self, resolution: Resolution) -> None:
        if self._batches.republished[resolution].rows:
            dropped = self._with_cursor(lambda cursor: self._batches.compact(cursor, resolution))
            _log.info("dropped %d superseded windows of %s", dropped, resolution)

    async def expire(self, cutoffs_ns: Mapping[str, int]) -> None:
        """Delete what is older than its cut-off; keys are `readings`, `base`, `1m`, `1h` and `events`."""
        tables = {_TABLES[what]: cutoff_ns for what, cutoff_ns in cutoffs_ns.items()}
        await self._with_cursor_in(self._write_thread, lambda cursor: self._batches.expire(cursor, tables))

    async def readings(self, series: int, from_ns: int, to_ns: int, limit: int) -> Readings:
        """Readings of one series in [from_ns, to_ns) by time; raises `RangeTooLarge` beyond `limit` rows."""
        found = await self._read(queries.readings, series, from_ns, to_ns, limit)
        if isinstance(found, int):
            raise too_large(found, "readings", self._series.key(series), limit)
        return found

    async def windows(self, series: int, resolution: Resolution, from_ns: int, to_ns: int, limit: int) -> Windows:
        """Newest revision of each window of one series that starts in [from_ns, to_ns), by start."""
        found = await self._read(queries.windows, series, resolution, from_ns, to_ns, limit)
        if isinstance(found, int):
            raise too_large(found, f"{resolution} windows", self._series.key(series), limit)
        return found

    async def recall_readings(self, series: I32, start_ns: I64, span_ns: int) -> Readings:
        """All readings in the spans [start_ns[i], start_ns[i] + span_ns) of series[i], by series and time."""
        return await self._read(queries.recall_readings, series, start_ns, span_ns)

    async def recall_windows(self, series: I32, start_ns: I64, span_ns: int, resolution: Resolution) -> Windows:
        """Newest revisions of the windows that start in those spans, by series and start."""
        return await self._read(queries.recall_windows, series, start_ns, span_ns, resolution)

    async def events(
        self, pilot: str, device: str | None, kind: str | None, from_ns: int, to_ns: int, limit: int
    ) -> list[Event]:
        """Events in [from_ns, to_ns) by time, at most `limit`."""
        return await self._read(queries.events, pilot, device, kind, from_ns, to_ns, limit)

    async def _read(
        self, query: Callable[Concatenate[duckdb.DuckDBPyConnection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        return await self._with_cursor_in(self._read_threads, lambda cursor: query(cursor, *args, **kwargs))

    async def _with_cursor_in(self, threads: ThreadPoolExecutor, work: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, self._with_cursor, work)

    def _with_cursor(self, work: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        with self._file.cursor() as cursor:
            return work(cursor)
