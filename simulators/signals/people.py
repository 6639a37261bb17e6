"""Car parks, crowds and road traffic: the day of a souq, with its evening and its Friday."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump
from simulators.noise import F64, normal, smooth, uniform, wander
from simulators.signals.air import rush
from simulators.site import Sensor

PARKING_UNITS: Final = {"occupied": "1", "total": "1", "out_of_service": "1"}
CROWD_UNITS: Final = {"people": "1", "inflow": "1", "outflow": "1"}
TRAFFIC_UNITS: Final = {"vehicles": "1", "speed": "km/h", "occupancy": "%"}


def visitors(sensor: Sensor, at: Instants) -> F64:
    """Share of a full house in [0, 1]: mornings and above all evenings; Friday morning is quiet, its evening full."""
    morning = 0.45 * bump(at.hour, 10.5, 1.5) * (1.0 - 0.7 * at.friday)
    evening = (0.75 + 0.2 * at.weekend) * bump(at.hour, 19.8, 2.1)
    office = 0.5 * bump(at.hour, 11.0, 2.8) * (1.0 - at.weekend) if sensor.word("zone") == "port" else 0.0
    mood = 1.0 + 0.07 * wander(sensor.key("mood"), at.seconds, 9_000.0)
    return np.clip((0.03 + morning + evening + office) * mood, 0.0, 1.0)


def parking(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Spaces occupied, in all, and out of service; occupied + out of service never exceeds the total."""
    total = sensor.number("total", 120.0)
    broken = np.floor(0.03 * total * uniform(sensor.key("broken"), at.day))
    wobble = 1.2 * smooth(sensor.key("occupied"), at.seconds, 240.0)
    occupied = np.clip(np.round((total - broken) * visitors(sensor, at) + wobble), 0.0, total - broken)
    return {"occupied": occupied, "total": np.full(at.ms.shape, total), "out_of_service": broken}


def crowd(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """People in view, and those who came and went since the last report."""
    crowded = sensor.number("area_m2", 1000.0) * 0.55
    share = visitors(sensor, at)
    before = _earlier(sensor, at)
    people = np.round(crowded * share + 1.5 * smooth(sensor.key("people"), at.seconds, 90.0))
    stay_s = 1_200.0
    through = crowded * share * sensor.interval_ms / 1000.0 / stay_s
    change = crowded * (share - before)
    noise = 0.8 * normal(sensor.key("flow"), at.ms // 1000)
    return {
        "people": np.maximum(0.0, people),
        "inflow": np.maximum(0.0, np.round(through + change / 2 + noise)),
        "outflow": np.maximum(0.0, np.round(through - change / 2 + noise)),
    }


def _earlier(sensor: Sensor, at: Instants) -> F64:
    before = Instants(ms=at.ms - sensor.interval_ms, day=at.day, hour=at.hour - sensor.interval_ms / 3_600_000.0)
    return visitors(sensor, before)


def traffic(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """Vehicles since the last report, their mean speed and the road's occupancy (Greenshields' line, HRB 1935)."""
    lanes, free_km_h = sensor.number("lanes", 2.0), sensor.number("limit_km_h", 60.0)
    load = np.clip(rush(at) * (1.0 + 0.10 * wander(sensor.key("load"), at.seconds, 1_800.0)), 0.01, 1.0)
    mean = lanes * 22.0 * load * sensor.interval_ms / 60_000.0
    vehicles = np.maximum(0.0, np.round(mean + np.sqrt(mean) * 0.8 * normal(sensor.key("vehicles"), at.ms // 1000)))
    speed = free_km_h * (1.0 - 0.45 * load) + 2.0 * normal(sensor.key("speed"), at.ms // 1000)
    occupancy = 1.0 + 34.0 * load**1.4 + 0.6 * normal(sensor.key("occupancy"), at.ms // 1000)
    return {"vehicles": vehicles, "speed": np.clip(speed, 5.0, 120.0), "occupancy": np.clip(occupancy, 0.0, 85.0)}
