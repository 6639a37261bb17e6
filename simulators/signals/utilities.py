"""Street lights, waste bins and water meters: the municipal round of lamps lit, bins emptied, water drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump, sun_hours
from simulators.noise import F64, I64, normal, once, uniform
from simulators.signals import atmosphere
from simulators.signals.totals import running_total
from simulators.site import Sensor

LIGHT_UNITS: Final = {"power": "W", "on": "1", "energy": "kW.h"}
BIN_UNITS: Final = {"distance": "mm", "tilt": "deg", "temperature": "Cel"}
WATER_UNITS: Final = {"volume": "m3"}

_ROUNDS_BACK: Final = 5  # five rounds missed in a row: once in 300,000 days
_DIM_FROM_H, _DIM_TO_H, _DIM_SHARE = 23.0, 4.5, 0.6


def light(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Power, lit or not, and the energy meter: lit from dusk to dawn, dimmed in the small hours."""
    rated = sensor.number("rated_w", 100.0)
    rise, fall = _lit_hours(at.day, sensor.location[0])
    lit = (at.hour < rise) | (at.hour >= fall)
    dim = (at.hour >= _DIM_FROM_H) | (at.hour < _DIM_TO_H)
    load = rated * np.where(dim, _DIM_SHARE, 1.0) * (1.0 + 0.01 * normal(sensor.key("power"), at.ms // 1000))
    energy = running_total(at.day, lambda day: rated * _lit_equivalent_h(day, sensor.location[0], np.float64(24.0)))
    today = rated * _lit_equivalent_h(at.day, sensor.location[0], at.hour)
    return {"power": np.where(lit, load, 0.4), "on": lit.astype(np.float64), "energy": (energy + today) / 1000.0}


def _lit_hours(day: I64, latitude: float) -> tuple[F64, F64]:
    rise, fall = sun_hours(day, latitude)
    return rise - 0.15, fall + 0.15


def _lit_equivalent_h(day: I64, latitude: float, hour: F64 | np.float64) -> F64:
    """Hours at full power burnt between midnight and `hour`: dimmed, full till dawn, dark, full from dusk, dimmed."""
    rise, fall = _lit_hours(day, latitude)
    dimmed = np.minimum(hour, _DIM_TO_H) + np.maximum(0.0, hour - _DIM_FROM_H)
    dawn = np.clip(np.minimum(hour, rise) - _DIM_TO_H, 0.0, None)
    dusk = np.clip(np.minimum(hour, _DIM_FROM_H) - fall, 0.0, None)
    return np.asarray(_DIM_SHARE * dimmed + dawn + dusk, dtype=np.float64)


def waste_bin(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Distance from the lid to the waste, tilt and heat: fills with the visitors, emptied early most mornings."""
    depth, offset = sensor.number("depth_mm", 1200.0), sensor.number("offset_mm", 100.0)
    fill = np.clip(_fill(sensor, at), 0.0, 0.97)
    distance = offset + depth * (1.0 - fill) + 4.0 * normal(sensor.key("distance"), at.ms // 1000)
    tilt = np.round(2.0 + uniform(sensor.key("tilt"), at.ms // 3_600_000) * 2.0)
    heat = atmosphere.air_temperature(sensor, at) + 4.0 * bump(at.hour, 14.0, 2.5)
    return {"distance": distance, "tilt": tilt, "temperature": heat}


def _fill(sensor: Sensor, at: Instants) -> F64:
    """Share filled since the last emptying; a morning's round is missed now and then."""
    per_day = 0.38 + 0.34 * once(sensor.key("filling"))
    filled = at.day + _filled_by(at.hour)
    emptied = np.full(at.ms.shape, -np.inf)
    for back in range(_ROUNDS_BACK):
        day = at.day - back
        done = (back > 0) | (at.hour >= _emptied_h(sensor, day))
        emptied = np.where(
            done & ~_missed(sensor, day), np.maximum(emptied, day + _filled_by(_emptied_h(sensor, day))), emptied
        )
    return np.asarray(per_day * (filled - emptied), dtype=np.float64)


def _filled_by(hour: F64) -> F64:
    return np.interp(
        hour, [0.0, 6.0, 9.0, 13.0, 16.0, 18.0, 22.0, 24.0], [0.0, 0.05, 0.14, 0.38, 0.48, 0.58, 0.93, 1.0]
    )


def _emptied_h(sensor: Sensor, day: I64) -> F64:
    return 4.5 + 1.5 * uniform(sensor.key("round"), day)


def _missed(sensor: Sensor, day: I64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(uniform(sensor.key("missed"), day) < 0.08)


def water(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """The water meter's reading, m3: more on hot days, most in the morning and evening, never backwards."""
    usual = sensor.number("typical_m3_per_day", 10.0)

    def of_days(day: I64) -> F64:
        return np.asarray(usual * (0.85 + 0.3 * uniform(sensor.key("use"), day)), dtype=np.float64)

    start = 400.0 + 3000.0 * once(sensor.key("start"))
    return {"volume": start + running_total(at.day, of_days) + of_days(at.day) * _drawn_by(at.hour)}


def _drawn_by(hour: F64) -> F64:
    return np.interp(
        hour,
        [0.0, 2.0, 4.0, 6.0, 9.0, 12.0, 16.0, 18.0, 21.0, 24.0],
        [0, 0.01, 0.015, 0.08, 0.3, 0.48, 0.62, 0.72, 0.92, 1],
    )
