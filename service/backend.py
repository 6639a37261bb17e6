"""What the API shows of a worker in the same process (see `api.backend.Backend`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from api.backend import Check, Connection, Latest, LedgerView, QuarantineRow
from api.live import Hub
from api.sessions import SessionBook
from processing.pilot import Pilot
from service.worker import Worker
from storage.operational_reader import KeptAside, LedgerRow, OperationalReader
from storage.tokens import TokenBook
from telemetry.ports import Store
from telemetry.reasons import NO_PILOT
from telemetry.registry import SeriesTable

log = structlog.get_logger("service.backend")


class WorkerBackend:
    """Answers from the worker's memory, from the store, and from read-only looks into the operational database."""

    def __init__(
        self, worker: Worker, data: Path, hub: Hub, metrics: CollectorRegistry, health: Callable[[], Sequence[Check]]
    ) -> None:
        self._worker = worker
        self._reader = OperationalReader(worker.operational.path)
        self._health = health
        self.tokens = TokenBook(data / "access.sqlite")
        self.sessions = SessionBook(data / "access.sqlite")
        self.hub = hub
        self.metrics = metrics

    def close(self) -> None:
        """Close what this opened."""
        self.tokens.close()
        self.sessions.shut()

    @property
    def pilots(self) -> Mapping[str, Pilot]:
        """Every pilot that runs, by id."""
        return self._worker.book.pilots

    @property
    def store(self) -> Store:
        """Where history is read."""
        return self._worker.store

    @property
    def series(self) -> SeriesTable:
        """Names and ids of series."""
        return self._worker.book.table

    def clock_ns(self) -> int:
        """Server time, ns since 1970."""
        return time.time_ns()

    def latest(self, series: Sequence[int]) -> list[Latest | None]:
        """Newest reading of each series."""
        rows = self._worker.book.latest.rows.take(list(series))
        columns = (rows.time_ns, rows.value, rows.flag, rows.reasons, rows.received_ns)
        found = zip(*(column.tolist() for column in columns), strict=True)
        return [Latest(*row) if row[0] else None for row in found]

    def devices(self, pilot: str) -> Sequence[str]:
        """Declared devices, then accepted ones."""
        declared = self.pilots[pilot].devices
        accepted = self._worker.book.registry.pilots[pilot].devices.keys() - declared.keys()
        return [*sorted(declared), *sorted(accepted)]

    def connection(self, pilot: str, device: str) -> Connection:
        """What status topic and data say of a device."""
        status = self._worker.statuses.get((pilot, device))
        entry = self._worker.book.registry.pilots[pilot].devices.get(device)
        series = list(entry.metrics.values()) if entry else []
        seen = int(self._worker.book.latest.rows.received_ns[series].max(initial=0)) if series else 0
        if status is None:
            return Connection(last_seen_ns=seen or None)
        word = "online" if status[0] == "online" else "offline"
        return Connection(word, status[1], max(seen, status[1]))  # type: ignore[arg-type]

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
        """Send a row through ingest again."""
        log.info("requeued from quarantine", row=row_id, by=by)
        return await self._worker.take_requeued(row_id)

    async def drop(self, row_id: int, by: str) -> bool:
        """Throw a row away."""
        log.info("dropped from quarantine", row=row_id, by=by)
        return await self._worker.on_disk(lambda: self._worker.operational.drop(row_id))

    def health(self) -> Sequence[Check]:
        """Every check of readiness."""
        return self._health()


def ledger_view(row: LedgerRow) -> LedgerView:
    """The ledger as the API shows it."""
    return LedgerView(
        received=row.received,
        stored=row.stored,
        duplicate=row.duplicate,
        quarantined=sum(row.quarantined.values()),
        rejected=sum(row.rejected.values()),
        pending=row.pending,
        sequence_gaps=row.sequence_gaps,
        quarantined_by_reason=row.quarantined,
        rejected_by_reason=row.rejected,
    )


def quarantine_view(row: KeptAside) -> QuarantineRow:
    """A row of quarantine as the API shows it."""
    pilot = None if row.pilot == NO_PILOT else row.pilot
    return QuarantineRow(
        row.id, pilot, row.device or None, row.topic, row.reason, row.detail, row.received_ns, row.readings, row.payload
    )
