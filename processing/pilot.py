"""What a pilot is: the tables of `signals.toml` as types. `processing.signals` reads and checks the file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from telemetry.durations import duration_ns


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text for people in both languages."""

    en: str
    ar: str


class PilotHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[pilot]` table. `centre` is (latitude, longitude); durations are written like `10s`, `5m`, `1h`, `400d`."""

    id: str
    name: Text
    timezone: str
    centre: tuple[float, float]
    accept_unregistered: bool = False
    base_window: str = "10s"
    max_age: str = "400d"
    live_horizon: str = "15m"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Inclusive spans of the gross range test, in the metric's unit."""

    fail: tuple[float, float] | None = None
    suspect: tuple[float, float] | None = None


class SpikeLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of the differential spike test, in the metric's unit."""

    suspect: float | None = None
    fail: float | None = None


class RateLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of the rate of change test, in the metric's unit per second."""

    suspect: float | None = None
    fail: float | None = None


class FlatLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Flat line test: durations, the tolerance in the metric's unit, and the value above which it applies."""

    tolerance: float
    suspect: str | None = None
    fail: str | None = None
    only_above: float | None = None


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric of a kind of device. `unit` is UCUM; `codes` maps magic values to what they mean."""

    name: Text
    unit: str
    decimals: int = 2
    gross_range: Limits | None = None
    spike: SpikeLimits | None = None
    rate_of_change: RateLimits | None = None
    flat_line: FlatLine | None = None
    codes: dict[str, str] = {}


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of device: how often it reports, when it counts as silent, what it measures."""

    name: Text
    interval: str
    stale_after: str
    metrics: dict[str, Metric] = {}

    @property
    def stale_after_ns(self) -> int:
        """Silence after which the state is unknown, ns."""
        return duration_ns(self.stale_after)

    @property
    def interval_ns(self) -> int:
        """Time between two reports, ns."""
        return duration_ns(self.interval)


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A registered device. `location` is (latitude, longitude); `properties` are the pilot's own (areas, heights)."""

    kind: str
    name: Text
    location: tuple[float, float] | None = None
    properties: dict[str, Any] = {}


Level = Literal["WARNING", "MINOR", "MAJOR", "CRITICAL"]


class AlarmRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A threshold rule; the alarm engine walks it over every series of `kind` and `metric`."""

    id: str
    name: Text
    kind: str
    metric: str
    when: Literal["above", "below"]
    levels: dict[Level, float]
    hysteresis: float = 0.0
    confirm: int = 2
    clear_after: str = "5m"
    guidance: Text | None = None


class Pilot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole pilot as its folder declares it."""

    head: PilotHead
    kinds: dict[str, Kind]
    devices: dict[str, Device]
    alarms: list[AlarmRule] = []

    @property
    def id(self) -> str:
        """Identifier as in topics and paths."""
        return self.head.id

    @property
    def base_window_ns(self) -> int:
        """Length of the base window, ns."""
        return duration_ns(self.head.base_window)

    @property
    def max_age_ns(self) -> int:
        """Age past which a reading is refused as too old, ns."""
        return duration_ns(self.head.max_age)
