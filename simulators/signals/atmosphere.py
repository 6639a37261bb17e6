"""Weather of a district: one sky over all its stations, each with a little of its own."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump
from simulators.noise import F64, normal, smooth, uniform, wander
from simulators.site import Sensor

UNITS: Final = {
    "temperature": "Cel",
    "humidity": "%",
    "pressure": "hPa",
    "wind_speed": "m/s",
    "wind_direction": "deg",
    "rain": "L/m2",
}


def air_temperature(sensor: Sensor, at: Instants) -> F64:
    """Celsius: a warm season, the warmest hour at 15, spells of some days; both districts lie at sea level."""
    spell = 1.6 * wander(sensor.site.key("temperature"), at.seconds, 200_000.0)
    day = 5.0 * np.cos(2.0 * np.pi * (at.hour - 15.0) / 24.0)
    own = 0.3 * smooth(sensor.key("temperature"), at.seconds, 1_500.0)
    return np.asarray(27.6 + 6.5 * at.summer + day + spell + own, dtype=np.float64)


def humidity(sensor: Sensor, at: Instants) -> F64:
    """Percent: falls as the day warms, with the sea's moisture coming and going."""
    sea = 9.0 * wander(sensor.site.key("humidity"), at.seconds, 90_000.0)
    day = -14.0 * np.cos(2.0 * np.pi * (at.hour - 15.0) / 24.0)
    own = 1.0 * smooth(sensor.key("humidity"), at.seconds, 2_000.0)
    return np.clip(56.0 + day + sea + own, 8.0, 98.0)


def pressure(sensor: Sensor, at: Instants) -> F64:
    """hPa: high in winter, with the twice-daily tide of the tropics, highest at 10 and 22."""
    tide = 1.3 * np.cos(2.0 * np.pi * (at.hour - 10.0) / 12.0)
    weather = 2.2 * smooth(sensor.site.key("pressure"), at.seconds, 260_000.0)
    own = 0.05 * normal(sensor.key("pressure"), at.ms // 1000)
    return np.asarray(1009.0 - 6.0 * at.summer + tide + weather + own, dtype=np.float64)


def wind_speed(sensor: Sensor, at: Instants) -> F64:
    """m/s: the sea breeze of the afternoon and gusts, never below calm."""
    breeze = 1.2 + 3.2 * bump(at.hour, 15.0, 3.2)
    gusts = np.exp(0.30 * wander(sensor.site.key("wind"), at.seconds, 7_200.0))
    own = 0.2 * normal(sensor.key("wind"), at.ms // 1000)
    return np.clip(breeze * gusts + own, 0.0, 30.0)


def wind_direction(sensor: Sensor, at: Instants) -> F64:
    """Degrees clockwise from north in [0, 360): land breeze by night, sea breeze by day, turning through north."""
    sea = np.clip(np.sin(2.0 * np.pi * (at.hour - 8.0) / 24.0), -1.0, 1.0)
    turn = 20.0 + 55.0 * sea + 35.0 * wander(sensor.site.key("direction"), at.seconds, 9_000.0)
    return np.asarray(np.round(turn + 5.0 * normal(sensor.key("direction"), at.ms // 1000)) % 360.0, dtype=np.float64)


def rain(sensor: Sensor, at: Instants) -> F64:
    """L/m2 since the last report: a shower on about one day in twenty-five, none else."""
    wet = uniform(sensor.site.key("shower"), at.day) < 0.04
    start = 24.0 * uniform(sensor.site.key("shower hour"), at.day)
    per_hour = 9.0 * np.exp(-0.5 * ((at.hour - start) / 0.4) ** 2)
    depth = per_hour * sensor.interval_ms / 3_600_000.0
    return np.where(wet & (depth > 0.005), depth, 0.0)


def values(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """All metrics of a weather station at those instants."""
    return {
        "temperature": air_temperature(sensor, at),
        "humidity": humidity(sensor, at),
        "pressure": pressure(sensor, at),
        "wind_speed": wind_speed(sensor, at),
        "wind_direction": wind_direction(sensor, at),
        "rain": rain(sensor, at),
    }
