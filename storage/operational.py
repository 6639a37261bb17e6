"""The operational database: journal, outbox, checkpoint, ledger, quarantine, event keys, statuses in one SQLite file.

What is fsynced when: every method that writes is one transaction, and `synchronous=FULL` in WAL mode fsyncs the WAL
before COMMIT returns. So a journaled group is on disk when `append_group` returns (only then is it acknowledged), and
all effects of a settling (outbox, ledger, quarantine, journal clean-up) are on disk together when `commit` returns.
One connection, used by one thread at a time; readers elsewhere open their own.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from storage.operational_schema import SCHEMA, SCHEMA_VERSION
from storage.outbox_codec import pack_batch, unpack_batch
from storage.wal_check import wal_damage
from telemetry.errors import DiskFull, RasadError, StoreRefused
from telemetry.ports import StoreBatch
from telemetry.reasons import Aside, Refused, Rejected
from telemetry.registry import SeriesKey

Counts = dict[str, int]


@dataclass(slots=True)
class Settled:
    """All effects of one settling, committed together. Counts are readings by pilot."""

    batch: StoreBatch
    journal_upto: int
    received: Counts = field(default_factory=dict)
    accepted: Counts = field(default_factory=dict)
    duplicate: Counts = field(default_factory=dict)
    parked: tuple[bytes, Counts] | None = None
    clear_parked: list[int] = field(default_factory=list)
    quarantine: list[Aside] = field(default_factory=list)
    rejected: list[Refused] = field(default_factory=list)
    event_keys: list[tuple[str, str, str, bytes, int]] = field(default_factory=list)
    statuses: list[tuple[str, str, str, int]] = field(default_factory=list)
    new_series: list[tuple[int, SeriesKey]] = field(default_factory=list)
    sequences: list[tuple[str, str, int, bytes, int]] = field(default_factory=list)
    checkpoint: bytes | None = None


class Operational:
    """The writing side. Raises `DiskFull` when there is no room or the disk fails; nothing is half done then."""

    def __init__(self, path: Path, quarantine_max_bytes: int = 256 * 2**20) -> None:
        self.path = path
        self._max_quarantine = quarantine_max_bytes
        self._db: sqlite3.Connection | None = None
        self.damage = ""

    def open(self) -> None:
        """Open or create the file; StoreRefused when it is damaged or of another version.

        `damage` says what of the log could not be read back; SQLite itself passes over it in silence.
        """
        damage = wal_damage(self.path.with_name(self.path.name + "-wal"))
        if damage is not None and damage.lost_commits:
            self.damage = (
                f"{damage.lost_commits} commits ({damage.lost_bytes} bytes) of {self.path}-wal are damaged on disk and "
                "lost; check the drive, and look for gaps in the ledger"
            )
        try:
            db = connect(self.path)
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(SCHEMA)
            version = db.execute("SELECT value FROM meta WHERE key='schema'").fetchone()
        except sqlite3.DatabaseError as error:
            raise _fault(error, f"{self.path} cannot be used") from error
        if version is None:
            db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        elif int(version[0]) != SCHEMA_VERSION:
            raise StoreRefused(
                f"{self.path} has schema {version[0]}, this Rasad writes {SCHEMA_VERSION}; use the matching version"
            )
        self._db = db

    @property
    def db(self) -> sqlite3.Connection:
        """The open connection."""
        if self._db is None:
            raise RasadError("the operational database is not open")
        return self._db

    def close(self) -> None:
        """Close; a later process needs no recovery."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, fsynced at its end; rolled back, with `DiskFull`, when the disk does not take it."""
        db = self.db
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except BaseException as error:
            if db.in_transaction:
                with contextlib.suppress(sqlite3.DatabaseError):  # SQLite may have rolled back by itself
                    db.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError):
                raise _fault(error, f"{self.path} cannot be written") from error
            raise

    # --- journal

    def append_group(self, blob: bytes, pilots: Counts) -> int:
        """Journal a group of messages; returns its number once it is on disk. `pilots` counts its messages."""
        with self.transaction() as db:
            return _journal(db, blob, pilots)

    def journaled(self, after: int = 0, limit: int = 64) -> list[tuple[int, bytes]]:
        """Groups that are not settled yet, in order: (number, blob). Damaged ones come with an empty blob."""
        rows = self.db.execute("SELECT seq, crc, blob FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
        return [(seq, blob if zlib.crc32(blob) == crc else b"") for seq, crc, blob in rows]

    # --- settling

    def commit(self, settled: Settled) -> None:
        """Commit all effects of a settling."""
        batch = settled.batch
        with self.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO series VALUES (?, ?, ?, ?)", [(i, *k) for i, k in settled.new_series])
            if len(batch.readings) or batch.events or any(len(w) for w in batch.windows.values()):
                blob = pack_batch(batch)
                db.execute(
                    "INSERT INTO outbox VALUES (?, ?, ?, ?)",
                    (batch.number, zlib.crc32(blob), json.dumps(settled.accepted), blob),
                )
            self._count(db, settled)
            self._keep_aside(db, settled.quarantine)
            self._keep_small(db, settled)
            db.execute("DELETE FROM journal WHERE seq <= ?", (settled.journal_upto,))
            if settled.checkpoint is not None:
                db.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (batch.number, settled.checkpoint))
                db.execute("DELETE FROM outbox WHERE number <= ?", (min(_stored_upto(db), batch.number),))

    def _count(self, db: sqlite3.Connection, settled: Settled) -> None:
        for outcome in ("received", "accepted", "duplicate"):
            counts: Counts = getattr(settled, outcome)
            add_counts(db, [(pilot, outcome, "", n) for pilot, n in counts.items()])
        add_counts(db, [(pilot, "rejected", reason, n) for pilot, reason, n in settled.rejected])

    def _keep_aside(self, db: sqlite3.Connection, rows: list[Aside]) -> None:
        if not rows:
            return
        before = kept = quarantine_bytes(db)
        counts: Counter[tuple[str, str, str]] = Counter()
        taken: list[tuple[object, ...]] = []
        for row in rows:
            size = len(row.payload) + len(row.topic) + len(row.detail) + 100
            if kept + size > self._max_quarantine:
                counts[row.pilot, "rejected", Rejected.QUARANTINE_FULL] += row.readings
                continue
            kept += size
            counts[row.pilot, "quarantined", row.reason] += row.readings
            taken.append((*row, size))
        db.executemany(
            "INSERT INTO quarantine (pilot, device, topic, reason, detail, payload, readings, received_ns, bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            taken,
        )
        add_counts(db, [(*key, n) for key, n in counts.items()] + [("", "quarantine_bytes", "", kept - before)])

    def _keep_small(self, db: sqlite3.Connection, settled: Settled) -> None:
        db.executemany("INSERT OR IGNORE INTO event_keys VALUES (?, ?, ?, ?, ?)", settled.event_keys)
        db.executemany("INSERT OR REPLACE INTO status VALUES (?, ?, ?, ?)", settled.statuses)
        db.executemany("INSERT OR REPLACE INTO sequence VALUES (?, ?, ?, ?, ?)", settled.sequences)
        db.executemany("DELETE FROM parked WHERE id = ?", [(i,) for i in settled.clear_parked])
        if settled.parked is not None:
            blob, counts = settled.parked
            db.execute(
                "INSERT INTO parked (crc, pilots, blob) VALUES (?, ?, ?)", (zlib.crc32(blob), json.dumps(counts), blob)
            )

    def parked(self, limit: int = 8) -> list[tuple[int, bytes]]:
        """Readings that wait for the store to be compared with what it has, oldest first."""
        return list(self.db.execute("SELECT id, blob FROM parked ORDER BY id LIMIT ?", (limit,)))

    def known_events(self, keys: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], bytes]:
        """Digests of the events among `keys` (pilot, device, key) that were taken before."""
        found = {}
        for key in keys:
            row = self.db.execute("SELECT digest FROM event_keys WHERE pilot=? AND device=? AND key=?", key).fetchone()
            if row is not None:
                found[key] = row[0]
        return found

    # --- outbox

    def unstored(self, after: int, limit: int = 16) -> list[StoreBatch]:
        """Batches that the store has not taken, in order; StoreRefused when one is damaged on disk."""
        rows = self.db.execute(
            "SELECT number, crc, blob FROM outbox WHERE number > ? ORDER BY number LIMIT ?",
            (max(after, _stored_upto(self.db)), limit),
        )
        return [self._batch(*row) for row in rows]

    def retained(self, after: int) -> Iterator[StoreBatch]:
        """All batches after a checkpoint, stored or not, in order."""
        rows = self.db.execute("SELECT number, crc, blob FROM outbox WHERE number > ? ORDER BY number", (after,))
        for row in rows:
            yield self._batch(*row)

    def _batch(self, number: int, crc: int, blob: bytes) -> StoreBatch:
        if zlib.crc32(blob) != crc:
            raise StoreRefused(
                f"outbox batch {number} in {self.path} is damaged (checksum differs); restore the file from a backup"
            )
        return unpack_batch(number, blob)

    def mark_stored(self, numbers: list[int]) -> None:
        """Note that the store has taken these batches for good, and count their readings as stored."""
        with self.transaction() as db:
            # one number says it for all before: a flag in the row would write its blob again
            rows = db.execute(
                "SELECT counts FROM outbox WHERE number > ? AND number <= ?", (_stored_upto(db), max(numbers))
            ).fetchall()
            for (counts,) in rows:
                add_counts(db, [(pilot, "stored", "", n) for pilot, n in json.loads(counts).items()])
            db.execute("INSERT OR REPLACE INTO meta VALUES ('stored_upto', ?)", (str(max(numbers)),))

    # --- what a new process starts from

    def series(self) -> list[tuple[int, SeriesKey]]:
        """Every series id ever given."""
        return [
            (row[0], SeriesKey(*row[1:])) for row in self.db.execute("SELECT id, pilot, device, metric FROM series")
        ]

    def checkpoint(self) -> tuple[int, bytes] | None:
        """Number and state of the newest checkpoint."""
        row = self.db.execute("SELECT number, state FROM checkpoint").fetchone()
        return (int(row[0]), row[1]) if row else None

    def last_number(self) -> int:
        """Highest batch number ever given."""
        highest = "SELECT coalesce(max(number), 0) FROM "
        given = [int(self.db.execute(highest + table).fetchone()[0]) for table in ("outbox", "checkpoint")]
        return max(*given, _stored_upto(self.db))

    def statuses(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Last status of each device and since when."""
        return {(p, d): (s, t) for p, d, s, t in self.db.execute("SELECT * FROM status")}

    def sequences(self) -> dict[tuple[str, str], tuple[int, bytes, int]]:
        """Sequence trackers: (high, seen bits, missing) by device."""
        return {(p, d): (h, b, m) for p, d, h, b, m in self.db.execute("SELECT * FROM sequence")}

    def meta(self, key: str, default: str) -> str:
        """Read a fact about this data directory, keeping `default` the first time."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, default))
            return str(db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    # --- quarantine

    def requeue(self, row_id: int, pack: Callable[[str, bytes, int], bytes]) -> int | None:
        """Give a quarantined message back to the journal; `pack(topic, payload, received_ns)` makes the group's bytes.

        Returns the group's number, None when there is no such row. Its readings are pending from then on.
        """
        with self.transaction() as db:
            row = db.execute(
                "SELECT pilot, topic, payload, received_ns, readings, reason, bytes FROM quarantine WHERE id = ?",
                (row_id,),
            ).fetchone()
            if row is None:
                return None
            pilot, topic, payload, received_ns, readings, reason, size = row
            group = _journal(db, pack(topic, payload, received_ns), {pilot: readings})
            add_counts(db, [(pilot, "quarantined", reason, -readings), (pilot, "received", "", -readings)])
            add_counts(db, [("", "quarantine_bytes", "", -size)])
            db.execute("DELETE FROM quarantine WHERE id = ?", (row_id,))
        return group

    def drop(self, row_id: int) -> bool:
        """Throw a quarantined message away; its readings count as rejected from then on."""
        with self.transaction() as db:
            row = db.execute("SELECT pilot, readings, reason, bytes FROM quarantine WHERE id = ?", (row_id,)).fetchone()
            if row is None:
                return False
            pilot, readings, reason, size = row
            add_counts(db, [(pilot, "quarantined", reason, -readings),
                            (pilot, "rejected", Rejected.DROPPED_BY_OPERATOR, readings)])  # fmt: skip
            add_counts(db, [("", "quarantine_bytes", "", -size)])
            db.execute("DELETE FROM quarantine WHERE id = ?", (row_id,))
        return True


def _stored_upto(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT value FROM meta WHERE key = 'stored_upto'").fetchone()
    return int(row[0]) if row else 0


def _journal(db: sqlite3.Connection, blob: bytes, pilots: Counts) -> int:
    sql = "INSERT INTO journal (crc, pilots, blob) VALUES (?, ?, ?)"
    return int(db.execute(sql, (zlib.crc32(blob), json.dumps(pilots), blob)).lastrowid or 0)


def quarantine_bytes(db: sqlite3.Connection) -> int:
    """Bytes that quarantine holds."""
    row = db.execute("SELECT readings FROM ledger WHERE pilot = '' AND outcome = 'quarantine_bytes'").fetchone()
    return int(row[0]) if row else 0


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Open the file as this module needs it; durable commits, usable from the one thread that works with it."""
    uri = f"file:{path}?mode=ro" if read_only else f"file:{path}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA page_size=16384")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-8192")
    db.execute("PRAGMA journal_size_limit=67108864")
    db.execute("PRAGMA wal_autocheckpoint=2000")
    return db


def add_counts(db: sqlite3.Connection, rows: list[tuple[str, str, str, int]]) -> None:
    """Add to the ledger: (pilot, outcome, reason, readings)."""
    db.executemany(
        "INSERT INTO ledger VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET readings = readings + excluded.readings",
        [row for row in rows if row[3]],
    )


def _fault(error: sqlite3.DatabaseError, what: str) -> RasadError:
    if isinstance(error, sqlite3.OperationalError):
        return DiskFull(f"{what}: {error}. Make room or mend the disk; nothing is acknowledged until then")
    return StoreRefused(f"{what}: {error}. Restore it from a backup")
