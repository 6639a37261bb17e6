"""Rain over the district as a list of storms, a few hours each, and the flood that each sends down a wadi.

A storm at a place is its depth times a cumulative gamma curve, so rain, bucket tips and stage are closed forms of time.
The physics (rain cells, runoff, routing) comes with the flood issue; here a storm only looks like one. Storms come more
often than Aqaba's few wet days a year, so that there is something to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulators.daytime import local_ms
from simulators.noise import F64, I64, key_of, once, uniform
from simulators.site import Sensor, Site

TIP_MM: Final = 0.2
_WET_MONTHS_SHARE, _DRY_MONTHS_SHARE = 0.22, 0.03
_LONGEST_H: Final = 6.0
_STEEPNESS: Final = 6.0
_END: Final = 1.0 - (1.0 + _STEEPNESS) * np.exp(-_STEEPNESS)


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm over the district: it begins, lasts, and brings `depth_mm` where it is heaviest."""

    day: int
    start_ms: int
    duration_ms: int
    depth_mm: float


def storm_of(site: Site, day: int) -> Storm | None:
    """The storm that begins on a local day, if one does."""
    return site.remember(("storm", day), lambda: _draw(site, day))


def _draw(site: Site, day: int) -> Storm | None:
    if not storm_days(site, np.array([day], dtype=np.int64))[0]:
        return None
    start_h, length, heaviness = uniform(site.key("storm", day), np.arange(3))
    start = local_ms(day, 24.0 * float(start_h), site.zone)
    hours = 0.8 + (_LONGEST_H - 0.8) * float(length)
    return Storm(day, start, round(hours * 3_600_000), 4.0 + 30.0 * float(heaviness) ** 2)


def storm_days(site: Site, days: I64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Tell on which local days a storm begins: October to April more often than in summer."""
    season = days % 365.2425
    share = np.where((season < 120) | (season > 273), _WET_MONTHS_SHARE, _DRY_MONTHS_SHARE)
    return np.asarray(uniform(site.key("storm days"), days) < share)


def storms_between(site: Site, first_day: int, last_day: int) -> list[Storm]:
    """Storms that begin on the local days from the first to the last, both included."""
    days = np.arange(first_day, last_day + 1)
    found = [storm_of(site, int(day)) for day in days[storm_days(site, days)]]
    return [storm for storm in found if storm]


def local_depth_mm(storm: Storm, gauge: Sensor) -> float:
    """What a storm brings to one gauge in all, mm: a desert storm is narrow, so places differ much."""
    share = once(key_of(gauge.key("storm share"), storm.day))
    return storm.depth_mm * (0.15 + 0.85 * share)


def fallen_mm(storm: Storm, gauge: Sensor, ms: I64) -> F64:
    """Rain at a gauge since the storm's beginning, mm: the cumulative gamma curve of order 2."""
    begun = storm.start_ms + 600_000 * float(uniform(gauge.key("arrival"), np.array([storm.day], dtype=np.int64))[0])
    x = np.clip((ms - begun) / storm.duration_ms, 0.0, 1.0) * _STEEPNESS
    share = (1.0 - (1.0 + x) * np.exp(-x)) / _END
    return np.asarray(local_depth_mm(storm, gauge) * share, dtype=np.float64)


def tip_times_ms(storm: Storm, gauge: Sensor) -> I64:
    """Instants at which the bucket tips during a storm, ms, ascending."""
    grid = np.arange(storm.start_ms, storm.start_ms + storm.duration_ms + 660_000, 1_000, dtype=np.int64)
    fallen = fallen_mm(storm, gauge, grid)
    levels = TIP_MM * np.arange(1, int(fallen[-1] / TIP_MM + 1e-9) + 1)
    return np.asarray(np.interp(levels, fallen, grid), dtype=np.int64)


def flood_m(storm: Storm, lag_min: float, ms: I64) -> F64:
    """Depth of the flood that a storm sends past a stage gauge, m: nothing from light rain, then a steep rise."""
    peak = 0.11 * max(0.0, storm.depth_mm - 9.0) ** 0.8
    x = np.maximum(0.0, (ms - storm.start_ms - lag_min * 60_000.0) / 2_700_000.0)
    return np.asarray(np.where(x < 12.0, peak * x**2 * np.exp(2.0 * (1.0 - x)), 0.0), dtype=np.float64)
