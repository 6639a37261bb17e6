"""Readiness, check by check, and the figures for Prometheus: how the parts are, in words and numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.backend import Check
from ingest.group_commit import GroupCommit
from ingest.session import MqttSession
from service.worker import Worker
from storage.operational_reader import OperationalReader
from telemetry.errors import DiskFull


class Vitals(Collector):
    """Looks at the parts of a worker process."""

    def __init__(
        self, worker: Worker, session: MqttSession, journal: GroupCommit, data: Path, min_free_bytes: int
    ) -> None:
        self._worker, self._session, self._journal = worker, session, journal
        self._data = data
        self._min_free = min_free_bytes
        self._reader = OperationalReader(worker.operational.path)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.dropped_by_broker = 0
        self.dropped_count: int | None = None

    def free_bytes(self) -> int:
        """Free disk where the state lives."""
        disk = os.statvfs(self._data)
        return disk.f_bavail * disk.f_frsize

    def reserve_bytes(self) -> int:
        """Free disk below which nothing is acknowledged any more; on small disks at most a twentieth of them."""
        disk = os.statvfs(self._data)
        return min(self._min_free, disk.f_blocks * disk.f_frsize // 20)

    def demand_room(self) -> None:
        """Raise `DiskFull` when the reserve is touched: what is journaled must also be settled and stored."""
        free, reserve = self.free_bytes(), self.reserve_bytes()
        if free < reserve:
            raise DiskFull(
                f"{self._data} has {free >> 10} KiB free and {reserve >> 10} KiB are kept in reserve; make room"
            )

    def checks(self) -> Sequence[Check]:
        """Every check; `failed` means not ready."""
        session, writer = self._session.counters, self._worker.writer
        checks = [
            Check("broker", "ok") if session.connected
            else Check("broker", "failed", f"not connected: {session.last_error or 'connecting'}"),
            self._journal_check(),
        ]  # fmt: skip
        if writer.refused:
            checks.append(Check("store", "failed", writer.away))
        elif writer.away:
            checks.append(Check("store", "warn", f"{writer.away}; {writer.behind} batches wait in the outbox"))
        else:
            checks.append(Check("store", "ok"))
        free, reserve = self.free_bytes(), self.reserve_bytes()
        low = f"{free >> 20} MiB free in {self._data}, {reserve >> 20} MiB are kept in reserve; make room"
        state = "failed" if free < reserve else "warn" if free < 2 * reserve else "ok"
        checks.append(Check("disk", state, "" if state == "ok" else low))  # type: ignore[arg-type]
        if self.dropped_by_broker:
            lost = self.dropped_by_broker
            why = f"the broker has dropped {lost} messages since we watch; raise its max_queued_messages"
            checks.append(Check("broker queue", "warn", why))
        return checks

    def _journal_check(self) -> Check:
        if self._journal.blocked:
            return Check("journal", "failed", self._journal.blocked)
        damage = self._worker.operational.damage
        return Check("journal", "warn", damage) if damage else Check("journal", "ok")

    def collect(self) -> Iterator[Metric]:
        """Figures for Prometheus."""
        worker, session, writer = self._worker, self._session.counters, self._worker.writer
        yield CounterMetricFamily("rasad_mqtt_messages", "Messages taken from the broker", session.messages)
        yield CounterMetricFamily("rasad_mqtt_connects", "Connections made to the broker", session.connects)
        yield CounterMetricFamily("rasad_mqtt_stale_acks", "Acknowledgements that came too late", session.stale_acks)
        yield CounterMetricFamily("rasad_mqtt_bad_packets", "Packets that break the protocol", session.bad_packets)
        yield GaugeMetricFamily("rasad_mqtt_connected", "1 while connected", int(session.connected))
        yield CounterMetricFamily(
            "rasad_broker_dropped_messages", "Messages the broker dropped", self.dropped_by_broker
        )
        watched = int(self.dropped_count is not None)
        yield GaugeMetricFamily("rasad_broker_watched", "1 when the broker says how many it drops", watched)
        yield GaugeMetricFamily("rasad_outbox_batches", "Batches that the store has not taken", writer.behind)
        yield GaugeMetricFamily("rasad_unsettled_readings", "Readings waiting for a settling", worker.backlog_rows)
        yield GaugeMetricFamily("rasad_series", "Series known", worker.book.table.size)
        yield GaugeMetricFamily("rasad_last_settle_seconds", "Duration of the last settling", worker.last_settle_s)
        yield GaugeMetricFamily("rasad_last_store_write_seconds", "Duration of the last write", writer.last_write_s)
        checks = GaugeMetricFamily("rasad_check", "1 ok, 0.5 warn, 0 failed", labels=["name"])
        for check in self.checks():
            checks.add_metric([check.name], {"ok": 1.0, "warn": 0.5, "failed": 0.0}[check.state])
        yield checks
        yield from self._ledger()

    def _ledger(self) -> Iterator[Metric]:
        readings = GaugeMetricFamily("rasad_ledger_readings", "The ledger", labels=["pilot", "outcome", "reason"])
        gaps = GaugeMetricFamily("rasad_sequence_gaps", "Messages lost before us, by seq", labels=["pilot"])
        for pilot in [*self._worker.book.pilots, "_unknown"]:
            row = self._reader.ledger(pilot)
            for outcome in ("received", "stored", "duplicate", "pending"):
                readings.add_metric([pilot, outcome, ""], getattr(row, outcome))
            for outcome, reasons in (("quarantined", row.quarantined), ("rejected", row.rejected)):
                for reason, count in reasons.items():
                    readings.add_metric([pilot, outcome, reason], count)
            gaps.add_metric([pilot], row.sequence_gaps)
        yield readings
        yield gaps
