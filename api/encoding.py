"""Columns to JSON, straight from numpy, in slices short enough that a thread never keeps the event loop waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.columns import I64, U16, Readings, Windows
from telemetry.flags import reason_names

#: values encoded in one go; msgspec holds the interpreter for about 1 ms over so many
SLICE: Final = 16_384
#: below so many rows a thread costs more than it saves
INLINE_ROWS: Final = 4_096
_ENCODER: Final = msgspec.json.Encoder()

Column = Callable[[slice], bytes]


def _numbers(values: npt.NDArray[Any]) -> Column:
    return lambda part: _ENCODER.encode(values[part].tolist())[1:-1]


def _times(ns: I64) -> Column:
    def encode(part: slice) -> bytes:
        some = ns[part]
        whole = some % 1_000_000 == 0
        if whole.all():
            return _ENCODER.encode((some // 1_000_000).tolist())[1:-1]
        mixed: list[float | int] = (some / 1e6).tolist()
        for at in np.flatnonzero(whole).tolist():
            mixed[at] = int(some[at]) // 1_000_000
        return _ENCODER.encode(mixed)[1:-1]

    return encode


@lru_cache(maxsize=4096)
def _reason_json(bits: int) -> bytes:
    return _ENCODER.encode(reason_names(bits))


def _reasons(bits: U16) -> Column:
    return lambda part: b",".join(map(_reason_json, bits[part].tolist()))


def _assemble(columns: Iterable[tuple[str, Column]], rows: int) -> bytes:
    slices = [slice(at, at + SLICE) for at in range(0, rows, SLICE)]
    members = (b'"%s":[%s]' % (name.encode(), b",".join(map(column, slices))) for name, column in columns)
    return b"{" + b",".join(members) + b"}"


def readings_json(rows: Readings) -> bytes:
    """Encode readings as the contract's columns; NaN becomes null.

    >>> readings_json(Readings.empty())
    b'{"time_ms":[],"value":[],"flag":[],"reasons":[],"received_ms":[]}'
    """
    columns = [
        ("time_ms", _times(rows.time_ns)),
        ("value", _numbers(rows.value)),
        ("flag", _numbers(rows.flag)),
        ("reasons", _reasons(rows.reasons)),
        ("received_ms", _times(rows.received_ns)),
    ]
    return _assemble(columns, len(rows))


_PLAIN: Final = (
    "count",
    "mean",
    "min",
    "max",
    "sum",
    "std",
    "first",
    "last",
    "good",
    "suspect",
    "fail",
    "missing",
    "revision",
)
_BASE_ONLY: Final = ("p50", "p95")


def windows_json(rows: Windows, percentiles: bool) -> bytes:
    """Encode windows as the contract's columns; `percentiles` adds p50 and p95, which only the base window has."""
    names = _PLAIN + (_BASE_ONLY if percentiles else ())
    columns = [("start_ms", _times(rows.start_ns)), *((name, _numbers(getattr(rows, name))) for name in names)]
    return _assemble(columns, len(rows))


async def off_loop(rows: int, encode: Callable[[], bytes]) -> bytes:
    """Encode here when it is little, in a thread when it is much."""
    return encode() if rows <= INLINE_ROWS else await asyncio.to_thread(encode)


def number_or_none(value: float) -> float | None:
    """Give None for what JSON cannot say.

    >>> number_or_none(float("nan")), number_or_none(1.5)
    (None, 1.5)
    """
    return value if np.isfinite(value) else None
