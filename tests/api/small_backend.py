"""A small backend that is real all the way down: DuckDB for history, SQLite for quarantine and tokens, no pipeline."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Gauge

from api.backend import Check, Connection, Latest, LedgerView, QuarantineRow
from api.live import Hub
from api.sessions import SessionBook
from processing.latest import LatestTable
from processing.pilot import Pilot
from processing.signals import pilot_from_toml
from processing.windows import aggregate, merge
from storage.duckdb_store import DuckDBStore
from storage.tokens import TokenBook
from telemetry.columns import Event, Readings, Windows
from telemetry.ports import Resolution, StoreBatch
from telemetry.registry import SeriesKey, SeriesTable

_LONGER: dict[Resolution, int] = {"1m": 60 * 10**9, "1h": 3_600 * 10**9}
HARBOUR = Path(__file__).with_name("harbour.toml")
DISTRICT = Path(__file__).with_name("district.toml")


class SmallBackend:
    """Implements `api.backend.Backend`; tests put readings in with `put` and the rest by attribute."""

    def __init__(self, folder: Path) -> None:
        self.now_ns: int | None = None
        pilots = [pilot_from_toml(file.read_text(), file.name) for file in (HARBOUR, DISTRICT)]
        self.pilots: dict[str, Pilot] = {pilot.id: pilot for pilot in pilots}
        self.series = SeriesTable([], self._allocate)
        self.store = DuckDBStore(folder / "history.duckdb", self.series)
        self.tokens = TokenBook(folder / "access.sqlite3")
        self.sessions = SessionBook(folder / "access.sqlite3")
        self.hub = Hub(epoch=self.clock_ns() // 1_000_000, ring=50, waiting=200)
        self.metrics = CollectorRegistry()
        Gauge("rasad_series", "series known", registry=self.metrics).set_function(lambda: self.series.size)
        self.connections: dict[tuple[str, str], Connection] = {}
        self.accepted: dict[str, list[str]] = {}
        self.checks = [Check("store", "ok"), Check("journal", "ok")]
        self._table = LatestTable()
        self._batches = 0
        self._stored: Counter[str] = Counter()
        self._db = sqlite3.connect(folder / "quarantine.sqlite3", check_same_thread=False)
        self._db.execute(
            "CREATE TABLE quarantine (id INTEGER PRIMARY KEY, pilot TEXT, device TEXT, topic TEXT, reason TEXT,"
            " detail TEXT, received_ns INTEGER, readings INTEGER, payload BLOB)"
        )
        self.requeued: list[tuple[int, str]] = []

    def _allocate(self, keys: list[SeriesKey]) -> list[int]:
        return list(range(self.series.size, self.series.size + len(keys)))

    def clock_ns(self) -> int:
        return self.now_ns if self.now_ns is not None else time.time_ns()

    async def put(
        self,
        key: tuple[str, str, str],
        time_ns: Sequence[int],
        value: Sequence[float],
        flag: Sequence[int] | None = None,
        reasons: Sequence[int] | None = None,
    ) -> int:
        """Store readings of one series with their windows, as the worker would, and publish them."""
        [series] = self.series.ids([SeriesKey(*key)])
        n = len(time_ns)
        readings = Readings(
            np.full(n, series, np.int32), np.array(time_ns, np.int64), np.array(value, np.float64),
            np.array(flag or [1] * n, np.uint8), np.array(reasons or [0] * n, np.uint16),
            np.array([t + 250_000_000 for t in time_ns], np.int64),
        )  # fmt: skip
        base_ns = self.pilots[key[0]].base_window_ns
        base = aggregate(readings, readings.time_ns - readings.time_ns % base_ns)
        windows: dict[Resolution, Windows] = {"base": base}
        for resolution, span_ns in _LONGER.items():
            windows[resolution] = merge(base, base.start_ns - base.start_ns % span_ns)
        self._batches += 1
        await self.store.write([StoreBatch(self._batches, readings, windows)])
        self._stored[key[0]] += n
        self._table.grow(self.series.size)
        self.hub.changed(self._table.update(readings))
        return series

    async def put_event(self, event: Event) -> None:
        self._batches += 1
        await self.store.write([StoreBatch(self._batches, events=[event])])

    def hold(self, row: QuarantineRow) -> None:
        """Put a row into quarantine."""
        values = (
            row.id,
            row.pilot,
            row.device,
            row.topic,
            row.reason,
            row.detail,
            row.received_ns,
            row.readings,
            row.payload,
        )
        with self._db:
            self._db.execute("INSERT INTO quarantine VALUES (?,?,?,?,?,?,?,?,?)", values)

    def latest(self, series: Sequence[int]) -> list[Latest | None]:
        rows = self._table.rows
        found: list[Latest | None] = []
        for one in series:
            seen = one < len(rows) and rows.time_ns[one] != 0
            found.append(
                Latest(
                    int(rows.time_ns[one]),
                    float(rows.value[one]),
                    int(rows.flag[one]),
                    int(rows.reasons[one]),
                    int(rows.received_ns[one]),
                )
                if seen
                else None
            )
        return found

    def devices(self, pilot: str) -> list[str]:
        return [*sorted(self.pilots[pilot].devices), *sorted(self.accepted.get(pilot, []))]

    def connection(self, pilot: str, device: str) -> Connection:
        return self.connections.get((pilot, device), Connection())

    async def ledger(self, pilot: str | None) -> LedgerView:
        held = self._db.execute(
            "SELECT reason, sum(readings) FROM quarantine WHERE ?1 IS NULL OR pilot = ?1 GROUP BY reason", (pilot,)
        ).fetchall()
        reasons = {reason: int(n) for reason, n in held}
        stored = self._stored.total() if pilot is None else self._stored[pilot]
        view = LedgerView(stored=stored, quarantined=sum(reasons.values()), quarantined_by_reason=reasons)
        return replace(view, received=stored + view.quarantined)

    async def quarantine(
        self, pilot: str | None, reason: str | None, before_id: int | None, limit: int
    ) -> list[QuarantineRow]:
        rows = self._db.execute(
            "SELECT * FROM quarantine WHERE (?1 IS NULL OR pilot = ?1) AND (?2 IS NULL OR reason = ?2)"
            " AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4",
            (pilot, reason, before_id, limit),
        )
        return [QuarantineRow(*row) for row in rows]

    async def quarantine_row(self, row_id: int) -> QuarantineRow | None:
        row = self._db.execute("SELECT * FROM quarantine WHERE id = ?", (row_id,)).fetchone()
        return QuarantineRow(*row) if row else None

    async def requeue(self, row_id: int, by: str) -> bool:
        self.requeued.append((row_id, by))
        return await self.drop(row_id, by)

    async def drop(self, row_id: int, by: str) -> bool:
        with self._db:
            return self._db.execute("DELETE FROM quarantine WHERE id = ?", (row_id,)).rowcount > 0

    def health(self) -> list[Check]:
        return self.checks

    async def close(self) -> None:
        await self.store.close()
        self.tokens.close()
        self.sessions.shut()
        self._db.close()
