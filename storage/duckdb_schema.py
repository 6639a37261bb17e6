"""Tables of the embedded history and their version."""

from __future__ import annotations

from typing import Final

import duckdb

from telemetry.columns import Columns
from telemetry.errors import StoreRefused
from telemetry.ports import RESOLUTIONS, Resolution

VERSION: Final = 1

#: Counts are 32 bits wide on disk; a window never holds four milliards of readings.
_READING_TYPES: Final = {
    "series": "INTEGER", "time_ns": "BIGINT", "value": "DOUBLE", "flag": "UTINYINT", "reasons": "USMALLINT",
    "received_ns": "BIGINT",
}  # fmt: skip
_WINDOW_TYPES: Final = {
    "series": "INTEGER", "start_ns": "BIGINT", "count": "UINTEGER", "mean": "DOUBLE", "min": "DOUBLE",
    "max": "DOUBLE", "sum": "DOUBLE", "m2": "DOUBLE", "first": "DOUBLE", "last": "DOUBLE", "first_ns": "BIGINT",
    "last_ns": "BIGINT", "p50": "DOUBLE", "p95": "DOUBLE", "good": "UINTEGER", "suspect": "UINTEGER",
    "fail": "UINTEGER", "missing": "UINTEGER", "revision": "INTEGER", "batch": "BIGINT",
}  # fmt: skip

_SINGLE_TYPES: Final = {
    "series": "INTEGER", "start_ns": "BIGINT", "time_ns": "BIGINT", "value": "DOUBLE", "flag": "UTINYINT",
    "batch": "BIGINT",
}  # fmt: skip

READINGS: Final = "readings"
EVENTS: Final = "events"
WINDOWS: Final[dict[Resolution, str]] = {resolution: f"windows_{resolution}" for resolution in RESOLUTIONS}
#: windows of one reading, see `storage.single_windows`; in an hour they are too rare to be worth a second table
SINGLES: Final[dict[Resolution, str]] = {resolution: f"singles_{resolution}" for resolution in ("base", "1m")}


def quoted(columns: type[Columns]) -> str:
    """List the columns of a column set for SQL (`first`, `min` and others are words of SQL).

    >>> from telemetry.columns import Readings
    >>> quoted(Readings)
    '"series", "time_ns", "value", "flag", "reasons", "received_ns"'
    """
    return ", ".join(f'"{name}"' for name in columns.DTYPES)


def _table(name: str, types: dict[str, str]) -> str:
    columns = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
    return f"CREATE TABLE {name} ({columns})"


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables in an empty file."""
    connection.execute(_table(READINGS, _READING_TYPES))
    for table in WINDOWS.values():
        connection.execute(_table(table, _WINDOW_TYPES))
    for table in SINGLES.values():
        connection.execute(_table(table, _SINGLE_TYPES))
    connection.execute(
        "CREATE TABLE events (pilot VARCHAR, device VARCHAR, time_ns BIGINT, received_ns BIGINT, kind VARCHAR,"
        " key VARCHAR, body VARCHAR)"
    )
    connection.execute("CREATE TABLE series (series INTEGER, pilot VARCHAR, device VARCHAR, metric VARCHAR)")
    connection.execute("CREATE TABLE applied (number BIGINT, mark BIGINT)")
    connection.execute("CREATE TABLE schema_version AS SELECT ? AS version", [VERSION])


def check_version(connection: duckdb.DuckDBPyConnection, path: object) -> None:
    """Raise `StoreRefused` when the file is not of this version of the tables."""
    try:
        [(found,)] = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    except duckdb.CatalogException as error:
        raise StoreRefused(f"{path} is a DuckDB file, but not a history of Rasad; move it away") from error
    if found != VERSION:
        raise StoreRefused(
            f"{path} has tables of version {found} and this Rasad reads version {VERSION}; "
            "run the Rasad that wrote it, or move the file away and start a new history"
        )
