"""Event-time windows of all series: which readings wait, which windows are due, which must be worked out anew.

A settling goes in steps, so that the caller can fetch what is asked for in between, and this core does no I/O:

1. `readings_wanted`  which base windows, already published, are touched by what came: recall their readings
2. `close`            new readings in, due base windows out
3. `base_wanted`      which longer windows cannot grow in order: recall their base windows
4. `roll`             everything to be published
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from processing.rollup import NEVER, NO_PAIRS, Pairs, Rollup, floor_to, in_pairs, match_rows, waited
from processing.windows import HOUR_NS, MINUTE_NS, aggregate, by_series_and_time
from telemetry.columns import I32, I64, Readings, Windows
from telemetry.ports import Resolution

#: the newest window of a series waits so long for its next reading, though it has ended: readings that come in bursts
#: of old time stamps would otherwise revise it again and again
HOLD_NS = 3 * 10**9 // 2


class Waiting(NamedTuple):
    """Readings of windows that are not published yet, and the start of each one's base window."""

    readings: Readings
    start_ns: I64


@dataclass(slots=True)
class Closed:
    """What `close` hands to `roll`: base windows worked out, and which of them were published before."""

    base: Windows
    emitted_ns: I64
    revised: Pairs
    hours: Pairs
    remake: dict[Resolution, Pairs] = field(default_factory=dict)
    put_off: bool = False


class WindowEngine:
    """State of all windows. Arrays are indexed by series id; `emitted_ns` is the newest base window published."""

    def __init__(self) -> None:
        self.base_ns: I64 = np.empty(0, np.int64)
        self.emitted_ns: I64 = np.empty(0, np.int64)
        self.waiting: list[Waiting] = []
        #: newest base window with readings, and since when its unpublished ones wait
        self.newest_ns: I64 = np.empty(0, np.int64)
        self.held_since_ns: I64 = np.empty(0, np.int64)
        self.rollups: dict[Resolution, Rollup] = {"1m": Rollup(MINUTE_NS), "1h": Rollup(HOUR_NS)}

    def grow(self, size: int, base_ns: int) -> None:
        """Make room for series up to `size`, new ones with this base window."""
        more = size - len(self.base_ns)
        if more > 0:
            self.base_ns = np.append(self.base_ns, np.full(more, base_ns, np.int64))
            self.emitted_ns = np.append(self.emitted_ns, np.full(more, NEVER, np.int64))
            self.newest_ns = np.append(self.newest_ns, np.full(more, NEVER, np.int64))
            self.held_since_ns = np.append(self.held_since_ns, np.zeros(more, np.int64))
            for rollup in self.rollups.values():
                rollup.grow(size)

    def start_of(self, series: I32, time_ns: I64) -> I64:
        """Base window in which each reading lies."""
        return time_ns - time_ns % self.base_ns[series]

    def readings_wanted(self, series: I32, time_ns: I64) -> Pairs:
        """Base windows of these readings that were published already."""
        start = self.start_of(series, time_ns)
        touched = start <= self.emitted_ns[series]
        return Pairs.of(series[touched], start[touched]) if touched.any() else NO_PAIRS

    def waiting_of(self, series: I32) -> Readings:
        """Readings of unpublished windows of these series: known, though no store has their windows yet."""
        parts = [part.readings.take(np.isin(part.readings.series, series)) for part in self.waiting]
        return Readings.concat([part for part in parts if len(part)])

    def wait(self, readings: Readings) -> None:
        """Put readings of unpublished windows among those that wait."""
        if len(readings):
            self.waiting.append(Waiting(readings, self.start_of(readings.series, readings.time_ns)))

    def close(self, parts: list[Readings], recalled: Readings, watermark_ns: int, now_ns: int) -> Closed:
        """Take new readings (parts, each sorted by series and time); work out the base windows that are due or touched.

        `recalled` holds all earlier readings of the windows that `readings_wanted` named for them. Windows are due
        when they end before `watermark_ns` and their series has gone on, or nothing came for `HOLD_NS`.
        """
        revised = NO_PAIRS
        rows = []
        for part in parts:
            start = self.start_of(part.series, part.time_ns)
            touched = start <= self.emitted_ns[part.series]
            self._note_newest(part, start, now_ns)
            if touched.any():
                revised = revised.plus(Pairs.of(part.series[touched], start[touched]))
                rows.append(Waiting(part.take(touched), start[touched]))
                self.waiting.append(Waiting(part.take(~touched), start[~touched]))
            else:
                self.waiting.append(Waiting(part, start))
        if len(revised):
            start = self.start_of(recalled.series, recalled.time_ns)
            known = in_pairs(recalled.series, start, revised)
            rows.append(Waiting(recalled.take(known), start[known]))
        rows.extend(self._take_due(watermark_ns, now_ns))
        readings = Readings.concat([part.readings for part in rows])
        start = np.concatenate([part.start_ns for part in rows]) if rows else np.empty(0, np.int64)
        order = by_series_and_time(readings.series, readings.time_ns)
        base = aggregate(readings.take(order), start[order])
        emitted = self.emitted_ns[base.series]
        np.maximum.at(self.emitted_ns, base.series, base.start_ns)
        return Closed(base, emitted, revised, NO_PAIRS)

    def _note_newest(self, new: Readings, start_ns: I64, now_ns: int) -> None:
        last = np.ones(len(new), np.bool_)
        np.not_equal(new.series[1:], new.series[:-1], out=last[:-1])
        series, start_ns = new.series[last], start_ns[last]
        newer = start_ns > self.newest_ns[series]
        self.newest_ns[series[newer]] = start_ns[newer]
        self.held_since_ns[series[newer]] = now_ns

    def _take_due(self, watermark_ns: int, now_ns: int) -> list[Waiting]:
        idle = waited(self.held_since_ns, now_ns, HOLD_NS)
        due: list[Waiting] = []
        waiting: list[Waiting] = []
        for part in self.waiting:
            series, start = part.readings.series, part.start_ns
            ended = start + self.base_ns[series] <= watermark_ns
            ended &= (start < self.newest_ns[series]) | idle[series]
            if ended.all():
                due.append(part)
            elif ended.any():
                due.append(Waiting(part.readings.take(ended), start[ended]))
                waiting.append(Waiting(part.readings.take(~ended), start[~ended]))
            else:
                waiting.append(part)
        self.waiting = waiting
        return due

    def base_wanted(self, closed: Closed, watermark_ns: int) -> Pairs:
        """Hours whose base windows `roll` needs from the store; empty when everything is in order."""
        base = closed.base
        hours = closed.revised.floor(HOUR_NS)
        for name, rollup in self.rollups.items():
            odd = ~rollup.in_order(base, closed.emitted_ns)
            parent = floor_to(base.start_ns, rollup.span_ns)
            wanted = Pairs.of(base.series[odd], parent[odd]).plus(rollup.ended_pending(watermark_ns))
            closed.remake[name] = wanted
            hours = hours.plus(wanted.floor(HOUR_NS))
        closed.hours = hours
        return hours

    def roll(
        self, closed: Closed, base: Windows, published: dict[Resolution, Windows], watermark_ns: int, now_ns: int
    ) -> dict[Resolution, Windows]:
        """Give every window to be published, by resolution.

        `base` and `published` are the windows that the store has of the hours named by `base_wanted`.
        """
        fresh = closed.base
        _count_revisions(fresh, base, closed.revised)
        whole = fresh
        if len(base):
            kept = base.take(~in_pairs(base.series, base.start_ns, Pairs(fresh.series, fresh.start_ns)))
            whole = Windows.concat([kept, fresh])
            whole = whole.take(np.lexsort((whole.start_ns, whole.series)))
        out: dict[Resolution, Windows] = {"base": fresh}
        growing = ~waited(self.held_since_ns, now_ns, HOLD_NS)
        for name, rollup in self.rollups.items():
            again = closed.remake[name]
            in_order, parts = fresh, Windows.empty()
            if len(again):
                parent = floor_to(fresh.start_ns, rollup.span_ns)
                in_order = fresh.take(~in_pairs(fresh.series, parent, again))
                parts = whole.take(in_pairs(whole.series, floor_to(whole.start_ns, rollup.span_ns), again))
            rows = [rollup.absorb(in_order, now_ns)]
            if len(again) and not closed.put_off:
                rows.append(rollup.remake(parts, published.get(name, Windows.empty()), now_ns))
            rows.append(rollup.due(watermark_ns, now_ns, growing))
            out[name] = _last_of_each(Windows.concat(rows))
        return out

    def put_off(self, closed: Closed) -> None:
        """Remember the longer windows that cannot be worked out while the store is away."""
        for name, rollup in self.rollups.items():
            rollup.pending = rollup.pending.plus(closed.remake[name])
        closed.put_off = True

    @property
    def next_due_ns(self) -> int | None:
        """Earliest end of a window with readings that wait, or None when nothing waits."""
        ends = [int((p.start_ns + self.base_ns[p.readings.series]).min()) for p in self.waiting if len(p.start_ns)]
        for rollup in self.rollups.values():
            if rollup.dirty.any():
                ends.append(int(rollup.open.start_ns[rollup.dirty].min()) + rollup.span_ns)
            if len(rollup.pending):
                ends.append(int(rollup.pending.start_ns.min()) + rollup.span_ns)
        return min(ends, default=None)


def _count_revisions(fresh: Windows, stored: Windows, revised: Pairs) -> None:
    again = in_pairs(fresh.series, fresh.start_ns, revised)
    if not again.any():
        return
    before = match_rows(fresh, stored)
    known = again & (before >= 0)
    fresh.revision[known] = stored.revision[before[known]] + 1


def _last_of_each(rows: Windows) -> Windows:
    if not len(rows):
        return rows
    order = np.lexsort((np.arange(len(rows)), rows.start_ns, rows.series))
    rows = rows.take(order)
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (rows.series[1:] != rows.series[:-1]) | (rows.start_ns[1:] != rows.start_ns[:-1])
    return rows if last.all() else rows.take(last)
