"""InfluxDB's line protocol: readings, windows and events as lines, nothing in them that a name could smuggle in.

Source: the line protocol reference of InfluxDB 1.8 and 2.7 (tag keys and values escape comma, equals sign and space;
string fields escape the quote and the backslash).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np

from telemetry.columns import Event, Readings, Windows
from telemetry.errors import StoreRefused
from telemetry.registry import SeriesKey

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_TAG_SPECIAL: Final = re.compile(r"([,= ])")
_MILLISECOND_NS: Final = 1_000_000

_FLOATS: Final = ("mean", "min", "max", "sum", "m2", "first", "last")
_COUNTS: Final = ("count", "first_ns", "last_ns", "good", "suspect", "fail", "missing", "revision")


def tag_value(text: str) -> str:
    r"""Escape a tag value; raises `StoreRefused` on control characters, on an empty one and on a final backslash.

    >>> print(tag_value("a b,c=d"))
    a\ b\,c\=d
    """
    if not text or _CONTROL.search(text) or text.endswith("\\"):
        raise StoreRefused(
            f"{text!r} cannot be a tag in InfluxDB: it is empty, has control characters or ends in a backslash"
        )
    return _TAG_SPECIAL.sub(r"\\\1", text)


def tags(key: SeriesKey) -> str:
    """Give the tags of a series in the order that InfluxDB sorts fastest.

    >>> tags(SeriesKey("harbour", "speed_6005", "speed"))
    'device=speed_6005,metric=speed,pilot=harbour'
    """
    return f"device={tag_value(key.device)},metric={tag_value(key.metric)},pilot={tag_value(key.pilot)}"


def _string_field(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse_infinite(values: np.ndarray[tuple[int], np.dtype[np.float64]], what: str) -> None:
    infinite = int(np.count_nonzero(np.isinf(values)))
    if infinite:
        raise StoreRefused(f"{infinite} {what} are infinite and InfluxDB keeps finite numbers only")


def reading_lines(readings: Readings, tags_of: Callable[[int], str]) -> list[str]:
    """Write readings as lines of `readings`; a missing reading has no field `value`."""
    _refuse_infinite(readings.value, "readings")
    lines = []
    for series, time_ns, value, flag, reasons, received_ns in zip(
        *(column.tolist() for column in readings.as_dict().values()), strict=True
    ):
        number = f"value={value!r}," if value == value else ""
        lines.append(
            f"readings,{tags_of(series)} {number}flag={flag}i,reasons={reasons}i,received={received_ns}i {time_ns}"
        )
    return lines


def window_lines(windows: Windows, measurement: str, tags_of: Callable[[int], str]) -> list[str]:
    """Write windows as lines of `measurement`; NaN columns are left out.

    So are infinite ones: a sum of finite readings may leave the range of float64, and that must stop no other series.
    """
    names = [*_COUNTS, *_FLOATS, "p50", "p95"]
    columns = [getattr(windows, name).tolist() for name in names]
    lines = []
    for series, start_ns, *row in zip(windows.series.tolist(), windows.start_ns.tolist(), *columns, strict=True):
        fields = [f"{name}={number}i" for name, number in zip(_COUNTS, row, strict=False)]
        numbers = zip(names[len(_COUNTS) :], row[len(_COUNTS) :], strict=True)
        fields += [f"{name}={number!r}" for name, number in numbers if math.isfinite(number)]
        lines.append(f"{measurement},{tags_of(series)} {','.join(fields)} {start_ns}")
    return lines


def event_line(event: Event) -> str:
    """Write an event as a line of `events`, its kind as the tag `metric`.

    InfluxDB keeps one point per tags and time. The point's time is the event's millisecond and a number below a
    million that follows from kind, key and time, so that two events of one device in one millisecond stay two and
    an event written again stays one; the field `at` has the true time.
    """
    identity = f"{event.kind}\n{event.key}\n{event.time_ns}".encode()
    time_ns = event.time_ns - event.time_ns % _MILLISECOND_NS + zlib.crc32(identity) % _MILLISECOND_NS
    return (
        f"events,{tags(SeriesKey(event.pilot, event.device, event.kind))} at={event.time_ns}i,"
        f"received={event.received_ns}i,key={_string_field(event.key)},body={_string_field(event.body)} {time_ns}"
    )
