"""Readings and aggregates as CSV or Parquet, streamed in parts. The CLI's `export` uses it too.

A text cell that a spreadsheet would run (it begins with = + - @, tab or return) gets a leading apostrophe; numbers stay
numbers. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np

from api.times import iso_times
from telemetry.columns import Readings, Windows
from telemetry.errors import RangeTooLarge
from telemetry.flags import reason_names
from telemetry.ports import Resolution, Store
from telemetry.registry import SeriesKey

Format = Literal["csv", "parquet"]
PART_ROWS: Final = 50_000
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")
_NAMES: Final = ("pilot", "device", "metric", "unit")
_TIMES: Final = {"time", "start", "received"}
_WINDOW_NUMBERS: Final = (
    "count", "mean", "min", "max", "sum", "std", "first", "last", "p50", "p95",
    "good", "suspect", "fail", "missing", "revision",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportSeries:
    """A series to export, with the unit that its pilot declares (empty where it declares none)."""

    series: int
    key: SeriesKey
    unit: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of one series."""

    of: ExportSeries
    rows: Readings | Windows


class Writer(Protocol):
    """Turns parts into bytes; `end` gives what closes the file."""

    def write(self, part: Part) -> bytes:
        """Give the bytes of a part."""
        ...

    def end(self) -> bytes:
        """Give the bytes after the last part."""
        ...


def safe_cell(text: str) -> str:
    """Neutralise a text cell that a spreadsheet would run.

    >>> safe_cell("=1+1"), safe_cell("-gate"), safe_cell("gate-1")
    ("'=1+1", "'-gate", 'gate-1')
    """
    return f"'{text}" if text.startswith(_RISKY) else text


def _columns(rows: Readings | Windows) -> dict[str, Any]:
    if isinstance(rows, Readings):
        names = [";".join(reason_names(bits)) for bits in rows.reasons.tolist()]
        return {
            "time": rows.time_ns,
            "value": rows.value,
            "flag": rows.flag,
            "reasons": names,
            "received": rows.received_ns,
        }
    return {"start": rows.start_ns} | {name: getattr(rows, name) for name in _WINDOW_NUMBERS}


class CsvWriter:
    """CSV after RFC 4180, UTF-8, with a header line. A missing number is an empty cell."""

    def __init__(self) -> None:
        self._begun = False

    def write(self, part: Part) -> bytes:
        """Give the lines of a part, after the header when it is the first."""
        text = io.StringIO(newline="")
        lines = csv.writer(text)
        columns = _columns(part.rows)
        if not self._begun:
            lines.writerow([*_NAMES, *columns])
            self._begun = True
        names = [safe_cell(name) for name in (*part.of.key, part.of.unit)]
        cells = [_cells(name, column) for name, column in columns.items()]
        lines.writerows([*names, *row] for row in zip(*cells, strict=True))
        return text.getvalue().encode()

    def end(self) -> bytes:
        """Nothing closes a CSV file."""
        return b""


def _cells(name: str, column: Any) -> list[Any]:
    if isinstance(column, list):
        return [safe_cell(text) for text in column]
    if name in _TIMES:
        return list(iso_times(column).tolist())
    plain = column.tolist()
    return [x if np.isfinite(x) else "" for x in plain] if column.dtype.kind == "f" else plain


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ParquetWriter:
    """Parquet with one row group a part; times are timestamps with zone UTC."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._file: Any = None

    def write(self, part: Part) -> bytes:
        """Give the row group of a part."""
        import pyarrow as pa  # 0.2 s to import, and only exports need it
        import pyarrow.parquet as pq

        table = pa.table(_arrow(pa, part))
        self._file = self._file or pq.ParquetWriter(self._sink, table.schema)
        self._file.write_table(table)
        return self._sink.take()

    def end(self) -> bytes:
        """Give the footer."""
        if self._file is not None:
            self._file.close()
        return self._sink.take()


def _arrow(pa: Any, part: Part) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, text in zip(_NAMES, (*part.of.key, part.of.unit), strict=True):
        columns[name] = pa.array(np.full(len(part.rows), text), pa.string())
    for name, column in _columns(part.rows).items():
        kind = pa.timestamp("ns", tz="UTC") if name in _TIMES else pa.string() if name == "reasons" else None
        columns[name] = pa.array(column, kind, from_pandas=True)
    return columns


WRITERS: Final[dict[Format, tuple[Callable[[], Writer], str]]] = {
    "csv": (CsvWriter, "text/csv; charset=utf-8"),
    "parquet": (ParquetWriter, "application/vnd.apache.parquet"),
}


async def export(
    store: Store,
    wanted: Iterable[ExportSeries],
    resolution: Resolution | None,
    from_ns: int,
    to_ns: int,
    writer: Writer,
) -> AsyncIterator[bytes]:
    """Stream series after series, each by time, encoding in a thread. `resolution` None means readings.

    An export of no rows still is a file of its format: the header alone.
    """
    begun = False
    for one in wanted:
        async for rows in _parts(store, one.series, resolution, from_ns, to_ns):
            begun = True
            yield await asyncio.to_thread(writer.write, Part(one, rows))
    if not begun:
        nothing = Readings.empty() if resolution is None else Windows.empty()
        yield writer.write(Part(ExportSeries(-1, SeriesKey("", "", ""), ""), nothing))
    yield writer.end()


async def _parts(
    store: Store, series: int, resolution: Resolution | None, from_ns: int, to_ns: int
) -> AsyncIterator[Readings | Windows]:
    """Read a range in parts of at most PART_ROWS, halving spans that hold more."""
    spans = [(from_ns, to_ns)]
    while spans:
        low_ns, high_ns = spans.pop()
        try:
            rows = await _read(store, series, resolution, low_ns, high_ns)
        except RangeTooLarge:
            if high_ns - low_ns < 2:
                raise
            middle_ns = low_ns + (high_ns - low_ns) // 2
            spans += [(middle_ns, high_ns), (low_ns, middle_ns)]
        else:
            if len(rows):
                yield rows


async def _read(
    store: Store, series: int, resolution: Resolution | None, low_ns: int, high_ns: int
) -> Readings | Windows:
    if resolution is None:
        return await store.readings(series, low_ns, high_ns, PART_ROWS)
    return await store.windows(series, resolution, low_ns, high_ns, PART_ROWS)


def only(wanted: Iterable[ExportSeries], device: str | None, metric: str | None) -> Iterator[ExportSeries]:
    """Narrow series down by device and metric; None leaves them open."""
    for one in wanted:
        if device in (None, one.key.device) and metric in (None, one.key.metric):
            yield one
