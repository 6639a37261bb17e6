"""InfluxQL: statements with nothing unquoted in them, and its answers as columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np

from telemetry.columns import I32, I64, Columns, Event, Readings, Windows
from telemetry.errors import StoreAway, StoreRefused
from telemetry.ports import Resolution
from telemetry.registry import SeriesKey

READINGS: Final = "readings"
EVENTS: Final = "events"
WINDOWS: Final[dict[Resolution, str]] = {"base": "w_base", "1m": "w_1m", "1h": "w_1h"}

_MILLISECOND_NS: Final = 1_000_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
#: Go writes -0.0 as -0, which JSON readers take for the integer 0.
_NEGATIVE_ZERO: Final = re.compile(rb"(?<=[\[,])-0(?=[,\]])")

_R = TypeVar("_R")
_Float = float | None
ReadingRow = tuple[int, _Float, int, int, int]
WindowRow = tuple[
    int, int, _Float, _Float, _Float, _Float, _Float, _Float, _Float, int, int, _Float, _Float, int, int, int, int, int
]
EventRow = tuple[int, str, str, str, int, int, str, str]
_READING_COLUMNS: Final = ["time_ns", "value", "flag", "reasons", "received_ns"]
_WINDOW_FIELDS: Final = [name for name in Windows.DTYPES if name not in ("series", "start_ns")]


class _Series(msgspec.Struct, Generic[_R]):
    values: list[_R] = []


class _Result(msgspec.Struct, Generic[_R]):
    statement_id: int = 0
    series: list[_Series[_R]] = []
    error: str | None = None


class _Answer(msgspec.Struct, Generic[_R]):
    results: list[_Result[_R]] = []
    error: str | None = None


_READING_DECODER: Final = msgspec.json.Decoder(_Answer[ReadingRow])
_WINDOW_DECODER: Final = msgspec.json.Decoder(_Answer[WindowRow])
_EVENT_DECODER: Final = msgspec.json.Decoder(_Answer[EventRow])
_ANY_DECODER: Final = msgspec.json.Decoder(_Answer[list[Any]])


def literal(text: str) -> str:
    r"""Quote a string for InfluxQL; raises `StoreRefused` on control characters.

    >>> print(literal("d1' OR '1'='1"))
    'd1\' OR \'1\'=\'1'
    """
    if _CONTROL.search(text):
        raise StoreRefused(f"{text!r} has control characters and cannot be asked for")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(text: str) -> str:
    r"""Quote a name for InfluxQL; raises `StoreRefused` on control characters.

    >>> print(identifier('city"; DROP DATABASE x'))
    "city\"; DROP DATABASE x"
    """
    if _CONTROL.search(text):
        raise StoreRefused(f"{text!r} has control characters and cannot be a name in InfluxDB")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _where(key: SeriesKey, from_ns: int, to_ns: int) -> str:
    names = " AND ".join(f"{identifier(tag)} = {literal(name)}" for tag, name in key._asdict().items())
    return f"WHERE {names} AND time >= {from_ns:d} AND time < {to_ns:d}"


def _limit(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {limit:d}"


def select_readings(key: SeriesKey, from_ns: int, to_ns: int, limit: int | None = None) -> str:
    """Ask for the readings of a series in [from_ns, to_ns)."""
    fields = '"value", "flag", "reasons", "received"'
    return f"SELECT {fields} FROM {READINGS} {_where(key, from_ns, to_ns)}{_limit(limit)}"


def select_windows(key: SeriesKey, resolution: Resolution, from_ns: int, to_ns: int, limit: int | None = None) -> str:
    """Ask for the windows of a series that start in [from_ns, to_ns)."""
    fields = ", ".join(map(identifier, _WINDOW_FIELDS))
    return f"SELECT {fields} FROM {WINDOWS[resolution]} {_where(key, from_ns, to_ns)}{_limit(limit)}"


def select_count(measurement: str, field: str, key: SeriesKey, from_ns: int, to_ns: int) -> str:
    """Ask how many points a series has in [from_ns, to_ns); `field` is one that every point has."""
    return f"SELECT count({identifier(field)}) FROM {measurement} {_where(key, from_ns, to_ns)}"


def select_events(pilot: str, device: str | None, kind: str | None, from_ns: int, to_ns: int) -> str:
    """Ask for events whose millisecond touches [from_ns, to_ns); their true times are in the answer."""
    wanted = {"pilot": pilot, "device": device, "metric": kind}
    names = " AND ".join(f"{identifier(tag)} = {literal(name)}" for tag, name in wanted.items() if name is not None)
    from_ms, to_ms = from_ns // _MILLISECOND_NS, -(-to_ns // _MILLISECOND_NS)
    spans = f"time >= {from_ms * _MILLISECOND_NS:d} AND time < {to_ms * _MILLISECOND_NS:d}"
    return (
        'SELECT "pilot"::tag, "device"::tag, "metric"::tag, "at", "received", "key", "body"'
        f" FROM {EVENTS} WHERE {names} AND {spans}"
    )


def _results(content: bytes, decoder: msgspec.json.Decoder[_Answer[_R]]) -> Iterator[tuple[int, list[_R]]]:
    """Rows by statement; a chunked answer has one JSON document a line and tells a statement in several of them."""
    for line in content.splitlines():
        if not line:
            continue
        try:
            answer = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise StoreRefused(f"InfluxDB answered something that is not Rasad's history: {error}") from error
        for error_text in (answer.error, *(result.error for result in answer.results)):
            if error_text:
                raise _query_error(error_text)
        for result in answer.results:
            for series in result.series:
                yield result.statement_id, series.values


def _query_error(text: str) -> StoreAway | StoreRefused:
    if "not found" in text or "timeout" in text:
        return StoreAway(f"InfluxDB cannot answer now: {text}")
    return StoreRefused(f"InfluxDB refuses the question: {text}")


def _numbers(content: bytes) -> bytes:
    return _NEGATIVE_ZERO.sub(b"-0.0", content) if b"-0" in content else content


def _as_columns(
    kind: type[Columns], names: list[str], parts: list[tuple[int, list[Any]]], series_of: list[int]
) -> dict[str, Any]:
    rows = [row for _, values in parts for row in values]
    owner = [series_of[statement] for statement, _ in parts]
    columns: dict[str, Any] = {
        name: np.array([row[place] for row in rows], dtype=kind.DTYPES[name]) for place, name in enumerate(names)
    }
    columns["series"] = np.repeat(np.array(owner, dtype=np.int32), [len(values) for _, values in parts])
    return columns


def readings_of(content: bytes, series_of: list[int]) -> Readings:
    """Turn answers to `select_readings` into columns; `series_of[i]` is the series of statement i."""
    parts = list(_results(_numbers(content), _READING_DECODER))
    return Readings(**_as_columns(Readings, _READING_COLUMNS, parts, series_of))


def windows_of(content: bytes, series_of: list[int]) -> Windows:
    """Turn answers to `select_windows` into columns.

    A window that was revised to have no usable readings keeps the numbers of its old point in InfluxDB, where a
    field that is not written stays; they are NaN here.
    """
    parts = list(_results(_numbers(content), _WINDOW_DECODER))
    columns = _as_columns(Windows, ["start_ns", *_WINDOW_FIELDS], parts, series_of)
    for name in ("mean", "min", "max", "sum", "m2", "first", "last", "p50", "p95"):
        columns[name][columns["count"] == 0] = np.nan
    return Windows(**columns)


def events_of(content: bytes) -> list[Event]:
    """Turn an answer to `select_events` into events, with their true times."""
    rows = [row for _, values in _results(content, _EVENT_DECODER) for row in values]
    return [
        Event(pilot, device, at, received, kind, key, body) for _, pilot, device, kind, at, received, key, body in rows
    ]


def rows_of(content: bytes) -> list[list[Any]]:
    """Give the rows of any answer, as they are."""
    return [row for _, values in _results(content, _ANY_DECODER) for row in values]


def recall_ranges(series: I32, start_ns: I64, span_ns: int) -> list[tuple[int, int, int]]:
    """Put spans of one series that lie close together into one range (series, from_ns, to_ns).

    >>> recall_ranges(np.int32([1, 1, 2]), np.int64([0, 10, 500_000]), 10)
    [(1, 0, 20), (2, 500000, 500010)]
    """
    pairs = np.unique(np.stack([series.astype(np.int64), start_ns]), axis=1)
    if not pairs.shape[1]:
        return []
    near = (np.diff(pairs[0]) == 0) & (np.diff(pairs[1]) <= 100 * span_ns)
    first = np.concatenate([[True], ~near])
    last = np.concatenate([~near, [True]])
    ends = pairs[1][last] + span_ns
    return list(zip(pairs[0][first].tolist(), pairs[1][first].tolist(), ends.tolist(), strict=True))


def within_spans(series: I32, time_ns: I64, wanted_series: I32, start_ns: I64, span_ns: int) -> Any:
    """Tell which rows lie in a wanted span: shape (rows,), bool.

    >>> within_spans(np.int32([1, 1]), np.int64([5, 25]), np.int32([1, 1]), np.int64([0, 10]), 10).tolist()
    [True, False]
    """
    keep = np.zeros(len(series), dtype=np.bool_)
    for one in np.unique(series):
        mine = np.flatnonzero(series == one)
        starts = np.sort(start_ns[wanted_series == one])
        place = np.searchsorted(starts, time_ns[mine], side="right") - 1
        keep[mine] = (place >= 0) & (time_ns[mine] < starts[np.maximum(place, 0)] + span_ns)
    return keep
