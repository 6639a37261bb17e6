"""Windows of one reading, told by that reading: five columns say what nineteen would repeat.

Most sensors report once a minute or less, so most of their short windows hold one reading. Outbox and history keep
such windows (not revised ones) narrow, and every reader gets them back in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from telemetry.columns import F64, I32, I64, U8, Columns, Windows
from telemetry.flags import Flag


@dataclass(slots=True)
class Singles(Columns):
    """Windows of one reading: its series, the window's start, its time (0 unless usable), value and flag."""

    series: I32
    start_ns: I64
    time_ns: I64
    value: F64
    flag: U8

    DTYPES: ClassVar[dict[str, Any]] = {
        "series": np.int32, "start_ns": np.int64, "time_ns": np.int64, "value": np.float64, "flag": np.uint8,
    }  # fmt: skip


def split(windows: Windows) -> tuple[Windows, Singles]:
    """Part windows into those of several readings (or revised) and those of one."""
    one = (windows.count + windows.fail + windows.missing == 1) & (windows.revision == 0)
    if not one.any():
        return windows, Singles.empty()
    w = windows.take(one)
    flag = np.full(len(w), Flag.PASS, np.uint8)
    for name in (Flag.SUSPECT, Flag.FAIL, Flag.MISSING):
        flag[getattr(w, name.name.lower()) == 1] = name
    return windows.take(~one), Singles(w.series, w.start_ns, w.first_ns, w.first, flag)


def expand(singles: Singles, with_percentiles: bool) -> Windows:
    """Give windows of one reading in full; `with_percentiles` for the base window, which has them.

    >>> one = Singles(np.int32([3]), np.int64([0]), np.int64([7]), np.array([2.5]), np.uint8([3]))
    >>> w = expand(one, True); w.mean.tolist(), w.p95.tolist(), w.suspect.tolist(), w.good.tolist()
    ([2.5], [2.5], [1], [0])
    """
    value, flag = singles.value, singles.flag
    usable = flag <= Flag.SUSPECT
    percentile = value if with_percentiles else np.full(len(value), np.nan)
    return Windows(
        series=singles.series,
        start_ns=singles.start_ns,
        count=usable.astype(np.int64),
        mean=value,
        min=value,
        max=value,
        sum=value,
        m2=np.where(usable, 0.0, np.nan),
        first=value,
        last=value,
        first_ns=singles.time_ns,
        last_ns=singles.time_ns,
        p50=percentile,
        p95=percentile,
        good=(flag <= Flag.NOT_EVALUATED).astype(np.int64),
        suspect=(flag == Flag.SUSPECT).astype(np.int64),
        fail=(flag == Flag.FAIL).astype(np.int64),
        missing=(flag == Flag.MISSING).astype(np.int64),
        revision=np.zeros(len(value), np.int32),
    )
