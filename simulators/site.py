"""A simulated district and its sensors: what the registry says, a random key for each, and room for shared days."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

from processing.pilot import Metric, Pilot
from simulators.noise import key_of

T = TypeVar("T")
_REMEMBERED: Final = 512


@dataclass(eq=False)
class Site:
    """One pilot under one seed. `remember` keeps what several sensors see alike (a storm, the day's trucks)."""

    pilot: Pilot
    seed: int
    _memory: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict, repr=False)

    @property
    def zone(self) -> str:
        """IANA time zone."""
        return self.pilot.head.timezone

    def key(self, *parts: str | int) -> int:
        """Random key of something that belongs to the whole district."""
        return key_of(self.seed, self.pilot.id, *parts)

    def remember(self, name: Hashable, make: Callable[[], T]) -> T:
        """Give what `make` gives, made once; the longest unused is forgotten, so a long feed stays small."""
        if name in self._memory:
            self._memory.move_to_end(name)
        else:
            self._memory[name] = make()
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)
        kept: T = self._memory[name]
        return kept

    @cached_property
    def sensors(self) -> list[Sensor]:
        """Every device of the registry, in its order."""
        return [self.sensor(name) for name in self.pilot.devices]

    def sensor(self, device: str, alias: str | None = None) -> Sensor:
        """One device of the registry, under a name of its own when `alias` is given."""
        registered = self.pilot.devices[device]
        kind = self.pilot.kinds[registered.kind]
        return Sensor(
            site=self,
            name=alias or device,
            kind=registered.kind,
            metrics=dict(kind.metrics),
            interval_ms=max(1, kind.interval_ns // 10**6),
            location=registered.location or self.pilot.head.centre,
            properties=dict(registered.properties),
        )


@dataclass(frozen=True, eq=False)
class Sensor:
    """One device: its place in the district, what it measures and how often."""

    site: Site
    name: str
    kind: str
    metrics: dict[str, Metric]
    interval_ms: int
    location: tuple[float, float]
    properties: dict[str, Any]

    def key(self, *parts: str | int) -> int:
        """Random key of something that belongs to this sensor alone."""
        return self.site.key("device", self.name, *parts)

    def number(self, name: str, otherwise: float) -> float:
        """A number among the properties, or `otherwise` when it is not there or no number."""
        value = self.properties.get(name, otherwise)
        return float(value) if isinstance(value, int | float) else otherwise

    def word(self, name: str) -> str:
        """A text among the properties, or the empty one."""
        value = self.properties.get(name, "")
        return value if isinstance(value, str) else ""
