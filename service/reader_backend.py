"""What an API in a process of its own shows: the store, the shared operational database, live values off the bus."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Gauge

from api.backend import Check, Connection, Latest, LedgerView, QuarantineRow
from api.live import Hub
from api.sessions import SessionBook
from processing.latest import LatestTable
from processing.pilot import Pilot
from service.backend import ledger_view, quarantine_view
from service.bus import LiveReader
from service.data_lock import holder_of
from service.window_feed import WindowFeed
from storage.operational import Operational, connect
from storage.operational_reader import OperationalReader
from storage.operational_view import OperationalView, RequestBook
from storage.tokens import TokenBook
from telemetry.columns import Readings, Windows
from telemetry.errors import RasadError
from telemetry.ports import Resolution, Store
from telemetry.registry import SeriesKey, SeriesTable

log = structlog.get_logger("service.reader_backend")
_LOOK_EVERY_S = 1.0
_PING_EVERY_S = 5.0
#: frames that may wait for series which are not in the database yet (they come with the next settling)
_MOST_EARLY = 200


class SharedSeries:
    """The series that the worker has made, followed as it makes more. The table hands out none itself."""

    def __init__(self, view: OperationalView) -> None:
        self._view = view
        self._found: dict[SeriesKey, int] = {}
        self.table = SeriesTable(view.series(), self._ids_of)

    def _ids_of(self, keys: list[SeriesKey]) -> list[int]:
        return [self._found[key] for key in keys]

    def look(self) -> None:
        """Take what is new in the database."""
        self._found = {key: series for series, key in self._view.series(after=self.table.size - 1)}
        self.table.ids(list(self._found))


class ReaderBackend:
    """See `api.backend.Backend`. `operational.sqlite` is only read, but for quarantine."""

    def __init__(self, pilots: Iterable[Pilot], data: Path, store: Store, shared: SharedSeries, hub: Hub) -> None:
        self._pilots = {pilot.id: pilot for pilot in pilots}
        self._file, self._data = data / "operational.sqlite", data
        self._store, self._shared, self.hub = store, shared, hub
        self._view = OperationalView(self._file)
        self._reader = OperationalReader(self._file)
        self._windows = WindowFeed(hub, shared.table)
        self._latest = LatestTable()
        self._early: list[Readings] = []
        self._statuses: dict[tuple[str, str], tuple[str, int]] = {}
        self._accepted: dict[str, dict[str, list[int]]] = {}
        self._indexed = -1
        self.bus: LiveReader | None = None
        self.trouble = {"store": "not asked yet", "operational database": ""}
        self.tokens = TokenBook(data / "access.sqlite")
        self.sessions = SessionBook(data / "access.sqlite")
        self.metrics = CollectorRegistry()
        Gauge("rasad_bus_connected", "1 while live values come", registry=self.metrics).set_function(
            lambda: int(self.bus is not None and self.bus.connected)
        )
        Gauge("rasad_bus_frames", "Frames taken off the bus", registry=self.metrics).set_function(
            lambda: self.bus.frames if self.bus else 0
        )

    def close(self) -> None:
        """Close what this opened."""
        self.tokens.close()
        self.sessions.shut()
        self._view.close()

    # --- live

    def take(self, latest: Readings, windows: Mapping[Resolution, Windows]) -> None:
        """Take a frame of the bus. KeyError for windows of series that nobody knows yet."""
        if len(latest):
            known = latest.series < self._shared.table.size
            if not known.all():
                self._early = [*self._early, latest.take(~known)][-_MOST_EARLY:]
            self._show(latest.take(known))
        self._windows.publish_windows(windows)

    def _show(self, rows: Readings) -> None:
        self._latest.grow(self._shared.table.size)
        order = np.lexsort((rows.time_ns, rows.series))
        self.hub.changed(self._latest.update(rows.take(order)))

    async def follow(self) -> None:
        """Follow the operational database until cancelled."""
        seen = -1
        while True:
            try:
                changed = self._view.changed()
                if changed != seen:
                    self._look()
                    seen = changed
                self.trouble["operational database"] = ""
            except sqlite3.Error as error:
                self.trouble["operational database"] = f"{self._file} cannot be read: {error}"
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self) -> None:
        self._shared.look()
        self._statuses = self._view.statuses()
        early, self._early = self._early, []
        for rows in early:
            self.take(rows, {})

    async def watch_store(self) -> None:
        """Ask the store how it is until cancelled."""
        while True:
            try:
                await self._store.ping()
                self.trouble["store"] = ""
            except RasadError as error:
                self.trouble["store"] = str(error)
            await asyncio.sleep(_PING_EVERY_S)

    # --- what the API asks

    @property
    def pilots(self) -> Mapping[str, Pilot]:
        """Every pilot that runs, by id."""
        return self._pilots

    @property
    def store(self) -> Store:
        """Where history is read."""
        return self._store

    @property
    def series(self) -> SeriesTable:
        """Names and ids of series."""
        return self._shared.table

    def clock_ns(self) -> int:
        """Server time, ns since 1970."""
        return time.time_ns()

    def latest(self, series: Sequence[int]) -> list[Latest | None]:
        """Newest reading of each series, as far as the bus has told."""
        self._latest.grow(self._shared.table.size)
        rows = self._latest.rows.take(list(series))
        columns = (rows.time_ns, rows.value, rows.flag, rows.reasons, rows.received_ns)
        found = zip(*(column.tolist() for column in columns), strict=True)
        return [Latest(*row) if row[0] else None for row in found]

    def devices(self, pilot: str) -> Sequence[str]:
        """Declared devices, then accepted ones."""
        declared = self._pilots[pilot].devices
        return [*sorted(declared), *sorted(self._series_of(pilot).keys() - declared.keys())]

    def _series_of(self, pilot: str) -> dict[str, list[int]]:
        if self._indexed != self._shared.table.size:
            self._accepted = {}
            for series, key in self._shared.table.items():
                self._accepted.setdefault(key.pilot, {}).setdefault(key.device, []).append(series)
            self._indexed = self._shared.table.size
        return self._accepted.get(pilot, {})

    def connection(self, pilot: str, device: str) -> Connection:
        """What status topic and data say of a device."""
        self._latest.grow(self._shared.table.size)
        status, series = self._statuses.get((pilot, device)), self._series_of(pilot).get(device, [])
        seen = int(self._latest.rows.received_ns[series].max(initial=0)) if series else 0
        if status is None:
            return Connection(last_seen_ns=seen or None)
        return Connection("online" if status[0] == "online" else "offline", status[1], max(seen, status[1]))

    async def ledger(self, pilot: str | None) -> LedgerView:
        """The ledger at one instant."""
        return ledger_view(await asyncio.to_thread(self._reader.ledger, pilot))

    async def quarantine(
        self, pilot: str | None, reason: str | None, before_id: int | None, limit: int
    ) -> list[QuarantineRow]:
        """Rows of quarantine, newest first."""
        rows = await asyncio.to_thread(self._reader.quarantine, pilot, reason, before_id, limit)
        return [quarantine_view(row) for row in rows]

    async def quarantine_row(self, row_id: int) -> QuarantineRow | None:
        """One row of quarantine."""
        row = await asyncio.to_thread(self._reader.quarantine_row, row_id)
        return quarantine_view(row) if row else None

    async def requeue(self, row_id: int, by: str) -> bool:
        """Ask the worker to send a row through ingest again; it looks once a second."""

        def ask() -> bool:
            if self._reader.quarantine_row(row_id) is None:
                return False
            db = connect(self._file)
            try:
                RequestBook(db).ask(row_id, by)
            finally:
                db.close()
            return True

        return await asyncio.to_thread(ask)

    async def drop(self, row_id: int, by: str) -> bool:  # noqa: ARG002 - for the audit
        """Throw a row away."""

        def drop() -> bool:
            operational = Operational(self._file)
            operational.open()
            try:
                return operational.drop(row_id)
            finally:
                operational.close()

        return await asyncio.to_thread(drop)

    def health(self) -> Sequence[Check]:
        """Every check of readiness. Without worker or bus the API still serves history."""
        checks = [Check(name, "failed" if why else "ok", why) for name, why in self.trouble.items()]
        if self.bus is None or not self.bus.connected:
            why = f"not connected: {self.bus.last_error if self.bus else 'starting'}; live values stand still"
            checks.append(Check("bus", "warn", why))
        else:
            checks.append(Check("bus", "ok"))
        if holder_of(self._data) is None:
            checks.append(Check("ingest", "warn", f"no worker runs on {self._data}; start `rasad ingest` there"))
        else:
            checks.append(Check("ingest", "ok"))
        return checks
