"""Which model speaks for which kind of device.

A metric that its kind's model does not know, or knows in another unit, gets the generic signal, so a pilot that is only
a `signals.toml` has one too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from processing.pilot import Metric
from simulators.daytime import Instants, instants
from simulators.noise import F64, I64
from simulators.signals import air, atmosphere, flood, gates, generic, passages, people, sound, utilities
from simulators.site import Sensor

Values = Callable[[Sensor, Instants], dict[str, F64]]


def _never(_sensor: Sensor, _from_ms: int, _to_ms: int) -> I64:
    return np.empty(0, np.int64)


def _nothing(_sensor: Sensor, _from_ms: int, _to_ms: int) -> list[passages.Event]:
    return []


@dataclass(frozen=True)
class Model:
    """A kind's model: its metrics with their units, and what it does besides measuring at regular intervals."""

    units: dict[str, str]
    values: Values
    booleans: frozenset[str] = frozenset()
    extra_reports_ms: Callable[[Sensor, int, int], I64] = _never
    events: Callable[[Sensor, int, int], list[passages.Event]] = _nothing


MODELS: Final[dict[str, Model]] = {
    "air_quality": Model(air.UNITS, air.values),
    "crowd": Model(people.CROWD_UNITS, people.crowd),
    "gate": Model(gates.GATE_UNITS, gates.gate),
    "lane": Model(gates.LANE_UNITS, gates.lane, frozenset({"boom_open"}), events=passages.events_between),
    "noise": Model(sound.UNITS, sound.values),
    "parking": Model(people.PARKING_UNITS, people.parking),
    "rain_gauge": Model(flood.RAIN_UNITS, flood.rain_gauge, frozenset({"boot"}), flood.rain_gauge_reports_ms),
    "stage_gauge": Model(flood.STAGE_UNITS, flood.stage_gauge),
    "street_light": Model(utilities.LIGHT_UNITS, utilities.light, frozenset({"on"})),
    "traffic": Model(people.TRAFFIC_UNITS, people.traffic),
    "waste_bin": Model(utilities.BIN_UNITS, utilities.waste_bin),
    "water_meter": Model(utilities.WATER_UNITS, utilities.water),
    "weather": Model(atmosphere.UNITS, atmosphere.values),
    "yard": Model(gates.YARD_UNITS, gates.yard),
}
_UNKNOWN: Final = Model({}, lambda _sensor, _at: {})


def model_of(sensor: Sensor) -> Model:
    """The model of a sensor's kind; one that knows nothing when the kind is new or shares no metric with it."""
    model = MODELS.get(sensor.kind, _UNKNOWN)
    return model if any(_knows(model, name, metric) for name, metric in sensor.metrics.items()) else _UNKNOWN


def _knows(model: Model, name: str, metric: Metric) -> bool:
    return model.units.get(name) == metric.unit


def measure(sensor: Sensor, ms: I64) -> dict[str, F64]:
    """What a sensor measures at instants `ms` (UTC, shape (n,)): a column of shape (n,) for each metric it reports."""
    at, model = instants(ms, sensor.site.zone), model_of(sensor)
    modelled = model.values(sensor, at)
    columns: dict[str, F64] = {}
    for name, metric in sensor.metrics.items():
        if not _knows(model, name, metric):
            columns[name] = generic.values(sensor, name, metric, at)
        elif name in modelled:
            columns[name] = modelled[name]
    return columns
