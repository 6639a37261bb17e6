"""A signal for any metric that no model knows: inside its gross range, with a day, a drift and a little noise."""

from __future__ import annotations

import numpy as np

from processing.pilot import Metric
from simulators.daytime import Instants
from simulators.noise import F64, normal, once, wander
from simulators.site import Sensor


def span(metric: Metric) -> tuple[float, float]:
    """The quarter of the metric's usual range in which its signal lives, round the range's middle.

    The suspect span counts before the fail span; a metric without either lives between 0 and 100.
    """
    limits = metric.gross_range
    low, high = (limits and (limits.suspect or limits.fail)) or (0.0, 100.0)
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    return middle - half / 4, middle + half / 4


def values(sensor: Sensor, name: str, metric: Metric, at: Instants) -> F64:
    """One metric at those instants, always inside `span`."""
    low, high = span(metric)
    key = sensor.key("generic", name)
    peak_h = 24.0 * once(key)
    day = 0.5 * np.cos(2.0 * np.pi * (at.hour - peak_h) / 24.0)
    slow = 0.20 * wander(key, at.seconds, 40.0 * sensor.interval_ms / 1000.0)
    noise = 0.03 * normal(key, at.ms)
    share = np.clip(0.5 + 0.5 * (day + slow + noise), 0.0, 1.0)
    return np.asarray(low + (high - low) * share, dtype=np.float64)
