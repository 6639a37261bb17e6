"""Air quality stations: traffic's rush hours, ozone made by the sun, dust in spells."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump
from simulators.noise import F64, normal, smooth, wander
from simulators.signals import atmosphere
from simulators.site import Sensor

UNITS: Final = {
    "pm25": "ug/m3",
    "pm10": "ug/m3",
    "no2": "ug/m3",
    "so2": "ug/m3",
    "o3": "ug/m3",
    "co": "ug/m3",
    "temperature": "Cel",
    "humidity": "%",
}


def rush(at: Instants) -> F64:
    """Share of the busiest traffic: morning and evening peaks, no morning rush at the weekend."""
    morning = bump(at.hour, 7.6, 1.2) * (1.0 - 0.65 * at.weekend)
    evening = bump(at.hour, 18.5, 2.4)
    return np.asarray(0.12 + 0.55 * morning + 0.62 * evening + 0.3 * bump(at.hour, 13.0, 2.5), dtype=np.float64)


def _dust(sensor: Sensor, at: Instants) -> F64:
    spell = wander(sensor.site.key("dust"), at.seconds, 130_000.0)
    own = smooth(sensor.key("dust"), at.seconds, 2_400.0)
    return np.asarray(np.exp(0.40 * spell + 0.08 * own), dtype=np.float64)


def _jitter(sensor: Sensor, metric: str, at: Instants, share: float) -> F64:
    return np.asarray(1.0 + share * normal(sensor.key(metric), at.ms // 1000), dtype=np.float64)


def values(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """All metrics of an air station; particles and gases in ug/m3."""
    road = rush(at) * (1.0 if sensor.properties.get("roadside") else 0.7)
    dust = _dust(sensor, at)
    calm = np.exp(0.22 * wander(sensor.site.key("mixing"), at.seconds, 20_000.0))
    sun = np.clip(np.cos(2.0 * np.pi * (at.hour - 14.0) / 24.0), 0.0, 1.0)
    pm25 = (13.0 * dust + 11.0 * road) * _jitter(sensor, "pm25", at, 0.03)
    pm10 = pm25 + (34.0 * dust + 9.0 * road) * _jitter(sensor, "pm10", at, 0.04)
    gases = {
        "no2": (9.0 + 46.0 * road) * calm * _jitter(sensor, "no2", at, 0.04),
        "so2": (5.0 + 5.0 * road) * calm * _jitter(sensor, "so2", at, 0.05),
        "o3": (34.0 + 62.0 * sun - 14.0 * road) * _jitter(sensor, "o3", at, 0.02),
        "co": (260.0 + 620.0 * road) * calm * _jitter(sensor, "co", at, 0.03),
    }
    weather = {
        "temperature": atmosphere.air_temperature(sensor, at),
        "humidity": atmosphere.humidity(sensor, at),
    }
    return {"pm25": pm25, "pm10": pm10} | {name: np.maximum(0.0, gas) for name, gas in gases.items()} | weather
