"""Who may come in: time limits, rate limits, and the first of several readings of one series and time.

Order of duty: time stamps and rates are judged a record, then each reading is either *fresh* (newer than all of its
series so far, so it can be no duplicate), a repetition inside the group, or a *suspect*: no newer than the newest, to
be compared with what is already kept before anyone can say. Suspects are settled by `settle_suspects`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.decode import Decoded
from ingest.registry import Registry
from ingest.telemetry_json import fragment
from telemetry.columns import F64, I32, I64, Columns
from telemetry.reasons import Aside, Quarantined, Refused, Rejected
from telemetry.registry import SeriesTable

Mask = npt.NDArray[np.bool_]
#: "no reading yet"
NEVER: Final = np.iinfo(np.int64).min


@dataclass(slots=True)
class Arrivals(Columns):
    """Readings on their way in, not judged yet: series id, event time, value (NaN missing), receive time."""

    series: I32
    time_ns: I64
    value: F64
    received_ns: I64

    DTYPES = {"series": np.int32, "time_ns": np.int64, "value": np.float64, "received_ns": np.int64}  # noqa: RUF012


class Repeats(NamedTuple):
    """Which rows of a sorted set stand, which repeat the one that stands, which contradict it."""

    first: Mask
    duplicate: Mask
    conflict: Mask


class Limits(NamedTuple):
    """Admission limits; rates are messages a second for each device, `burst` how many it may send at once."""

    future_ns: int = 300 * 10**9
    device_messages_per_s: float = 2_000.0
    device_burst: float = 60_000.0


def first_stands(series: I32, time_ns: I64, value: F64) -> Repeats:
    """Find repetitions in rows sorted by series and time, ties in order of arrival: the first stands.

    >>> first_stands(np.int32([1, 1, 1]), np.int64([5, 5, 5]), np.float64([2, 2, 3])).conflict.tolist()
    [False, False, True]
    """
    repeated = np.zeros(len(series), np.bool_)
    np.logical_and(series[1:] == series[:-1], time_ns[1:] == time_ns[:-1], out=repeated[1:])
    first = ~repeated
    if first.all():
        return Repeats(first, repeated, repeated)
    standing = value[np.maximum.accumulate(np.where(first, np.arange(len(series)), 0))]
    same = (value == standing) | (np.isnan(value) & np.isnan(standing))
    return Repeats(first, repeated & same, repeated & ~same)


@dataclass(slots=True)
class Admitted:
    """What became of a group: rows sorted by series and time, suspects to be settled, repetitions counted."""

    fresh: Arrivals
    suspects: Arrivals
    duplicates: Arrivals


class Admission:
    """Keeps the newest event time of each series and each device's allowance. `newest_ns` is indexed by series id."""

    def __init__(self, registry: Registry, limits: Limits) -> None:
        self._registry = registry
        self._limits = limits
        self.newest_ns: I64 = np.full(max(registry.series.size, 1), NEVER, np.int64)
        self._tokens: F64 = np.full(max(len(registry.devices), 1), limits.device_burst, np.float64)
        self._filled_ns = 0
        self._max_age: I64 = np.empty(0, np.int64)

    def grow(self) -> None:
        """Follow the registry when series or devices were added."""
        missing = self._registry.series.size - len(self.newest_ns)
        if missing > 0:
            self.newest_ns = np.append(self.newest_ns, np.full(max(missing, 1024), NEVER, np.int64))
        devices = len(self._registry.devices)
        if devices > len(self._tokens):
            more = np.full(max(devices - len(self._tokens), 256), self._limits.device_burst)
            self._tokens = np.append(self._tokens, more)
        if devices > len(self._max_age):
            self._max_age = np.array([d.pilot.max_age_ns for d in self._registry.devices], np.int64)

    def admit(self, decoded: Decoded, now_ns: int) -> Admitted:
        """Admit a decoded group. What is refused or set aside is added to `decoded`'s own lists."""
        self.grow()
        # rates are those of arrival, so that a journal taken again after a crash gives the same answer
        arrived_ns = int(decoded.received_ns.max()) if len(decoded.received_ns) else now_ns
        keep = self._records_in_time(decoded, now_ns) & self._records_in_rate(decoded, arrived_ns)
        rows = _rows(decoded, keep)
        rows = rows.take(np.lexsort((rows.time_ns, rows.series)))
        repeats = first_stands(rows.series, rows.time_ns, rows.value)
        newer = rows.time_ns > self.newest_ns[rows.series]
        self._advance(rows)
        if repeats.first.all() and newer.all():
            return Admitted(rows, Arrivals.empty(), Arrivals.empty())
        conflict = repeats.conflict & newer
        decoded.asides.extend(conflict_asides(rows.take(conflict), self._registry.series))
        return Admitted(
            fresh=rows.take(repeats.first & newer),
            suspects=rows.take(~newer),
            duplicates=rows.take(repeats.duplicate & newer),
        )

    def _advance(self, rows: Arrivals) -> None:
        last = np.ones(len(rows), np.bool_)
        np.not_equal(rows.series[1:], rows.series[:-1], out=last[:-1])
        series = rows.series[last]
        self.newest_ns[series] = np.maximum(self.newest_ns[series], rows.time_ns[last])

    def _records_in_time(self, decoded: Decoded, now_ns: int) -> Mask:
        future = decoded.time_ns > now_ns + self._limits.future_ns
        old = decoded.time_ns < now_ns - self._max_age[decoded.device]
        if future.any() or old.any():
            self._set_aside(decoded, future, Quarantined.FUTURE, now_ns)
            self._set_aside(decoded, old, Quarantined.TOO_OLD, now_ns)
        return ~(future | old)

    def _set_aside(self, decoded: Decoded, which: Mask, reason: Quarantined, now_ns: int) -> None:
        ends = np.cumsum(decoded.count)
        for record in np.flatnonzero(which & (decoded.count > 0)).tolist():
            device = self._registry.devices[int(decoded.device[record])]
            span = slice(int(ends[record] - decoded.count[record]), int(ends[record]))
            ahead_s = (int(decoded.time_ns[record]) - now_ns) / 1e9
            where = f"{ahead_s:.0f} s ahead of us" if ahead_s > 0 else f"{-ahead_s:.0f} s behind us"
            detail = f"ts {ms(int(decoded.time_ns[record]))} is {where}"
            for series, value in zip(decoded.series[span].tolist(), decoded.value[span].tolist(), strict=True):
                name = self._registry.series.key(series).metric
                body = fragment(name, ms(int(decoded.time_ns[record])), _plain(value))
                decoded.asides.append(
                    Aside(device.pilot.id, device.id, _topic(device.pilot.id, device.id), reason, detail, body, 1,
                          int(decoded.received_ns[record]))
                )  # fmt: skip

    def _records_in_rate(self, decoded: Decoded, now_ns: int) -> Mask:
        limits = self._limits
        if self._filled_ns and limits.device_messages_per_s:
            earned = max(now_ns - self._filled_ns, 0) / 1e9 * limits.device_messages_per_s
            np.minimum(self._tokens + earned, limits.device_burst, out=self._tokens)
        self._filled_ns = now_ns
        allowed = np.ones(len(decoded.device), np.bool_)
        if not limits.device_messages_per_s or not len(allowed):
            return allowed
        asked = np.bincount(decoded.device, minlength=len(self._tokens))
        over = asked > self._tokens
        if over.any():
            allowed = _rank_within(decoded.device) < np.floor(self._tokens)[decoded.device]
            self._refuse(decoded, ~allowed)
        self._tokens -= np.minimum(asked, np.floor(self._tokens))
        return allowed

    def _refuse(self, decoded: Decoded, which: Mask) -> None:
        readings = np.bincount(decoded.device[which], weights=decoded.count[which])
        for index in np.flatnonzero(readings).tolist():
            pilot = self._registry.devices[index].pilot.id
            decoded.refused.append(Refused(pilot, Rejected.RATE_LIMITED, int(readings[index])))


def settle_suspects(known: Arrivals, suspects: Arrivals) -> tuple[Arrivals, Arrivals, Arrivals]:
    """Compare suspects with all that is `known` at their times: (new readings, duplicates, conflicts), each sorted.

    `known` may hold more than needed; ties are decided in favour of what is known, then by arrival.
    """
    rows = Arrivals.concat([known, suspects])
    order = np.lexsort((rows.time_ns, rows.series))
    rows = rows.take(order)
    suspect = order >= len(known)
    repeats = first_stands(rows.series, rows.time_ns, rows.value)
    return (
        rows.take(suspect & repeats.first),
        rows.take(suspect & repeats.duplicate),
        rows.take(suspect & repeats.conflict),
    )


def conflict_asides(rows: Arrivals, series: SeriesTable) -> list[Aside]:
    """Put conflicts in the form in which quarantine keeps them."""
    asides = []
    for row in range(len(rows)):
        key = series.key(int(rows.series[row]))
        value = _plain(float(rows.value[row]))
        body = fragment(key.metric, ms(int(rows.time_ns[row])), value)
        detail = f"{key.metric}: {value} after another value at the same time"
        asides.append(
            Aside(key.pilot, key.device, _topic(key.pilot, key.device), Quarantined.CONFLICT, detail, body, 1,
                  int(rows.received_ns[row]))
        )  # fmt: skip
    return asides


def ms(time_ns: int) -> int | float:
    """Milliseconds as devices write them: whole where they are whole."""
    return time_ns // 1_000_000 if time_ns % 1_000_000 == 0 else time_ns / 1e6


def _rows(decoded: Decoded, keep: Mask) -> Arrivals:
    whole = keep.all()
    count = decoded.count
    rows = Arrivals(
        decoded.series, np.repeat(decoded.time_ns, count), decoded.value, np.repeat(decoded.received_ns, count)
    )
    return rows if whole else rows.take(np.repeat(keep, count))


def _rank_within(device: I32) -> I64:
    order = np.argsort(device, kind="stable")
    ordered = device[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    rank = np.arange(len(device)) - np.repeat(starts, np.diff(np.append(starts, len(device))))
    out = np.empty(len(device), np.int64)
    out[order] = rank
    return out


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value


def _topic(pilot: str, device: str) -> str:
    return f"city/v1/{pilot}/{device}/telemetry"
