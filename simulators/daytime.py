"""Instants as a district lives them: local hour, day, weekday, season and sun. Time is always an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from simulators.noise import F64, I64

MS_PER_DAY = 86_400_000
_SLOT_MS = 900_000  # every offset and every change of offset in use today falls on a quarter of an hour
_FRIDAY, _SATURDAY = 4, 5


@dataclass(frozen=True, slots=True)
class Instants:
    """Points in time, all columns of the same shape; make them with `instants`."""

    ms: I64
    day: I64  # local days since 1970-01-01
    hour: F64  # local hour of the day, [0, 24)

    @property
    def seconds(self) -> F64:
        """Seconds since 1970, UTC."""
        return np.asarray(self.ms / 1000.0, dtype=np.float64)

    @property
    def weekday(self) -> I64:
        """0 Monday to 6 Sunday, local."""
        return (self.day + 3) % 7

    @property
    def friday(self) -> F64:
        """1.0 on Fridays, else 0.0."""
        return np.asarray(self.weekday == _FRIDAY, dtype=np.float64)

    @property
    def weekend(self) -> F64:
        """1.0 on Friday and Saturday, the weekend of both countries."""
        return np.asarray(np.isin(self.weekday, (_FRIDAY, _SATURDAY)), dtype=np.float64)

    @property
    def summer(self) -> F64:
        """Season between -1 (mid-January) and 1 (mid-July)."""
        return np.asarray(-np.cos(2.0 * np.pi * (self.day % 365.2425 - 15.0) / 365.2425), dtype=np.float64)


def offset_ms(ms: I64, zone: str) -> I64:
    """Local time minus UTC at each instant, ms."""
    slots, place = np.unique(ms // _SLOT_MS, return_inverse=True)
    where = ZoneInfo(zone)
    offsets = [_offset_at(int(slot) * _SLOT_MS, where) for slot in slots]
    return np.asarray(offsets, dtype=np.int64)[place]


def _offset_at(ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def instants(ms: I64, zone: str) -> Instants:
    """Read UTC milliseconds as local times of an IANA zone.

    >>> at = instants(np.int64([1_772_352_000_000]), "Asia/Muscat")   # 2026-03-01T08:00Z, a Sunday
    >>> float(at.hour[0]), int(at.weekday[0])
    (12.0, 6)
    """
    local = ms + offset_ms(ms, zone)
    day = local // MS_PER_DAY
    return Instants(ms=ms, day=day, hour=(local - day * MS_PER_DAY) / 3_600_000.0)


def local_ms(day: int, hour: float, zone: str) -> int:
    """UTC milliseconds of a local hour on a local day; hours may be below 0 or above 24."""
    local = day * MS_PER_DAY + round(hour * 3_600_000)
    guess = local - int(offset_ms(np.array([local], dtype=np.int64), zone)[0])
    return local - int(offset_ms(np.array([guess], dtype=np.int64), zone)[0])


def bump(hour: F64, centre_h: float, width_h: float) -> F64:
    """A bell of height 1 around an hour of the day, going round midnight.

    >>> bump(np.float64([23.0, 1.0]), 0.0, 1.0).round(3).tolist()
    [0.607, 0.607]
    """
    away = (hour - centre_h + 12.0) % 24.0 - 12.0
    return np.asarray(np.exp(-0.5 * (away / width_h) ** 2), dtype=np.float64)


def sun_hours(day: I64, latitude: float) -> tuple[F64, F64]:
    """Sunrise and sunset as hours of local solar time, by Cooper's declination (Solar Energy 12, 1969)."""
    declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284.0 + day % 365.2425) / 365.2425)
    half = np.degrees(np.arccos(np.clip(-np.tan(np.radians(latitude)) * np.tan(declination), -1.0, 1.0))) / 15.0
    return 12.0 - half, 12.0 + half
