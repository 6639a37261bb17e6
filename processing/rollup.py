"""Longer windows that grow with their base windows: one open window per series, everything older is merged anew.

In order, a base window is merged into the open one and costs nothing more. Out of order (late data, after a restart)
the longer window is worked out again from all its base windows, which the caller recalls from the store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processing.windows import group_starts, merge
from telemetry.columns import I32, I64, Windows

Mask = npt.NDArray[np.bool_]
NEVER = np.iinfo(np.int64).min
#: what is published of an ended window may lag behind its readings by so much
MOST_DIRTY_NS = 3 * 10**9
#: base windows of one series that are merged one after another; more are sorted and merged together
_MOST_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Pairs:
    """(series, window start) pairs as two columns, unique and sorted."""

    series: I32
    start_ns: I64

    @classmethod
    def of(cls, series: I32, start_ns: I64) -> Pairs:
        """Make unique, sorted pairs."""
        order = np.lexsort((start_ns, series))
        series, start_ns = series[order], start_ns[order]
        keep = np.ones(len(series), np.bool_)
        keep[1:] = (series[1:] != series[:-1]) | (start_ns[1:] != start_ns[:-1])
        return cls(series[keep].astype(np.int32), start_ns[keep])

    def __len__(self) -> int:
        return len(self.start_ns)

    def plus(self, other: Pairs) -> Pairs:
        """Union of both."""
        return Pairs.of(np.append(self.series, other.series), np.append(self.start_ns, other.start_ns))

    def minus(self, other: Pairs) -> Pairs:
        """These without those of `other`."""
        keep = ~in_pairs(self.series, self.start_ns, other)
        return Pairs(self.series[keep], self.start_ns[keep])

    def floor(self, span_ns: int) -> Pairs:
        """The longer windows in which these start."""
        return Pairs.of(self.series, floor_to(self.start_ns, span_ns))


NO_PAIRS = Pairs(np.empty(0, np.int32), np.empty(0, np.int64))


def floor_to(time_ns: I64, span_ns: int) -> I64:
    """Start of the aligned window of each time."""
    return time_ns - time_ns % span_ns


def waited(since_ns: I64, now_ns: int, most_ns: int) -> Mask:
    """Tell what has waited long enough; a clock that stepped back counts as waited."""
    return (since_ns <= now_ns - most_ns) | (since_ns > now_ns + most_ns)


def in_pairs(series: I32, start_ns: I64, pairs: Pairs) -> Mask:
    """Tell which rows are one of `pairs`.

    >>> in_pairs(np.int32([1, 1]), np.int64([0, 60_000_000]), Pairs(np.int32([1]), np.int64([60_000_000]))).tolist()
    [False, True]
    """
    return _find(series, start_ns, pairs.series, pairs.start_ns) >= 0


def match_rows(rows: Windows, others: Windows) -> I64:
    """Index into `others` (sorted) of the row with the same series and start, -1 where there is none."""
    return _find(rows.series, rows.start_ns, others.series, others.start_ns)


def _find(series: I32, start_ns: I64, in_series: I32, in_start_ns: I64) -> I64:
    if not len(in_series) or not len(series):
        return np.full(len(series), -1, np.int64)
    sought, known = _key(series, start_ns), _key(in_series, in_start_ns)
    at = np.minimum(np.searchsorted(known, sought), len(known) - 1)
    return np.where(known[at] == sought, at, -1)


def _key(series: I32, start_ns: I64) -> I64:
    # windows start at whole ms, 43 bits until 2248; 20 bits hold a million series
    return (series.astype(np.int64) << 43) + start_ns // 1_000_000


class Rollup:
    """The open windows of one length, a row per series id; `dirty` ones hold more than was published of them.

    An open row's `revision` is the one that its next publication will carry.
    """

    def __init__(self, span_ns: int) -> None:
        self.span_ns = span_ns
        self.open = Windows.empty()
        self.dirty: Mask = np.zeros(0, np.bool_)
        self.dirty_since_ns: I64 = np.zeros(0, np.int64)
        #: windows that must be worked out from their base windows as soon as these can be recalled
        self.pending = NO_PAIRS

    def grow(self, size: int) -> None:
        """Make room for series up to `size`."""
        more = size - len(self.open)
        if more > 0:
            self.dirty_since_ns = np.append(self.dirty_since_ns, np.zeros(more, np.int64))
            blank = {name: np.zeros(more, dtype) for name, dtype in Windows.DTYPES.items()}
            blank["start_ns"] = np.full(more, NEVER, np.int64)
            self.open = Windows.concat([self.open, Windows(**blank)])
            self.dirty = np.append(self.dirty, np.zeros(more, np.bool_))

    def in_order(self, base: Windows, emitted_ns: I64) -> Mask:
        """Tell which base windows can be merged into open or new windows.

        `emitted_ns` is, a row, the newest base window published of its series before this settling.
        """
        parent = floor_to(base.start_ns, self.span_ns)
        growing = (self.open.start_ns[base.series] == parent) & (base.start_ns > emitted_ns)
        in_order: Mask = (parent > emitted_ns) | growing
        return in_order

    def absorb(self, base: Windows, now_ns: int) -> Windows:
        """Merge base windows that are in order (sorted by series and start); gives the rows that are complete.

        The newest window of each series stays open; `due` gives it when it has ended.
        """
        if not len(base):
            return Windows.empty()
        starts = group_starts(base.series)
        rank = np.arange(len(base)) - np.repeat(starts, np.diff(np.append(starts, len(base))))
        rounds = int(rank.max()) + 1
        if rounds > _MOST_ROUNDS:
            return self._absorb_many(base, now_ns)
        return Windows.concat([self._absorb_one_each(base.take(rank == r), now_ns) for r in range(rounds)])

    def _absorb_one_each(self, base: Windows, now_ns: int) -> Windows:
        # one row a series: no sorting, and only rows that grow are merged
        series, parent = base.series, floor_to(base.start_ns, self.span_ns)
        grows = self.open.start_ns[series] == parent
        closes = series[~grows & self.dirty[series]]
        closed = self.open.take(closes)
        closed.series = closes
        fresh = base.take(~grows)
        fresh.start_ns = parent[~grows]
        fresh.revision = np.zeros(len(fresh), np.int32)
        held = self.open.take(series[grows])
        held.series = series[grows]
        grown = merge(_interleaved(held, base.take(grows)), np.repeat(parent[grows], 2))
        grown.revision = held.revision
        for rows in (fresh, grown):
            rows.p50, rows.p95 = np.full((2, len(rows)), np.nan)
            self._hold(rows, np.ones(len(rows), np.bool_), now_ns)
        return closed

    def _absorb_many(self, base: Windows, now_ns: int) -> Windows:
        involved = base.series[group_starts(base.series)]
        involved = involved[self.open.start_ns[involved] != NEVER]
        held = self.open.take(involved)
        held.series = involved
        rows = Windows.concat([held, base])
        start = np.append(held.start_ns, floor_to(base.start_ns, self.span_ns))
        order = np.lexsort((rows.start_ns, start, rows.series))
        rows, start, is_held = rows.take(order), start[order], order < len(held)
        starts = group_starts(rows.series, start)
        merged = merge(rows, start)
        merged.revision = np.maximum.reduceat(np.where(is_held, rows.revision, 0), starts).astype(np.int32)
        news = np.append(self.dirty[involved], np.ones(len(base), np.bool_))[order]
        changed = np.logical_or.reduceat(news, starts)
        newest = np.append(merged.series[1:] != merged.series[:-1], True)
        self._hold(merged.take(newest), changed[newest], now_ns)
        return merged.take(changed & ~newest)

    def due(self, watermark_ns: int, now_ns: int, growing: Mask) -> Windows:
        """Give the open windows that have ended and hold more than was published of them.

        `growing` (a row per series) names series whose next readings are about to come: theirs wait a little longer,
        so that a backfill does not publish one window many times over.
        """
        series = np.flatnonzero(self.dirty & (self.open.start_ns <= watermark_ns - self.span_ns)).astype(np.int32)
        ripe = ~growing[series] | waited(self.dirty_since_ns[series], now_ns, MOST_DIRTY_NS)
        return self._publish(series[ripe])

    def ended_pending(self, watermark_ns: int) -> Pairs:
        """Windows put off earlier that have ended by now."""
        ended = self.pending.start_ns <= watermark_ns - self.span_ns
        return Pairs(self.pending.series[ended], self.pending.start_ns[ended])

    def remake(self, base: Windows, published: Windows, now_ns: int) -> Windows:
        """Work windows out anew from all their base windows (sorted); gives the rows to publish now.

        `published` holds what was published of them. Rows that come out as they were are not published again.
        """
        rows = merge(base, floor_to(base.start_ns, self.span_ns))
        if not len(rows):
            return rows
        self.pending = self.pending.minus(Pairs(rows.series, rows.start_ns))
        before = match_rows(rows, published)
        known = before >= 0
        rows.revision[known] = published.revision[before[known]] + 1
        changed = ~known
        changed[known] = ~_same(rows.take(known), published.take(before[known]))
        newest = np.append(rows.series[1:] != rows.series[:-1], True)
        newest &= rows.start_ns >= self.open.start_ns[rows.series]
        overtaken = newest & self.dirty[rows.series] & (rows.start_ns > self.open.start_ns[rows.series])
        late = rows.series[overtaken]
        self.pending = self.pending.plus(Pairs(late, self.open.start_ns[late]))
        self._hold(rows.take(newest), changed[newest], now_ns)
        return rows.take(changed & ~newest)

    def _hold(self, rows: Windows, dirty: Mask, now_ns: int) -> None:
        series = rows.series
        same = self.dirty[series] & (self.open.start_ns[series] == rows.start_ns)
        self.dirty_since_ns[series[~same]] = now_ns
        index = series.astype(np.intp)
        for name in Windows.DTYPES:
            getattr(self.open, name)[index] = getattr(rows, name)
        self.dirty[series] = dirty

    def _publish(self, series: I32) -> Windows:
        rows = self.open.take(series)
        rows.series = series
        self.dirty[series] = False
        self.open.revision[series] += 1
        return rows


def _interleaved(first: Windows, second: Windows) -> Windows:
    columns = {name: np.stack([getattr(first, name), getattr(second, name)], axis=1).ravel() for name in Windows.DTYPES}
    return Windows(**columns)


def _same(rows: Windows, others: Windows) -> Mask:
    same = np.ones(len(rows), np.bool_)
    for name in ("count", "min", "max", "first", "last", "good", "suspect", "fail", "missing"):
        mine, theirs = getattr(rows, name), getattr(others, name)
        same &= (mine == theirs) | ((mine != mine) & (theirs != theirs))
    for name in ("sum", "m2"):
        mine, theirs = getattr(rows, name), getattr(others, name)
        same &= np.isclose(mine, theirs, rtol=1e-12, atol=0.0, equal_nan=True)
    return same
