"""The one DuckDB file: opened, lent out as cursors, reopened after a fault, its errors told to people."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from storage import duckdb_schema
from telemetry.errors import RasadError, StoreAway, StoreRefused

#: A checkpoint costs as much as appending 500,000 rows, so it comes after this much of WAL and not after 16 MB.
CHECKPOINT_AFTER: Final = "64MB"
#: A fault closes all cursors at once; a query that is still on its way back gets this long.
REOPEN_WITHIN_S: Final = 10.0

_DAMAGED: Final = ("not a valid DuckDB", "Corrupt", "checksum", "Could not read enough bytes", "Serialization Error")
_NO_ROOM: Final = ("No space left on device", "Disk quota exceeded", "File too large", "Could not write all bytes")


def store_error(error: duckdb.Error, path: Path) -> RasadError:
    """Turn an error of DuckDB into ours, with what failed and the cure."""
    text = str(error).split("\n")[0]
    if "Could not set lock" in text:
        holder = text.partition("Conflicting lock is held in ")[2].partition(". See also")[0] or "another process"
        return StoreRefused(f"{path} is in use by {holder}; stop that process or choose another data folder")
    if any(sign in text for sign in _NO_ROOM):
        return StoreAway(f"no room to write {path}: {text}; make room on that disk, writing goes on by itself")
    if any(sign in text for sign in _DAMAGED):
        return _damaged(text, path)
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreAway(f"{path}: {text}; ask for less at once or raise the store's memory limit")
    if "ermission denied" in text or isinstance(error, duckdb.ProgrammingError | duckdb.DataError):
        return StoreRefused(f"{path}: {text}")
    return StoreAway(f"{path}: {text}")


def _damaged(text: str, path: Path) -> StoreRefused:
    if "WAL file" in text:
        return StoreRefused(
            f"the log of {path} is damaged: {text}; restore both files from a backup, or move {path.name}.wal away, "
            "which gives up what was stored since the last checkpoint"
        )
    return StoreRefused(f"{path} is damaged: {text}; restore it from a backup, or move it away to begin a new one")


class DuckDBFile:
    """Owns the connection. Threads borrow cursors; after a fault the file is closed and opened anew."""

    def __init__(self, path: Path, memory_limit_mb: int, threads: int) -> None:
        self.path = path
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            "checkpoint_threshold": CHECKPOINT_AFTER,
        }
        self._turn = threading.Condition()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._borrowed = 0
        self._wanted = False

    def open(self) -> None:
        """Open the file, making it first when there is none."""
        with self._turn:
            self._wanted = True
            self._connect()

    def close(self) -> None:
        """Close when every cursor is back; writes what the WAL holds into the file."""
        with self._turn:
            self._wanted = False
            self._disconnect()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a cursor for one piece of work; what it has not committed when the work fails is rolled back."""
        connection = self._lend()
        try:
            yield connection
        except duckdb.Error as error:
            self._doubt(error)
            raise store_error(error, self.path) from error
        finally:
            connection.close()
            with self._turn:
                self._borrowed -= 1
                self._turn.notify_all()

    def _lend(self) -> duckdb.DuckDBPyConnection:
        with self._turn:
            if not self._wanted:
                raise StoreAway(f"{self.path} is not open")
            if self._connection is None:
                self._connect()
            assert self._connection is not None
            cursor = self._connection.cursor()
            self._borrowed += 1
            return cursor

    def _doubt(self, error: duckdb.Error) -> None:
        """After a failed commit or checkpoint DuckDB refuses all work until the file is opened again."""
        if isinstance(error, duckdb.ProgrammingError | duckdb.DataError | duckdb.OutOfMemoryException):
            return
        with self._turn:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> None:
        # The old instance lives on, and is found again under its path, until its last cursor is back. Another thread
        # that waited for the same may have connected meanwhile.
        if not self._turn.wait_for(lambda: self._borrowed == 0 or self._connection is not None, REOPEN_WITHIN_S):
            raise StoreAway(
                f"{self.path} is being reopened after a fault and waits for {self._borrowed} queries to end"
            )
        try:
            if not self.path.exists():
                self._create()
            connection = duckdb.connect(str(self.path), config=self._config)
        except duckdb.Error as error:
            raise store_error(error, self.path) from error
        try:
            duckdb_schema.check_version(connection, self.path)
        except RasadError:
            connection.close()
            raise
        self._connection = connection

    def _create(self) -> None:
        """Make the file under another name and move it, so that a crash leaves no half of a file behind."""
        begun = self.path.with_suffix(".new")
        begun.unlink(missing_ok=True)
        begun.with_name(begun.name + ".wal").unlink(missing_ok=True)
        with duckdb.connect(str(begun)) as connection:
            duckdb_schema.create(connection)
        os.replace(begun, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _disconnect(self) -> None:
        self._turn.wait_for(lambda: self._borrowed == 0, REOPEN_WITHIN_S)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
