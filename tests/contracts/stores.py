"""Every store under the contract, and batches to give them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from storage.duckdb_store import DuckDBStore
from storage.influx_store import InfluxStore
from telemetry.columns import Columns, Readings, Windows
from telemetry.ports import Store, StoreBatch
from telemetry.registry import SeriesKey, SeriesTable
from tests.servers.influx import given_influxdb, influxdb

_T = TypeVar("_T")
_C = TypeVar("_C", bound=Columns)

#: Names at the edges of what is allowed: dots, dashes, a leading digit, 64 characters, words of SQL.
KEYS = [
    SeriesKey("harbour", "speed_6005", "speed"),
    SeriesKey("harbour", "speed-6005", "speed"),
    SeriesKey("a.b", "..", "select"),
    SeriesKey("0", "9-._", "time"),
    SeriesKey("x" * 64, "y" * 64, "z" * 64),
    SeriesKey("harbour", "SPEED_6005", "value"),
]
DAY_NS = 86_400 * 10**9
#: A day in the past, at midnight; contract data lies around it.
NOON_NS = 1_790_000_000 * 10**9 // DAY_NS * DAY_NS


def series_table() -> SeriesTable:
    """Series 0 to 5 with the names of `KEYS`."""
    return SeriesTable(enumerate(KEYS), lambda new: [-1] * len(new))


class Opened(Protocol):
    """A store that is open, on a loop of its own."""

    store: Store

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run one call to its end."""

    def reopen(self) -> None:
        """Close the store and open it anew on the same data."""


class _OpenStore:
    def __init__(self, make: Callable[[], Store]) -> None:
        self._make, self._runner = make, asyncio.Runner()
        self.store = make()
        self.run(self.store.open())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(work)

    def reopen(self) -> None:
        self.run(self.store.close())
        self.store = self._make()
        self.run(self.store.open())

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()


class StoreSource:
    """Makes empty stores of one kind; the server behind them, if there is one, starts once."""

    def __init__(self, kind: str, folder: Path, exits: ExitStack) -> None:
        self.kind, self._folder = kind, folder
        self._numbers = itertools.count()
        given = given_influxdb()
        if kind == "influxdb-1.6":
            self._url, self._token, self._org = exits.enter_context(influxdb()).url, None, None
        elif kind == "influxdb-given" and given is not None:
            self._url, self._token, self._org = given.url, given.token, given.org

    @contextmanager
    def empty(self) -> Iterator[_OpenStore]:
        """Open an empty store and close it at the end."""
        name = f"rasad_{uuid.uuid4().hex}"
        path = self._folder / f"{next(self._numbers)}.duckdb"

        def make() -> Store:
            if self.kind == "duckdb":
                return DuckDBStore(path, series_table())
            return InfluxStore(self._url, series_table(), database=name, token=self._token, org=self._org)

        opened = _OpenStore(make)
        try:
            yield opened
        finally:
            opened.close()


def store_kinds() -> list[str]:
    """Kinds of stores that this machine can run."""
    return ["duckdb", "influxdb-1.6"] + (["influxdb-given"] if given_influxdb() else [])


def some_readings(series: list[int], time_ns: list[int], value: list[float]) -> Readings:
    """Readings with flags and reasons that differ by row."""
    rows = np.arange(len(series))
    return Readings(
        series=np.array(series, dtype=np.int32),
        time_ns=np.array(time_ns, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        flag=np.where(np.isnan(value), 9, np.array([1, 2, 3, 4], dtype=np.uint8)[rows % 4]).astype(np.uint8),
        reasons=(rows * 37 % 65536).astype(np.uint16),
        received_ns=np.array(time_ns, dtype=np.int64) + 1_234_567 + rows,
    )


def some_windows(series: list[int], start_ns: list[int], revision: int = 0, seed: int = 1) -> Windows:
    """Windows whose every column differs; every third has no usable reading."""
    rows, draw = len(series), np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name, dtype in Windows.DTYPES.items():
        if dtype is np.float64:
            columns[name] = draw.normal(scale=1e3, size=rows)
        else:
            columns[name] = draw.integers(1, 2_000_000_000, rows).astype(dtype)
    columns |= {
        "series": np.array(series, dtype=np.int32),
        "start_ns": np.array(start_ns, dtype=np.int64),
        "first_ns": np.array(start_ns, dtype=np.int64) + 17,
        "last_ns": np.array(start_ns, dtype=np.int64) + 9_876_543_210,
        "revision": np.full(rows, revision, dtype=np.int32),
    }
    unusable = np.arange(rows) % 3 == 2
    columns["count"][unusable] = 0
    for name in ("mean", "min", "max", "sum", "m2", "first", "last", "p50", "p95"):
        columns[name][unusable] = np.nan
    return Windows(**columns)


def batch(number: int, readings: Readings | None = None, **windows: Windows) -> StoreBatch:
    """A batch; windows are given as base=, m1=, h1=."""
    names: dict[str, Any] = {"base": "base", "m1": "1m", "h1": "1h"}
    given = {names[name]: part for name, part in windows.items()}
    return StoreBatch(number, Readings.empty() if readings is None else readings, given)


def assert_same(got: _C, want: _C) -> None:
    """Compare column by column, bit by bit: every NaN is one NaN, 0.0 is not -0.0, and types count."""
    for name, dtype in want.DTYPES.items():
        left, right = getattr(got, name), getattr(want, name)
        assert left.dtype == np.dtype(dtype), f"{name} is {left.dtype}, not {np.dtype(dtype)}"
        if dtype is np.float64:
            left, right = (np.where(np.isnan(column), np.nan, column) for column in (left, right))
        assert left.tobytes() == right.tobytes(), f"{name}: {left.tolist()[:10]} is not {right.tolist()[:10]}"
