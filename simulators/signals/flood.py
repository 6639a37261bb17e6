"""Rain gauges with their bucket counters and stage gauges over a wadi bed that is dry most of the year."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump, instants, local_ms
from simulators.noise import F64, I64, normal, smooth, uniform
from simulators.signals.storms import flood_m, storms_between, tip_times_ms
from simulators.site import Sensor

RAIN_UNITS: Final = {"tips": "1", "boot": "1", "battery_v": "V"}
STAGE_UNITS: Final = {"stage": "m", "distance": "mm", "battery_v": "V"}
_COUNTER: Final = 65_536
_BOOT_EVERY_DAYS: Final = 45
_FLOOD_DAYS: Final = 2


def boots_ms(sensor: Sensor, first_day: int, last_day: int) -> I64:
    """Restarts of a rain gauge on the local days from the first to the last, ms: one in each stretch of 45 days."""
    stretches = np.arange(first_day // _BOOT_EVERY_DAYS, last_day // _BOOT_EVERY_DAYS + 1)
    days = stretches * _BOOT_EVERY_DAYS + np.int64(_BOOT_EVERY_DAYS * uniform(sensor.key("boot day"), stretches))
    hours = 24.0 * uniform(sensor.key("boot hour"), stretches)
    zone = sensor.site.zone
    times = [local_ms(int(day), float(hour), zone) for day, hour in zip(days, hours, strict=True)]
    return np.asarray([t for t, day in zip(times, days, strict=True) if first_day <= day <= last_day], dtype=np.int64)


def tips_ms(sensor: Sensor, first_day: int, last_day: int) -> I64:
    """Instants of every bucket tip of storms that begin on those local days, ms, ascending."""
    storms = storms_between(sensor.site, first_day, last_day)
    tips = [_tips_of(sensor, storm.day) for storm in storms]
    return np.sort(np.concatenate([np.empty(0, np.int64), *tips]))


def _tips_of(sensor: Sensor, day: int) -> I64:
    def count() -> I64:
        (storm,) = storms_between(sensor.site, day, day)
        return tip_times_ms(storm, sensor)

    return sensor.site.remember(("tips", sensor.name, day), count)


def rain_gauge(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """The 16-bit tip counter since the last restart, the restart mark and the battery."""
    first, last = int(at.day.min()), int(at.day.max())
    boots = boots_ms(sensor, first - 2 * _BOOT_EVERY_DAYS, last)
    tips = tips_ms(sensor, first - 2 * _BOOT_EVERY_DAYS - 1, last)
    booted = boots[np.maximum(0, np.searchsorted(boots, at.ms, side="right") - 1)]
    counted = np.searchsorted(tips, at.ms, side="right") - np.searchsorted(tips, booted, side="right")
    return {
        "tips": (counted % _COUNTER).astype(np.float64),
        "boot": np.isin(at.ms, boots).astype(np.float64),
        "battery_v": battery(sensor, at),
    }


def rain_gauge_reports_ms(sensor: Sensor, from_ms: int, to_ms: int) -> I64:
    """Instants in [from_ms, to_ms) at which a rain gauge reports out of turn: at each tip and at each restart."""
    day = instants(np.array([from_ms, to_ms], dtype=np.int64), sensor.site.zone).day
    first, last = int(day[0]), int(day[1])
    times = np.union1d(tips_ms(sensor, first - 1, last), boots_ms(sensor, first, last))
    return times[(times >= from_ms) & (times < to_ms)]


def battery(sensor: Sensor, at: Instants) -> F64:
    """A 12 V battery under a solar panel: up by noon, down till dawn, V."""
    level = 12.4 + 0.9 * bump(at.hour, 12.5, 2.8) - 0.25 * bump(at.hour, 5.0, 3.0)
    return np.asarray(level + 0.06 * smooth(sensor.key("battery"), at.seconds, 7_200.0), dtype=np.float64)


def stage_gauge(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Stage over the dry bed, and for ultrasonic sensors the distance that they measured, warm air misleading them."""
    storms = storms_between(sensor.site, int(at.day.min()) - _FLOOD_DAYS, int(at.day.max()))
    lag_min = sensor.number("lag_min", 60.0)
    water = sum((flood_m(storm, lag_min, at.ms) for storm in storms), np.zeros(at.ms.shape))
    warmth = 0.004 * bump(at.hour, 14.0, 3.0) - 0.002
    ripple = 0.03 * np.tanh(water) * normal(sensor.key("ripple"), at.ms // 1000)
    stage = np.maximum(-0.015, water + warmth + ripple + 0.0015 * normal(sensor.key("echo"), at.ms // 1000))
    measured = {"stage": stage, "battery_v": battery(sensor, at)}
    if sensor.word("sensor") == "ultrasonic":
        measured["distance"] = 1000.0 * (sensor.number("sensor_height_m", 4.0) - stage)
    return measured
