"""A working day of trucks at the gate: they join the queue, are called, served in a lane, parked, and leave.

The working day starts at 03:00 with the change of shift. Arrivals follow the hours of a port, lanes serve first come
first served. The physics of gates comes with their own issue; a day here is what their counters would see.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from simulators.daytime import bump, local_ms
from simulators.noise import I64, normal, uniform
from simulators.signals.totals import COMMISSIONED_DAY
from simulators.site import Site

SHIFT_H: Final = 3.0
LONGEST_STAY_DAYS: Final = 2
_LAST_ARRIVAL_SHARE: Final = 23.6 / 24.0
_FRIDAY_SHARE: Final = 0.55


@dataclass(frozen=True)
class Lanes:
    """Names of the lanes by direction and of the yards by purpose, as the registry has them."""

    entry: list[str]
    exit: list[str]
    yards: dict[str, str]
    staging: list[str]


@dataclass(frozen=True)
class TruckDay:
    """Trucks that joined the queue on one working day, in order of joining; times in ms, lanes and yards by name."""

    number: I64
    advised: I64  # when its coming was announced; -1 for those that just come
    join: I64
    called: I64
    service: I64
    gate_in: I64
    entry_lane: np.ndarray[tuple[int], np.dtype[np.str_]]
    yard: np.ndarray[tuple[int], np.dtype[np.str_]]
    at_exit: I64
    exit_service: I64
    gate_out: I64
    exit_lane: np.ndarray[tuple[int], np.dtype[np.str_]]


_COLUMNS: Final = tuple(column.name for column in fields(TruckDay))


def lanes_of(site: Site) -> Lanes:
    """Read lanes and yards out of the registry's properties."""
    lanes = [s for s in site.sensors if s.kind == "lane"]
    yards = [s for s in site.sensors if s.kind == "yard"]
    entry = [s.name for s in lanes if s.word("direction") != "out"]
    leaving = [s.name for s in lanes if s.word("direction") == "out"]
    return Lanes(
        entry=entry or ["unregistered"],
        exit=leaving or entry or ["unregistered"],
        yards={s.word("purpose") or s.name: s.name for s in yards if s.word("role") != "staging"},
        staging=[s.name for s in yards if s.word("role") == "staging"],
    )


def trucks_of_days(site: Site, days: I64) -> I64:
    """How many trucks join on each working day: fewer on Fridays, and no two days alike."""
    usual = max([s.number("trucks_per_day", 1000.0) for s in site.sensors if s.kind == "gate"], default=1000.0)
    friday = np.where((days + 3) % 7 == 4, _FRIDAY_SHARE, 1.0)
    return np.asarray(np.round(usual * friday * (1.0 + 0.08 * normal(site.key("trucks"), days))), dtype=np.int64)


def trucks_before(site: Site, day: int) -> int:
    """Trucks of all working days since the counters were installed, up to and not including `day`."""
    return int(trucks_of_days(site, np.arange(COMMISSIONED_DAY, day)).sum())


def truck_day(site: Site, day: int) -> TruckDay:
    """The trucks of one working day, worked out once."""
    return site.remember(("trucks", day), lambda: _simulate(site, day))


def _arrivals(site: Site, day: int) -> I64:
    """Joining times, ascending: the port's hours turned into a distribution and drawn from by quantiles."""
    hour = np.arange(0.0, 24.0, 0.1)
    clock = (hour + SHIFT_H) % 24.0
    rate = 0.35 + bump(clock, 9.0, 2.4) + 0.75 * bump(clock, 15.5, 2.6) + 0.2 * bump(clock, 21.0, 2.0)
    share = np.concatenate([[0.0], np.cumsum(rate)]) / rate.sum()
    count = int(trucks_of_days(site, np.array([day], dtype=np.int64))[0])
    drawn = np.sort(uniform(site.key("arrivals", day), np.arange(count)))
    hours = np.interp(drawn, share, np.linspace(0.0, 24.0 * _LAST_ARRIVAL_SHARE, len(share)))
    return np.asarray(local_ms(day, SHIFT_H, site.zone) + hours * 3_600_000.0, dtype=np.int64)


def serve(arrival: I64, service_ms: I64, lanes: int) -> tuple[I64, I64]:
    """First come first served over equal lanes: when each one's service starts, and in which lane.

    >>> start, lane = serve(np.int64([0, 1, 2]), np.int64([10, 10, 10]), 2)
    >>> start.tolist(), lane.tolist()
    ([0, 1, 10], [0, 1, 0])
    """
    free = [(0, lane) for lane in range(lanes)]
    start, chosen = np.empty_like(arrival), np.empty_like(arrival)
    for i, (came, takes) in enumerate(zip(arrival.tolist(), service_ms.tolist(), strict=True)):
        free_at, lane = heapq.heappop(free)
        start[i], chosen[i] = max(came, free_at), lane
        heapq.heappush(free, (max(came, free_at) + takes, lane))
    return start, chosen


def has_appointment(site: Site, number: I64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Tell which trucks booked a slot and announced themselves: seven in ten."""
    return np.asarray(uniform(site.key("appointment"), number) < 0.7)


def _notice_ms(site: Site, number: I64) -> I64:
    """How long before joining a truck is announced: half an hour to half a day, ms."""
    return np.asarray(1_800_000 + uniform(site.key("notice"), number) * 41_400_000, dtype=np.int64)


def _lognormal_ms(site: Site, what: str, day: int, count: int, median_s: float, sigma: float) -> I64:
    drawn = np.exp(sigma * normal(site.key(what, day), np.arange(count)))
    return np.asarray(1000.0 * median_s * np.clip(drawn, 0.3, 4.0), dtype=np.int64)


def _simulate(site: Site, day: int) -> TruckDay:
    lanes, join = lanes_of(site), _arrivals(site, day)
    count = len(join)
    takes = _lognormal_ms(site, "service", day, count, 205.0, 0.30)
    service, entry = serve(join + 120_000, takes, len(lanes.entry))
    yard, stay = _stays(site, day, count, lanes)
    at_exit = service + takes + stay
    order = np.argsort(at_exit, kind="stable")
    exit_service, out_lane = np.empty_like(join), np.empty_like(join)
    exit_takes = _lognormal_ms(site, "exit", day, count, 50.0, 0.25)
    exit_service[order], out_lane[order] = serve(at_exit[order], exit_takes[order] + 10_000, len(lanes.exit))
    number = np.arange(count) + trucks_before(site, day)
    return TruckDay(
        number=number,
        advised=np.where(has_appointment(site, number), join - _notice_ms(site, number), -1),
        join=join,
        called=np.maximum(join, service - 420_000),
        service=service,
        gate_in=service + takes - 12_000,
        entry_lane=np.asarray(lanes.entry)[entry],
        yard=yard,
        at_exit=at_exit,
        exit_service=exit_service,
        gate_out=exit_service + exit_takes,
        exit_lane=np.asarray(lanes.exit)[out_lane],
    )


def _stays(site: Site, day: int, count: int, lanes: Lanes) -> tuple[np.ndarray[tuple[int], np.dtype[np.str_]], I64]:
    """Which yard each truck goes to and how long it stays, ms: customs inspection takes hours, the rest about one."""
    choice = uniform(site.key("yard", day), np.arange(count))
    purpose = np.where(choice < 0.09, "customs", np.where(choice < 0.55, "import", "export"))
    names = {name: lanes.yards.get(name, "") for name in ("customs", "import", "export")}
    yard = np.asarray([names[p] for p in purpose.tolist()])
    short = _lognormal_ms(site, "stay", day, count, 6_600.0, 0.35)
    return yard, np.where(purpose == "customs", _lognormal_ms(site, "customs", day, count, 21_600.0, 0.20), short)


def working_days(first_ms: int, last_ms: int, site: Site) -> range:
    """Working days whose trucks may be about in [first_ms, last_ms]."""
    return range(_day_at(first_ms, site) - LONGEST_STAY_DAYS, _day_at(last_ms, site) + 1)


def _day_at(ms: int, site: Site) -> int:
    day = ms // 86_400_000 + 1
    while local_ms(day, SHIFT_H, site.zone) > ms:
        day -= 1
    return int(day)


def together(days: list[TruckDay]) -> TruckDay:
    """Several working days as one, in their order."""
    return TruckDay(**{name: np.concatenate([getattr(day, name) for day in days]) for name in _COLUMNS})
