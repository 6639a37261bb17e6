"""Reading from the embedded history. Every function takes a cursor and gives columns in the order of the port."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt

from storage.duckdb_schema import READINGS, SINGLES, WINDOWS, quoted
from storage.newest import newest_windows
from storage.single_windows import Singles, expand
from telemetry.columns import I32, I64, Columns, Event, Readings, Windows
from telemetry.ports import Resolution

_C = TypeVar("_C", bound=Columns)
#: A series that reports more often than this may make a short query fetch more than its limit before it is refused.
SHORTEST_INTERVAL_NS: Final = 100_000_000
SHORTEST_WINDOW_NS: Final[dict[Resolution, int]] = {"base": 10**9, "1m": 60 * 10**9, "1h": 3600 * 10**9}
_ONE_SERIES: Final = "series = ? AND {time} >= ? AND {time} < ?"


def _columns(kind: type[_C], fetched: dict[str, Any]) -> _C:
    """Bring what DuckDB gives (NULL for NaN, narrow counts) into the types of the column set."""
    plain = {}
    for name, dtype in kind.DTYPES.items():
        column = fetched[name]
        if isinstance(column, np.ma.MaskedArray):
            column = column.filled(np.nan)
        plain[name] = column.astype(dtype, copy=False)
    return kind(**plain)


def single_number(cursor: duckdb.DuckDBPyConnection, query: str, asked: object = None) -> int:
    """Answer a query for one number. Fetches all, because a cursor with an unfinished result does nothing else."""
    [(number,)] = cursor.execute(query, asked).fetchall()
    return int(number)


def readings(cursor: duckdb.DuckDBPyConnection, series: int, from_ns: int, to_ns: int, limit: int) -> Readings | int:
    """Readings of one series by time, or how many there are when more than `limit`."""
    source = f"FROM {READINGS} WHERE {_ONE_SERIES.format(time='time_ns')}"
    asked = [series, from_ns, to_ns]
    if _may_exceed(limit, from_ns, to_ns, SHORTEST_INTERVAL_NS):
        count = single_number(cursor, f"SELECT count(*) {source}", asked)
        if count > limit:
            return count
    rows = _columns(Readings, cursor.execute(f"SELECT {quoted(Readings)} {source}", asked).fetchnumpy())
    return len(rows) if len(rows) > limit else rows.take(np.argsort(rows.time_ns, kind="stable"))


def windows(
    cursor: duckdb.DuckDBPyConnection, series: int, resolution: Resolution, from_ns: int, to_ns: int, limit: int
) -> Windows | int:
    """Newest revisions of one series by start, or how many windows there are when more than `limit`."""
    where = f"WHERE {_ONE_SERIES.format(time='start_ns')}"
    asked = [series, from_ns, to_ns]
    if _may_exceed(limit, from_ns, to_ns, SHORTEST_WINDOW_NS[resolution]):
        tables = [kept[resolution] for kept in (WINDOWS, SINGLES) if resolution in kept]
        starts = " UNION ".join(f"SELECT start_ns FROM {table} {where}" for table in tables)
        count = single_number(cursor, f"SELECT count(DISTINCT start_ns) FROM ({starts})", asked * len(tables))
        if count > limit:
            return count
    several = cursor.execute(
        f'SELECT {quoted(Windows)}, "batch" FROM {WINDOWS[resolution]} {where}', asked
    ).fetchnumpy()
    singles = None
    if resolution in SINGLES:
        selected = f'SELECT {quoted(Singles)}, "batch" FROM {SINGLES[resolution]} {where}'
        singles = cursor.execute(selected, asked).fetchnumpy()
    rows = _whole(several, singles, resolution)
    return len(rows) if len(rows) > limit else rows


def _whole(several: dict[str, Any], singles: dict[str, Any] | None, resolution: Resolution) -> Windows:
    rows = _columns(Windows, several)
    if singles is None:
        return newest_windows(rows, several["batch"])
    alone = expand(_columns(Singles, singles), with_percentiles=resolution == "base")
    return newest_windows(Windows.concat([rows, alone]), np.concatenate([several["batch"], singles["batch"]]))


def _may_exceed(limit: int, from_ns: int, to_ns: int, shortest_ns: int) -> bool:
    """Tell whether to count first. A LIMIT in the query itself costs more than the count: it runs on one thread."""
    return to_ns - from_ns > limit * shortest_ns


def recall_readings(cursor: duckdb.DuckDBPyConnection, series: I32, start_ns: I64, span_ns: int) -> Readings:
    """All readings in the spans [start_ns[i], start_ns[i] + span_ns) of series[i], by series and time."""
    fetched = _recall(cursor, READINGS, "time_ns", quoted(Readings), series, start_ns, span_ns)
    rows = _columns(Readings, fetched)
    return rows.take(np.lexsort((rows.time_ns, rows.series)))


def recall_windows(
    cursor: duckdb.DuckDBPyConnection, series: I32, start_ns: I64, span_ns: int, resolution: Resolution
) -> Windows:
    """Newest revisions of the windows that start in those spans, by series and start."""
    asked = (series, start_ns, span_ns)
    several = _recall(cursor, WINDOWS[resolution], "start_ns", f'{quoted(Windows)}, "batch"', *asked)
    singles = None
    if resolution in SINGLES:
        singles = _recall(cursor, SINGLES[resolution], "start_ns", f'{quoted(Singles)}, "batch"', *asked)
    return _whole(several, singles, resolution)


def _cells(series: I32, start_ns: I64, span_ns: int) -> dict[str, npt.NDArray[Any]]:
    """Cut spans at multiples of their length, so that an equality join finds them: one cell when aligned, else two."""
    pairs = np.unique(np.stack([series.astype(np.int64), start_ns]), axis=1)
    wide, starts = pairs[0], pairs[1]
    split = starts % span_ns != 0
    cell = starts // span_ns
    return {
        "series": np.concatenate([wide, wide[split]]).astype(np.int32),
        "cell": np.concatenate([cell, cell[split] + 1]),
        "start": np.concatenate([starts, starts[split]]),
    }


def _recall(
    cursor: duckdb.DuckDBPyConnection, table: str, time: str, columns: str, series: I32, start_ns: I64, span_ns: int
) -> dict[str, Any]:
    wanted = _cells(series, start_ns, span_ns)  # DuckDB finds it by its name
    if not len(wanted["series"]):
        return cursor.execute(f"SELECT {columns} FROM {table} LIMIT 0").fetchnumpy()
    first, last, least, most = (int(n) for n in (start_ns.min(), start_ns.max(), series.min(), series.max()))
    return cursor.execute(
        f"SELECT {columns} FROM {table} AS kept WHERE {time} >= ? AND {time} < ? AND series BETWEEN ? AND ?"
        " AND EXISTS (SELECT 1 FROM wanted WHERE wanted.series = kept.series"
        f"  AND wanted.cell = kept.{time} // {span_ns}"
        f"  AND kept.{time} >= wanted.start AND kept.{time} < wanted.start + {span_ns})",
        [first, last + span_ns, least, most],
    ).fetchnumpy()


def events(
    cursor: duckdb.DuckDBPyConnection,
    pilot: str,
    device: str | None,
    kind: str | None,
    from_ns: int,
    to_ns: int,
    limit: int,
) -> list[Event]:
    """Events in [from_ns, to_ns) by time, at most `limit`."""
    asked: list[Any] = [pilot, from_ns, to_ns]
    where = "pilot = ? AND time_ns >= ? AND time_ns < ?"
    for column, wanted in (("device", device), ("kind", kind)):
        if wanted is not None:
            where += f" AND {column} = ?"
            asked.append(wanted)
    found = cursor.execute(
        "SELECT pilot, device, time_ns, received_ns, kind, key, body FROM events"
        f" WHERE {where} ORDER BY time_ns, device, kind, key LIMIT {limit:d}",
        asked,
    )
    return [Event(*row) for row in found.fetchall()]
