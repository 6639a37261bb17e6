"""Aggregates of readings and of windows: the exact kernels, without state.

`aggregate` makes base windows from readings, `merge` makes longer windows from shorter ones. Means and deviations
merge by Chan, Golub and LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances* (1979).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from telemetry.columns import F64, I32, I64, Readings, Windows
from telemetry.flags import Flag, usable

MINUTE_NS: Final = 60 * 10**9
HOUR_NS: Final = 3600 * 10**9
_NO_TIME: Final = np.iinfo(np.int64).max


def group_starts(*keys: npt.NDArray[np.generic]) -> I64:
    """Give the index of the first row of each run of equal keys; rows are sorted by the keys.

    >>> group_starts(np.int32([1, 1, 2]), np.int64([0, 10, 10])).tolist()
    [0, 1, 2]
    """
    changed = np.zeros(len(keys[0]), np.bool_)
    if len(changed):
        changed[0] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(changed)


def by_series_and_time(series: I32, time_ns: I64) -> I64:
    """Give the order that sorts distinct rows by series and time; one sort of packed keys where they fit.

    >>> by_series_and_time(np.int32([2, 1, 1]), np.int64([5, 9, 7])).tolist()
    [2, 1, 0]
    """
    if not len(series):
        return np.empty(0, np.int64)
    first = int(time_ns.min())
    if int(time_ns.max()) - first < 1 << 42 and int(series.max()) < 1 << 21:
        return np.argsort((series.astype(np.int64) << 42) + (time_ns - first))
    return np.lexsort((time_ns, series))


def aggregate(readings: Readings, start_ns: I64) -> Windows:
    """Aggregate readings sorted by series and time into their windows; `start_ns` is each reading's window.

    Gives one row per series and window with readings, sorted; every figure as described at `Windows`.
    Percentiles by linear interpolation, as numpy's default.

    >>> r = Readings(np.int32([0, 0]), np.int64([1, 2]), np.array([1.0, 3.0]), np.uint8([1, 1]), np.uint16([0, 0]),
    ...              np.int64([1, 2]))
    >>> w = aggregate(r, np.int64([0, 0])); w.mean.tolist(), w.std.tolist(), w.p50.tolist()
    ([2.0], [1.0], [2.0])
    """
    starts = group_starts(readings.series, start_ns)
    windows = _blank(readings.series[starts], start_ns[starts])
    if not len(starts):
        return windows
    flag = readings.flag
    windows.suspect = _count(flag == Flag.SUSPECT, starts)
    windows.fail = _count(flag == Flag.FAIL, starts)
    windows.missing = _count(flag == Flag.MISSING, starts)
    size = np.diff(np.append(starts, len(flag)))
    windows.good = size - windows.suspect - windows.fail - windows.missing
    windows.count = windows.good + windows.suspect
    _fill_values(windows, readings, usable(flag), np.repeat(np.arange(len(starts)), size))
    return windows


def _fill_values(windows: Windows, readings: Readings, counted: npt.NDArray[np.bool_], group: I64) -> None:
    value, time_ns = readings.value, readings.time_ns
    if not counted.all():
        value, time_ns, group = value[counted], time_ns[counted], group[counted]
    if not len(value):
        return
    starts = group_starts(group)
    where, count = group[starts], np.diff(np.append(starts, len(value)))
    last = starts + count - 1
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduceat(value, starts)
        mean = total / count
        deviation = value - np.repeat(mean, count)
        windows.sum[where], windows.mean[where] = total, mean
        windows.m2[where] = np.add.reduceat(deviation * deviation, starts)
    windows.min[where], windows.max[where] = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
    windows.first[where], windows.last[where] = value[starts], value[last]
    windows.first_ns[where], windows.last_ns[where] = time_ns[starts], time_ns[last]
    ordered = value if int(count.max()) == 1 else value[np.lexsort((value, group))]
    windows.p50[where] = _percentile(ordered, starts, count, 0.50)
    windows.p95[where] = _percentile(ordered, starts, count, 0.95)


def _percentile(ordered: F64, starts: I64, count: I64, share: float) -> F64:
    position = (count - 1) * share
    below = np.floor(position).astype(np.int64)
    low, high = ordered[starts + below], ordered[starts + np.minimum(below + 1, count - 1)]
    between: F64 = low + (high - low) * (position - below)
    return between


def merge(parts: Windows, start_ns: I64) -> Windows:
    """Merge windows sorted by series and start into longer ones; `start_ns` is the longer window of each part.

    The result's `revision` is 0 and its percentiles NaN: they cannot be merged.
    """
    starts = group_starts(parts.series, start_ns)
    whole = _blank(parts.series[starts], start_ns[starts])
    if not len(starts):
        return whole
    for name in ("count", "good", "suspect", "fail", "missing"):
        setattr(whole, name, np.add.reduceat(getattr(parts, name), starts))
    size = np.diff(np.append(starts, len(parts)))
    whole.min, whole.max = np.fmin.reduceat(parts.min, starts), np.fmax.reduceat(parts.max, starts)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        _merge_moments(whole, parts, starts, size)
    _merge_ends(whole, parts, starts, size)
    return whole


def _merge_moments(whole: Windows, parts: Windows, starts: I64, size: I64) -> None:
    filled = parts.count > 0
    total = np.add.reduceat(np.where(filled, parts.sum, 0.0), starts)
    mean = total / whole.count
    shift = parts.mean - np.repeat(mean, size)
    spread = np.where(filled, parts.m2 + parts.count * shift * shift, 0.0)
    empty = whole.count == 0
    whole.sum, whole.mean = np.where(empty, np.nan, total), np.where(empty, np.nan, mean)
    whole.m2 = np.where(empty, np.nan, np.add.reduceat(spread, starts))


def _merge_ends(whole: Windows, parts: Windows, starts: I64, size: I64) -> None:
    filled = parts.count > 0
    whole.first_ns = np.minimum.reduceat(np.where(filled, parts.first_ns, _NO_TIME), starts)
    whole.last_ns = np.maximum.reduceat(np.where(filled, parts.last_ns, -1), starts)
    opens = filled & (parts.first_ns == np.repeat(whole.first_ns, size))
    closes = filled & (parts.last_ns == np.repeat(whole.last_ns, size))
    owner = np.repeat(np.arange(len(starts)), size)
    whole.first[owner[opens]] = parts.first[opens]
    whole.last[owner[closes]] = parts.last[closes]
    empty = whole.count == 0
    whole.first_ns[empty] = whole.last_ns[empty] = 0


def _count(which: npt.NDArray[np.bool_], starts: I64) -> I64:
    if not which.any():
        return np.zeros(len(starts), np.int64)
    return np.add.reduceat(which.astype(np.int64), starts)


def _blank(series: I32, start_ns: I64) -> Windows:
    columns: dict[str, Any] = {"series": series, "start_ns": start_ns}
    for name, dtype in Windows.DTYPES.items():
        if name not in columns:
            columns[name] = np.full(len(series), np.nan) if dtype is np.float64 else np.zeros(len(series), dtype)
    return Windows(**columns)
