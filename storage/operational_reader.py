"""Reading the operational database from elsewhere: the ledger and quarantine, for API and shell. Changes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.operational import connect


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The ledger of one pilot, or of all: readings, an undecodable or not yet decoded message counting as one."""

    received: int
    stored: int
    duplicate: int
    pending: int
    quarantined: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    sequence_gaps: int = 0


@dataclass(frozen=True, slots=True)
class KeptAside:
    """One row of quarantine."""

    id: int
    pilot: str
    device: str
    topic: str
    reason: str
    detail: str
    payload: bytes
    readings: int
    received_ns: int


_COLUMNS = "id, pilot, device, topic, reason, detail, payload, readings, received_ns"


class OperationalReader:
    """Opens the file read-only for each question, so that it may be asked from any thread or process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        db = connect(self._path)
        try:
            db.execute("PRAGMA query_only=ON")
            db.execute("BEGIN")
            yield db
        finally:
            db.close()

    def ledger(self, pilot: str | None = None) -> LedgerRow:
        """Read the ledger at one instant, of one pilot or of everything that ever came."""
        with self._snapshot() as db:
            rows = db.execute("SELECT pilot, outcome, reason, readings FROM ledger WHERE pilot != ''").fetchall()
            waiting = _waiting(db, pilot)
            gaps = db.execute("SELECT pilot, sum(missing) FROM sequence GROUP BY pilot").fetchall()
        totals: Counter[str] = Counter()
        reasons: dict[str, dict[str, int]] = {"quarantined": {}, "rejected": {}}
        for owner, outcome, reason, readings in rows:
            if pilot in (None, owner):
                totals[outcome] += readings
                if outcome in reasons and readings:
                    reasons[outcome][reason] = reasons[outcome].get(reason, 0) + readings
        unsettled, parked = waiting
        return LedgerRow(
            received=totals["received"] + unsettled,
            stored=totals["stored"],
            duplicate=totals["duplicate"],
            pending=totals["accepted"] - totals["stored"] + unsettled + parked,
            quarantined=reasons["quarantined"],
            rejected=reasons["rejected"],
            sequence_gaps=sum(n for owner, n in gaps if pilot in (None, owner)),
        )

    def quarantine(self, pilot: str | None, reason: str | None, before_id: int | None, limit: int) -> list[KeptAside]:
        """Rows newest first, with an id below `before_id`."""
        with self._snapshot() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM quarantine WHERE (?1 IS NULL OR pilot = ?1) AND (?2 IS NULL OR reason = ?2)"
                " AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4",
                (pilot, reason, before_id, limit),
            ).fetchall()
        return [KeptAside(*row) for row in rows]

    def quarantine_row(self, row_id: int) -> KeptAside | None:
        """One row, None when it is gone."""
        with self._snapshot() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM quarantine WHERE id = ?", (row_id,)).fetchone()
        return KeptAside(*row) if row else None


def _waiting(db: sqlite3.Connection, pilot: str | None) -> tuple[int, int]:
    counts = []
    for table in ("journal", "parked"):
        total = 0
        for (pilots,) in db.execute(f"SELECT pilots FROM {table}"):
            total += sum(n for owner, n in json.loads(pilots).items() if pilot in (None, owner))
        counts.append(total)
    return counts[0], counts[1]
