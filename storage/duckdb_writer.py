"""Writing to the embedded history: batches exactly once, retention, and dropping of superseded windows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from storage.duckdb_queries import single_number
from storage.duckdb_schema import EVENTS, READINGS, SINGLES, WINDOWS, quoted
from storage.single_windows import Singles, split
from telemetry.columns import I32, Event, Readings, Windows
from telemetry.errors import StoreRefused
from telemetry.ports import Resolution, StoreBatch
from telemetry.registry import SeriesKey

#: Batches that are remembered; one that is written again from further back is refused.
REMEMBERED_BATCHES: Final = 1_000_000
#: Republished windows of one table after which superseded revisions are dropped from it.
COMPACT_AFTER_ROWS: Final = 200_000

_TIME: Final = {READINGS: "time_ns", EVENTS: "time_ns"} | dict.fromkeys(WINDOWS.values(), "start_ns")
_BESIDE: Final = {WINDOWS[resolution]: table for resolution, table in SINGLES.items()}


@dataclass(slots=True)
class Republished:
    """Windows with a revision above 0 that came since the last compaction: how many, and where."""

    rows: int = 0
    from_ns: int = 2**63 - 1
    to_ns: int = -(2**63)

    def add(self, windows: Windows) -> None:
        """Count the republished rows of `windows`."""
        starts = windows.start_ns[windows.revision > 0]
        if len(starts):
            self.rows += len(starts)
            self.from_ns = min(self.from_ns, int(starts.min()))
            self.to_ns = max(self.to_ns, int(starts.max()))


def batch_mark(batch: StoreBatch) -> int:
    """Fingerprint of a batch, to tell the same batch given again from another one under its number."""
    mark = zlib.crc32(np.ascontiguousarray(batch.readings.time_ns).data)
    for resolution, windows in sorted(batch.windows.items()):
        mark = zlib.crc32(np.ascontiguousarray(windows.start_ns).data, zlib.crc32(resolution.encode(), mark))
    return zlib.crc32(b"".join(event.key.encode() for event in batch.events), mark)


class BatchWriter:
    """Puts batches into the file. Belongs to one thread; every method takes the cursor that it works with."""

    def __init__(self) -> None:
        self.republished = {resolution: Republished() for resolution in WINDOWS}
        self._newest: int | None = None
        self._named: int | None = None

    def forget(self) -> None:
        """Drop what is remembered of the file; it is read again, because nobody knows how a failed commit ended."""
        self._newest = self._named = None

    def write(
        self, cursor: duckdb.DuckDBPyConnection, batches: list[StoreBatch], names: Mapping[int, SeriesKey]
    ) -> None:
        """Append the batches that are not there yet, in one transaction; `names` covers their series."""
        cursor.execute("BEGIN")
        fresh = self._not_applied(cursor, batches)
        if not fresh:
            cursor.execute("ROLLBACK")
            return
        self._append_readings(cursor, fresh)
        for resolution in WINDOWS:
            self._append_windows(cursor, fresh, resolution)
        self._append_events(cursor, [event for batch in fresh for event in batch.events])
        self._append_names(cursor, names)
        marks = ", ".join(f"({batch.number:d}, {batch_mark(batch):d})" for batch in fresh)
        cursor.execute(f"INSERT INTO applied VALUES {marks}")
        cursor.execute("COMMIT")
        self._newest = max(self._newest or 0, *(batch.number for batch in fresh))

    def _not_applied(self, cursor: duckdb.DuckDBPyConnection, batches: list[StoreBatch]) -> list[StoreBatch]:
        if self._newest is None:
            self._newest = single_number(cursor, "SELECT coalesce(max(number), -1) FROM applied")
        if all(batch.number > self._newest for batch in batches):
            known: dict[int, int] = {}
        else:
            known = self._known(cursor, [batch.number for batch in batches])
        fresh: dict[int, StoreBatch] = {}
        for batch in batches:
            self._check_same(batch, known.get(batch.number))
            if batch.number not in known:
                fresh.setdefault(batch.number, batch)
        return list(fresh.values())

    def _known(self, cursor: duckdb.DuckDBPyConnection, numbers: list[int]) -> dict[int, int]:
        oldest, newest = min(numbers), max(numbers)
        if self._newest is not None and oldest <= self._newest - REMEMBERED_BATCHES:
            raise StoreRefused(
                f"batch {oldest} is far behind batch {self._newest}, the newest in the history: the operational "
                "database is older than the history; put the one that belongs to it in place, or move the history away"
            )
        rows = cursor.execute("SELECT number, mark FROM applied WHERE number BETWEEN ? AND ?", [oldest, newest])
        return dict(rows.fetchall())

    @staticmethod
    def _check_same(batch: StoreBatch, mark: int | None) -> None:
        if mark is not None and mark != batch_mark(batch):
            raise StoreRefused(
                f"batch {batch.number} is in the history with other content: the operational database is not the one "
                "that this history belongs to; put that one in place, or move the history away"
            )

    @staticmethod
    def _append_readings(cursor: duckdb.DuckDBPyConnection, batches: list[StoreBatch]) -> None:
        readings = Readings.concat([batch.readings for batch in batches])
        readings = readings.take(_clustered(readings.series))
        _append(cursor, READINGS, quoted(Readings), readings.as_dict())

    def _append_windows(
        self, cursor: duckdb.DuckDBPyConnection, batches: list[StoreBatch], resolution: Resolution
    ) -> None:
        parts = [(batch.number, batch.windows[resolution]) for batch in batches if resolution in batch.windows]
        if not parts:
            return
        if resolution not in SINGLES:
            _append_numbered(cursor, WINDOWS[resolution], parts)
            for _, part in parts:
                self.republished[resolution].add(part)
            return
        halves = [(number, *split(part)) for number, part in parts]
        _append_numbered(cursor, WINDOWS[resolution], [(number, several) for number, several, _ in halves])
        _append_numbered(cursor, SINGLES[resolution], [(number, singles) for number, _, singles in halves])
        for _, several, _ in halves:
            self.republished[resolution].add(several)

    @staticmethod
    def _append_events(cursor: duckdb.DuckDBPyConnection, events: list[Event]) -> None:
        if events:
            fields = {name: [getattr(event, name) for event in events] for name in Event.__slots__}
            _append(cursor, EVENTS, ", ".join(fields), {name: _array(values) for name, values in fields.items()})

    def _append_names(self, cursor: duckdb.DuckDBPyConnection, names: Mapping[int, SeriesKey]) -> None:
        if self._named is None:
            self._named = single_number(cursor, "SELECT coalesce(max(series), -1) FROM series")
        new = [(series, *key) for series, key in names.items() if series > self._named]
        if new:
            fields = dict(zip(("series", *SeriesKey._fields), zip(*new, strict=True), strict=True))
            _append(cursor, "series", ", ".join(fields), {name: _array(values) for name, values in fields.items()})

    def expire(self, cursor: duckdb.DuckDBPyConnection, cutoffs_ns: Mapping[str, int]) -> None:
        """Delete what is older than the cut-off of its table, and the memory of batches of long ago."""
        for table, cutoff_ns in cutoffs_ns.items():
            for part in (table, _BESIDE.get(table)):
                if part:
                    cursor.execute(f"DELETE FROM {part} WHERE {_TIME[table]} < ?", [cutoff_ns])
        cursor.execute(
            "DELETE FROM applied WHERE number <= (SELECT max(number) FROM applied) - ?", [REMEMBERED_BATCHES]
        )

    def compact(self, cursor: duckdb.DuckDBPyConnection, resolution: Resolution) -> int:
        """Delete superseded revisions where windows were republished; gives how many. A crash undoes it whole."""
        span, self.republished[resolution] = self.republished[resolution], Republished()
        table = WINDOWS[resolution]
        return single_number(
            cursor,
            f"DELETE FROM {table} AS old USING ("
            f"  SELECT series, start_ns, max((batch, revision)) AS newest FROM {table}"
            "   WHERE revision > 0 AND start_ns BETWEEN $from_ns AND $to_ns GROUP BY series, start_ns) AS kept"
            " WHERE old.series = kept.series AND old.start_ns = kept.start_ns"
            "  AND old.start_ns BETWEEN $from_ns AND $to_ns AND (old.batch, old.revision) < kept.newest",
            {"from_ns": span.from_ns, "to_ns": span.to_ns},
        )


def _clustered(series: I32) -> npt.NDArray[np.intp]:
    """Order that puts the rows of a series side by side, so that a query unpacks few blocks of 2,048 rows."""
    return np.argsort(series, kind="stable")


def _append_numbered(
    cursor: duckdb.DuckDBPyConnection, table: str, parts: Sequence[tuple[int, Windows | Singles]]
) -> None:
    """Append rows with the number of their batch, clustered."""
    names = list(parts[0][1].DTYPES)
    columns = {name: np.concatenate([getattr(rows, name) for _, rows in parts]) for name in names}
    columns["batch"] = np.repeat(np.array([number for number, _ in parts]), [len(rows) for _, rows in parts])
    order = _clustered(columns["series"])
    listed = ", ".join(f'"{name}"' for name in columns)
    _append(cursor, table, listed, {name: column[order] for name, column in columns.items()})


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    return np.array(values, dtype=object if isinstance(values[0], str) else np.int64)


def _append(cursor: duckdb.DuckDBPyConnection, table: str, columns: str, incoming: Mapping[str, Any]) -> None:
    """Insert numpy columns. DuckDB finds `incoming` by its name in this function; registering it costs 1 ms more."""
    if len(next(iter(incoming.values()))):
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming")
