"""The newest reading of every series, by event time: what screens show first."""

from __future__ import annotations

import numpy as np

from telemetry.columns import I32, Readings


class LatestTable:
    """One row per series id; `rows.time_ns` is 0 where no reading came yet."""

    def __init__(self) -> None:
        self.rows = Readings.empty()

    def grow(self, size: int) -> None:
        """Make room for series up to `size`."""
        more = size - len(self.rows)
        if more > 0:
            blank = Readings(**{name: np.zeros(more, dtype) for name, dtype in Readings.DTYPES.items()})
            self.rows = Readings.concat([self.rows, blank])

    def update(self, readings: Readings) -> I32:
        """Take readings sorted by series and time; gives the series whose newest reading changed."""
        if not len(readings):
            return readings.series
        last = np.ones(len(readings), np.bool_)
        np.not_equal(readings.series[1:], readings.series[:-1], out=last[:-1])
        newest = readings.take(last)
        newer = newest.time_ns >= self.rows.time_ns[newest.series]
        if not newer.all():
            newest = newest.take(newer)
        for name in list(Readings.DTYPES)[1:]:
            getattr(self.rows, name)[newest.series] = getattr(newest, name)
        return newest.series
