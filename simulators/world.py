"""The feed of whole districts: every device's messages in order of time, for as long as one asks.

    for message in feed(pilot, seed=1, start_ms=1_772_352_000_000, duration_s=3600):
        ...

Same pilot, seed, start, duration, devices and faults: the same bytes, at any speed, on any machine.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from processing.pilot import Pilot
from simulators.device import Device
from simulators.faults import known
from simulators.message import Message, status
from simulators.site import Sensor, Site

_LONGEST_MS, _SHORTEST_MS = 3_600_000, 1_000
_AT_ONCE: Final = 20_000
_ORDER = attrgetter("at_ms")


def feed(
    pilot: Pilot,
    seed: int = 0,
    start_ms: int = 0,
    duration_s: float | None = None,
    devices: int | None = None,
    faults: Iterable[str] = (),
) -> Iterator[Message]:
    """Give a district's messages in [start, start + duration) by time; endless without a duration.

    `devices` takes only so many of the registry, or adds copies of its devices when it has fewer. Every device begins
    with its status `online`, retained. Messages that a fault delays past the end still come. ValueError when a fault is
    unknown, `devices` below 1, or the duration not positive.
    """
    broken = known(faults)
    if duration_s is not None and not duration_s > 0:
        raise ValueError(f"a duration of {duration_s:g} s is no stretch of time; give more than 0 s")
    fleet = [Device(sensor, start_ms, broken) for sensor in sensors_of(Site(pilot, seed), devices)]
    end_ms = None if duration_s is None else start_ms + round(duration_s * 1000)
    return _in_order(fleet, start_ms, end_ms)


def feeds(
    pilots: Iterable[Pilot],
    seed: int = 0,
    start_ms: int = 0,
    duration_s: float | None = None,
    devices: int | None = None,
    faults: Iterable[str] = (),
) -> Iterator[Message]:
    """Give the messages of several districts as one feed, by time."""
    broken = known(faults)
    each = [feed(pilot, seed, start_ms, duration_s, devices, broken) for pilot in pilots]
    return heapq.merge(*each, key=_ORDER)


def sensors_of(site: Site, devices: int | None) -> list[Sensor]:
    """The first `devices` sensors of a site, all when None; beyond the registry, copies named `name-x2` and so on."""
    names = list(site.pilot.devices)
    if devices is None or not names:
        return list(site.sensors)
    if devices < 1:
        raise ValueError(f"{devices} devices can send nothing; give 1 or more")
    rounds = itertools.count(1)
    copies = ((name, name if lap == 1 else f"{name[:58]}-x{lap}") for lap in rounds for name in names)
    return [site.sensor(name, alias) for name, alias in itertools.islice(copies, devices)]


def _in_order(fleet: list[Device], start_ms: int, end_ms: int | None) -> Iterator[Message]:
    """Work stretch by stretch; what a fault delays waits in `ahead` until its time has come."""
    stretch_ms = _stretch_ms(fleet)
    ahead = [status(d.sensor.site.pilot.id, d.sensor.name, True, start_ms) for d in fleet]
    for from_ms, to_ms in _stretches(start_ms, end_ms, stretch_ms):
        for device in fleet:
            ahead += device.messages(from_ms, to_ms)
        ahead.sort(key=_ORDER)
        due = next((i for i, message in enumerate(ahead) if message.at_ms >= to_ms), len(ahead))
        yield from ahead[:due]
        del ahead[:due]
    yield from ahead


def _stretch_ms(fleet: list[Device]) -> int:
    """Length of a stretch: an hour, or less where that would be more than 20,000 messages at once."""
    per_ms = sum(1.0 / device.sensor.interval_ms for device in fleet)
    return max(_SHORTEST_MS, min(_LONGEST_MS, int(_AT_ONCE / per_ms) if per_ms else _LONGEST_MS))


def _stretches(start_ms: int, end_ms: int | None, stretch_ms: int) -> Iterator[tuple[int, int]]:
    """Cut time at whole stretches since 1970."""
    from_ms = start_ms
    while end_ms is None or from_ms < end_ms:
        to_ms = (from_ms // stretch_ms + 1) * stretch_ms
        to_ms = to_ms if end_ms is None else min(to_ms, end_ms)
        yield from_ms, to_ms
        from_ms = to_ms
