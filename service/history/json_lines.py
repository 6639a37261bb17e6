"""JSON lines: recorded feeds (`topic`, `payload`, `at_ms`) and plain objects with `device`, `ts` and values."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import IO, Any, Final

import msgspec

from service.history.lines import Asked, Bad, Item, Raw, Sample, Skipped

_decode = msgspec.json.Decoder().decode
_NAMES: Final = ("pilot", "device", "ts", "time", "seq", "values")
_CHANNELS: Final = {"telemetry", "event", "status"}


def read(lines: IO[bytes], asked: Asked) -> Iterator[Item]:
    """Read line by line."""
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            record = _object(line)
            yield from _feed(record) if "topic" in record else _plain(record, asked)
        except (ValueError, RecursionError) as error:
            yield Bad(number, str(error).split("\n", 1)[0][:200] or type(error).__name__)


def _object(line: bytes) -> dict[str, Any]:
    try:
        record = _decode(line)
    except (ValueError, RecursionError):
        # what msgspec refuses and Python reads (NaN) is for the engine to judge, value by value
        record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - one class for a bad line
    return record


def _plain(record: dict[str, Any], asked: Asked) -> Iterator[Item]:
    device, pilot = record.get("device", asked.device), record.get("pilot", asked.pilot)
    if not isinstance(device, str):
        raise ValueError('has neither "topic" nor "device"')  # noqa: TRY004
    if not isinstance(pilot, str):
        raise ValueError('names no "pilot"; give --pilot')  # noqa: TRY004
    ts = record.get("ts", record.get("time"))
    if isinstance(ts, bool) or not isinstance(ts, int | float | str):
        raise ValueError('has no "ts" (ms since 1970, or RFC 3339); history needs its time')  # noqa: TRY004
    values = record["values"] if "values" in record else {k: v for k, v in record.items() if k not in _NAMES}
    if not isinstance(values, dict) or not values:
        raise ValueError('has no "values"')
    yield Sample(pilot, device, asked.times.ms(ts) if isinstance(ts, str) else ts, values)


def _feed(record: dict[str, Any]) -> Iterator[Item]:
    topic, at_ms = record["topic"], record.get("at_ms")
    if not isinstance(topic, str) or not topic or set(topic) & set("+#\0"):
        raise ValueError('has no usable "topic": it must be a text without + and #')
    if isinstance(at_ms, bool) or not isinstance(at_ms, int | float):
        raise ValueError('has no usable "at_ms": it must be a number of ms since 1970')  # noqa: TRY004
    if "payload" not in record:
        raise ValueError('has no "payload"')
    payload, levels = record["payload"], topic.split("/")
    channel = levels[4] if len(levels) == 5 and levels[:2] == ["city", "v1"] else ""
    if channel == "status":
        yield Skipped("status messages (they say how a device is now, not how it was)")
    elif isinstance(payload, str) or channel not in _CHANNELS:
        yield Raw(topic, _bytes(payload, record.get("encoding")))
    elif channel == "event":
        timed = {"ts": at_ms, **payload} if isinstance(payload, dict) and payload.get("ts") is None else payload
        yield Raw(topic, _json(timed))
    else:
        yield from _telemetry(topic, levels, payload, at_ms)


def _telemetry(topic: str, levels: list[str], payload: Any, at_ms: float) -> Iterator[Item]:
    """Take apart what is well-formed, so that small messages can go together; the rest is the engine's to judge."""
    for item in payload if isinstance(payload, list) else [payload]:
        values = item.get("values", item) if isinstance(item, dict) else None
        bare = values is item
        if not isinstance(values, dict) or not values or (bare and {"ts", "seq"} & values.keys()):
            yield Raw(topic, _json(item))
            continue
        ts = at_ms if bare or item.get("ts") is None else item["ts"]
        if isinstance(ts, bool) or not isinstance(ts, int | float | str):
            yield Raw(topic, _json(item))
        else:
            yield Sample(levels[2], levels[3], ts, values)


def _bytes(payload: Any, encoding: Any) -> bytes:
    if encoding is None:
        return payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else _json(payload)
    if encoding != "base64" or not isinstance(payload, str):
        raise ValueError('has an "encoding" other than "base64", or base64 that is no text')
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ValueError(f"has a payload that is no base64 ({error})") from None


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
