"""Readings and windows as parallel numpy columns: the only form in which they move between the parts of Rasad."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]


class Columns:
    """Base of the column sets: equal lengths, take by mask or index, concatenate, to bytes and back."""

    DTYPES: ClassVar[dict[str, Any]]

    @classmethod
    def empty(cls) -> Self:
        """Make a set of no rows."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in cls.DTYPES.items()})

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """Put several sets after one another; the parts are not changed."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in cls.DTYPES})

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.DTYPES))))

    def take(self, which: Any) -> Self:
        """Pick rows by boolean mask, index array or slice."""
        if isinstance(which, slice):
            return type(self)(**{name: getattr(self, name)[which] for name in self.DTYPES})
        # one index for all columns, in the type that numpy wants: several times faster than masking each column
        which = np.asarray(which)
        index = np.flatnonzero(which) if which.dtype == np.bool_ else which.astype(np.intp, copy=False)
        return type(self)(**{name: getattr(self, name).take(index) for name in self.DTYPES})

    def as_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Give the columns by name, without copying."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def to_bytes(self) -> bytes:
        """Pack the columns for the operational database."""
        columns = {name: np.ascontiguousarray(getattr(self, name)).data.cast("B") for name in self.DTYPES}
        return msgspec.msgpack.encode(columns if len(self) else dict.fromkeys(self.DTYPES, b""))

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Unpack what `to_bytes` packed; raises `msgspec.DecodeError` when the bytes are damaged."""
        raw = msgspec.msgpack.decode(blob, type=dict[str, bytes])
        return cls(**{name: np.frombuffer(raw[name], dtype) for name, dtype in cls.DTYPES.items()})


@dataclass(slots=True)
class Readings(Columns):
    """Judged readings. Missing values are NaN with flag 9.

    series      id of the series (see `telemetry.registry`), int32
    time_ns     event time, ns since 1970, int64
    value       as sent, float64
    flag        QARTOD roll-up, uint8
    reasons     bit set of `telemetry.flags.Reason`, uint16
    received_ns when it reached us, ns since 1970, int64
    """

    series: I32
    time_ns: I64
    value: F64
    flag: U8
    reasons: U16
    received_ns: I64

    DTYPES: ClassVar[dict[str, Any]] = {
        "series": np.int32, "time_ns": np.int64, "value": np.float64,
        "flag": np.uint8, "reasons": np.uint16, "received_ns": np.int64,
    }  # fmt: skip


@dataclass(slots=True)
class Windows(Columns):
    """Aggregates of one resolution: a row per series and window that has readings.

    `count` to `p95` are over readings with flag 1, 2 or 3 and NaN (count 0) without any. `m2` is the sum of squared
    deviations from the mean, so that rows merge exactly; std = sqrt(m2 / count). `first` and `last` carry their event
    times for merging. `good` counts flags 1 and 2. `p50` and `p95` are NaN above the base window.
    `revision` is 0 at first and grows each time the row is published anew.
    """

    series: I32
    start_ns: I64
    count: I64
    mean: F64
    min: F64
    max: F64
    sum: F64
    m2: F64
    first: F64
    last: F64
    first_ns: I64
    last_ns: I64
    p50: F64
    p95: F64
    good: I64
    suspect: I64
    fail: I64
    missing: I64
    revision: I32

    DTYPES: ClassVar[dict[str, Any]] = {
        "series": np.int32, "start_ns": np.int64, "count": np.int64, "mean": np.float64, "min": np.float64,
        "max": np.float64, "sum": np.float64, "m2": np.float64, "first": np.float64, "last": np.float64,
        "first_ns": np.int64, "last_ns": np.int64, "p50": np.float64, "p95": np.float64, "good": np.int64,
        "suspect": np.int64, "fail": np.int64, "missing": np.int64, "revision": np.int32,
    }  # fmt: skip

    @property
    def std(self) -> F64:
        """Population standard deviation; NaN where count is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(self.m2 / self.count)


@dataclass(slots=True)
class Event:
    """A discrete event or a status change of a device; `body` is the JSON text that it sent."""

    pilot: str
    device: str
    time_ns: int
    received_ns: int
    kind: str
    key: str
    body: str
