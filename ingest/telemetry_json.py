"""The JSON envelope of telemetry: bytes to records or reasons, each value standing for itself.

Nearly all messages go through the typed msgspec decoders. What those refuse is read again, slowly and value by value,
so that one bad value does not cost its neighbours.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from telemetry.reasons import Quarantined

Value = float | bool | None
#: the last ms that fits int64 nanoseconds (year 2262)
MAX_MS: Final = 9_223_372_036_854


class Record(msgspec.Struct, gc=False):
    """One object of a telemetry message."""

    values: dict[str, Value]
    ts: int | float | str | None = None
    seq: int | None = None


class Trouble(NamedTuple):
    """Something that cannot be taken: why, in words, what it was, and how many readings it stands for."""

    reason: Quarantined
    detail: str
    fragment: bytes
    readings: int = 1


Parsed = tuple[list[Record], list[Trouble]]
_one = msgspec.json.Decoder(Record)
_many = msgspec.json.Decoder(list[Record])
_bare = msgspec.json.Decoder(dict[str, Value])
_time = msgspec.json.Decoder(Annotated[datetime, msgspec.Meta(tz=True)])
decode_one = _one.decode


def parse(payload: bytes, max_objects: int = 10_000) -> Parsed:
    """Read a telemetry payload: an object, an array of objects, or bare values.

    >>> parse(b'{"ts": 5, "values": {"pm25": 12.5}}')[0][0].values
    {'pm25': 12.5}
    >>> parse(b'{"values": {"pm25": "12", "pm10": 3}}')[1][0].detail
    "pm25: '12' is no finite number, boolean or null"
    """
    try:
        if payload[:1] == b"[":
            records = _many.decode(payload)
            return (
                (records, []) if len(records) <= max_objects else ([], [_too_many(payload, len(records), max_objects)])
            )
        return [decode_one(payload)], []
    except (ValueError, RecursionError):
        pass
    try:
        return _parse_bare(payload) or _parse_slowly(payload, max_objects)
    except RecursionError:
        return [], [Trouble(Quarantined.UNDECODABLE, "nested too deep", payload)]


def _parse_bare(payload: bytes) -> Parsed | None:
    try:
        values = _bare.decode(payload)
    except (ValueError, RecursionError):
        return None
    return None if values.keys() & {"ts", "seq", "values"} else ([Record(values)], [])


def _parse_slowly(payload: bytes, max_objects: int) -> Parsed:
    try:
        document = json.loads(payload.decode("utf-8"), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return [], [Trouble(Quarantined.UNDECODABLE, why[:200], payload)]
    objects = document if isinstance(document, list) else [document]
    if len(objects) > max_objects:
        return [], [_too_many(payload, len(objects), max_objects)]
    records: list[Record] = []
    troubles: list[Trouble] = []
    for item in objects:
        _read_object(item, records, troubles)
    return records, troubles


def _integer(digits: str) -> int | float:
    # beyond every float it is infinite, and one such value must not cost its neighbours
    return int(digits) if len(digits) < 400 else float(digits)


def _read_object(item: Any, records: list[Record], troubles: list[Trouble]) -> None:
    fault = _shape_fault(item)
    if fault:
        troubles.append(Trouble(Quarantined.BAD_SHAPE, fault, encode(item)))
        return
    values, ts, seq = (item["values"], item.get("ts"), item.get("seq")) if "values" in item else (item, None, None)
    if isinstance(ts, bool) or not isinstance(ts, int | float | str | None):
        detail = f"ts is {type(ts).__name__}; send ms since 1970 or RFC 3339 with an offset"
        troubles.append(Trouble(Quarantined.BAD_TIME, detail, encode(item), max(len(values), 1)))
        return
    good: dict[str, Value] = {}
    for name, value in values.items():
        number = as_value(value)
        if number is ...:
            detail = f"{name}: {_short(value)} is no finite number, boolean or null"
            troubles.append(Trouble(Quarantined.BAD_VALUE, detail, fragment(name, ts, value)))
        else:
            good[name] = number
    records.append(Record(good, ts, seq if isinstance(seq, int) and not isinstance(seq, bool) else None))


def _shape_fault(item: Any) -> str:
    if not isinstance(item, dict):
        return f"an object is wanted, not {_short(item)}"
    if "values" in item:
        return "" if isinstance(item["values"], dict) else f"values is no object but {_short(item['values'])}"
    if "ts" in item or "seq" in item:
        return 'ts or seq without values; write {"ts": …, "values": {…}}'
    return ""


def as_value(value: Any) -> Any:
    """Give the value that is stored for a JSON value, or `...` when it can be none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return ...
        return number if math.isfinite(number) else ...
    return ...


def time_ns(ts: int | float | str) -> tuple[int, Quarantined | None, str]:
    """Turn `ts` into ns since 1970, rounded to µs, or say why it is none (reason and words).

    >>> time_ns(1737963587742)[0], time_ns("2025-01-27T11:39:47.742+04:00")[0]
    (1737963587742000000, 1737963587742000000)
    """
    if isinstance(ts, str):
        try:
            since = _time.decode(json.dumps(ts)) - _EPOCH
        except ValueError:
            return 0, Quarantined.BAD_TIME, f"ts {_short(ts)} is no RFC 3339 time with an offset"
        return _out_of_range(since.total_seconds() * 1000, ts) or ((since // _MICROSECOND) * 1_000, None, "")
    # integers of any length compare with each other, but only short ones become floats, and floats may become infinite
    if isinstance(ts, float) and not math.isfinite(ts):
        return 0, Quarantined.BAD_TIME, "ts is no finite number"
    return _out_of_range(ts, ts) or ((ts * 1_000_000 if isinstance(ts, int) else round(ts * 1000) * 1000), None, "")


def _out_of_range(ms: int | float, ts: int | float | str) -> tuple[int, Quarantined, str] | None:
    if ms > MAX_MS:
        return 0, Quarantined.FUTURE, f"ts {_short(ts)} is far ahead of this server; is it ms since 1970?"
    if ms < 0:
        return 0, Quarantined.TOO_OLD, f"ts {_short(ts)} lies before 1970; is it ms since 1970?"
    return None


_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND: Final = timedelta(microseconds=1)


def fragment(name: str, ts: Any, value: Any) -> bytes:
    """Write one value as a telemetry message of its own, as quarantine keeps it."""
    return encode({"ts": ts, "values": {name: value}} if ts is not None else {"values": {name: value}})


def encode(item: Any) -> bytes:
    """Write JSON that is plain ASCII; numbers that JSON cannot carry stay readable (NaN, Infinity)."""
    return json.dumps(item, separators=(",", ":")).encode("ascii")


def _too_many(payload: bytes, objects: int, limit: int) -> Trouble:
    return Trouble(Quarantined.TOO_MANY_READINGS, f"{objects} objects in one message, at most {limit}", payload)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
