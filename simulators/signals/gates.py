"""What gates, lanes and yards report of the working day's trucks: counters, queues, barriers, trucks inside."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants
from simulators.noise import F64, I64
from simulators.signals.trucks import TruckDay, together, truck_day, trucks_before, working_days
from simulators.site import Sensor

GATE_UNITS: Final = {"counter_in": "1", "counter_out": "1", "queue": "1"}
LANE_UNITS: Final = {"queue": "1", "boom_open": "1", "passages": "1", "service_s": "s"}
YARD_UNITS: Final = {"inside": "1", "occupancy": "%"}

BOOM_UP_MS, BOOM_DOWN_MS = 8_000, 6_000
_WAY_TO_YARD_MS: Final = 300_000


def _trucks(sensor: Sensor, at: Instants) -> tuple[TruckDay, int]:
    """Trucks that may be about at those instants, and how many there were before all of them."""
    days = working_days(int(at.ms.min()), int(at.ms.max()), sensor.site)
    site = sensor.site
    trucks = site.remember(("trucks", days), lambda: together([truck_day(site, day) for day in days]))
    return trucks, site.remember(("before", days[0]), lambda: trucks_before(site, days[0]))


def _passed(times: I64, ms: I64) -> I64:
    """How many of `times` lie at or before each instant."""
    return np.searchsorted(np.sort(times, kind="stable"), ms, side="right")


def _between(begin: I64, end: I64, ms: I64) -> F64:
    """How many of the stretches [begin, end) hold each instant."""
    return (_passed(begin, ms) - _passed(end, ms)).astype(np.float64)


def gate(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Counters since installation and the trucks that wait."""
    trucks, before = _trucks(sensor, at)
    return {
        "counter_in": (before + _passed(trucks.gate_in, at.ms)).astype(np.float64),
        "counter_out": (before + _passed(trucks.gate_out, at.ms)).astype(np.float64),
        "queue": _between(trucks.join, trucks.service, at.ms),
    }


def lane(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Trucks called to the lane, barrier, trucks passed since the last report, and the last one's service time."""
    trucks, _ = _trucks(sensor, at)
    waits, begins, passes = _lane_times(sensor, trucks)
    order = np.argsort(passes)
    passes, takes_s = passes[order], (passes - begins)[order] / 1000.0
    last = np.searchsorted(passes, at.ms, side="right") - 1
    none = np.zeros(at.ms.shape)
    return {
        "queue": _between(waits, begins, at.ms),
        "boom_open": np.minimum(1.0, _between(passes - BOOM_UP_MS, passes + BOOM_DOWN_MS, at.ms)),
        "passages": (_passed(passes, at.ms) - _passed(passes, at.ms - sensor.interval_ms)).astype(np.float64),
        "service_s": np.where(last >= 0, takes_s[np.maximum(last, 0)], none) if len(passes) else none,
    }


def _lane_times(sensor: Sensor, trucks: TruckDay) -> tuple[I64, I64, I64]:
    """When each truck of a lane came to it, when its service began and when it passed."""
    entry, leave = trucks.entry_lane == sensor.name, trucks.exit_lane == sensor.name
    return (
        np.concatenate([trucks.called[entry], trucks.at_exit[leave]]),
        np.concatenate([trucks.service[entry], trucks.exit_service[leave]]),
        np.concatenate([trucks.gate_in[entry], trucks.gate_out[leave]]),
    )


def yard(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Trucks inside and the share of the places that they take."""
    trucks, _ = _trucks(sensor, at)
    if sensor.word("role") == "staging":
        inside = _between(trucks.join, trucks.called, at.ms)
    else:
        here = trucks.yard == sensor.name
        inside = _between(trucks.gate_in[here] + _WAY_TO_YARD_MS, trucks.at_exit[here] - _WAY_TO_YARD_MS, at.ms)
    return {"inside": inside, "occupancy": 100.0 * inside / max(1.0, sensor.number("capacity", 100.0))}
