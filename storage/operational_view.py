"""A standing look into the operational database from another process: series, statuses, requests to its worker.

Ownership: the worker alone writes journal and outbox. Another process asks it by a row in `requests`, which the worker
carries out and removes; so no message enters the journal behind its back.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

from storage.operational import connect
from telemetry.registry import SeriesKey

_REQUESTS: Final = """CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, quarantine_id INTEGER NOT NULL, asked_by TEXT NOT NULL)"""


class Request(NamedTuple):
    """A row of quarantine that somebody wants sent through ingest again."""

    id: int
    quarantine_id: int
    asked_by: str


class OperationalView:
    """A read-only connection of this process; used by one thread at a time. sqlite3.Error when the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path, read_only=True)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def changed(self) -> int:
        """Give a number that is another one after every commit of another connection; costs no reading."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def series(self, after: int = -1) -> list[tuple[int, SeriesKey]]:
        """Series with an id above `after`."""
        rows = self._db.execute("SELECT id, pilot, device, metric FROM series WHERE id > ? ORDER BY id", (after,))
        return [(row[0], SeriesKey(*row[1:])) for row in rows]

    def statuses(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Last status of each device and since when, ns."""
        rows = self._db.execute("SELECT pilot, device, status, since_ns FROM status")
        return {(pilot, device): (status, since_ns) for pilot, device, status, since_ns in rows}

    def quick_check(self) -> list[str]:
        """SQLite's own look for damage: what is wrong, nothing when all is well."""
        found = [str(row[0]) for row in self._db.execute("PRAGMA quick_check(20)")]
        return [] if found == ["ok"] else found

    def blobs(self, table: str) -> sqlite3.Cursor:
        """Checksum and bytes of each row of `journal` or `outbox`: (id, crc, blob)."""
        names = {"journal": "seq", "outbox": "number"}
        return self._db.execute(f"SELECT {names[table]}, crc, blob FROM {table}")


class RequestBook:
    """Requests to the worker: asked from anywhere, carried out by the worker. Each call is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute(_REQUESTS)

    def ask(self, quarantine_id: int, asked_by: str) -> None:
        """Ask for a row of quarantine to go through ingest again."""
        self._db.execute("INSERT INTO requests (quarantine_id, asked_by) VALUES (?, ?)", (quarantine_id, asked_by))

    def open(self) -> list[Request]:
        """Requests that wait, oldest first."""
        rows = self._db.execute("SELECT id, quarantine_id, asked_by FROM requests ORDER BY id LIMIT 1000")
        return [Request(*row) for row in rows]

    def done(self, request: Request) -> None:
        """Remove a request that was carried out."""
        self._db.execute("DELETE FROM requests WHERE id = ?", (request.id,))
