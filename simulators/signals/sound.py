"""Noise meters: traffic and people, the calls to prayer, the horn of a ship now and then."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulators.daytime import Instants, bump
from simulators.noise import F64, normal, smooth, uniform
from simulators.signals.air import rush
from simulators.site import Sensor

UNITS: Final = {"laeq": "dB[SPL]", "lamax": "dB[SPL]"}
_PRAYERS_H: Final = (5.1, 12.2, 15.4, 18.1, 19.4)  # Muscat at the equinox; near enough for a noise level


def _call_to_prayer(at: Instants) -> F64:
    calls = [bump(at.hour, hour, 0.05) for hour in _PRAYERS_H]
    return np.asarray(np.max(calls, axis=0), dtype=np.float64)


def values(sensor: Sensor, at: Instants) -> dict[str, F64]:
    """LAeq and LAmax of the reporting interval, dB(A)."""
    souq = bump(at.hour, 20.0, 2.0) + 0.6 * bump(at.hour, 10.5, 1.6)
    bustle = souq if sensor.word("zone") == "souq" else rush(at)
    level = 47.0 + 17.0 * np.sqrt(bustle) + 9.0 * _call_to_prayer(at)
    laeq = (
        level + 1.2 * smooth(sensor.key("level"), at.seconds, 700.0) + 0.7 * normal(sensor.key("laeq"), at.ms // 1000)
    )
    peak = uniform(sensor.key("peak"), at.ms // 1000)
    horn = 14.0 * (uniform(sensor.site.key("horn"), at.ms // 60_000) > 0.9985)
    laeq = np.clip(laeq, 34.0, 105.0)
    return {"laeq": laeq, "lamax": np.clip(laeq + 5.0 + 11.0 * peak**2 + horn, 36.0, 125.0)}
