"""Times as history files write them, to ms since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_ZONE: Final = "has neither zone nor offset; give --timezone, for example --timezone Asia/Muscat"


class NoZone(Exception):
    """The file's times are local and nobody said where; no line of it can be read."""


class Times:
    """Reads times. Those without zone or offset are local times of `zone`, and an error where none was given.

    A clock that is put back repeats an hour: its times are taken as the first of the two and counted in `repeated`. A
    clock that is put forward leaves an hour out: times in it are shifted forward and counted in `skipped`.

    >>> times = Times(ZoneInfo("America/Chicago"))
    >>> times.ms("2015-11-01 01:30:00"), times.ms("2015-11-01T01:30:00-06:00"), times.repeated
    (1446359400000, 1446363000000, 1)
    """

    def __init__(self, zone: ZoneInfo | None = None) -> None:
        self.zone = zone
        self.repeated = 0
        self.skipped = 0
        self.odd_hours: set[str] = set()
        self._last: tuple[str, int | float] = ("", 0)

    def ms(self, text: str) -> int | float:
        """Read a time as `read` does; files repeat one for every device, so the last is remembered."""
        last = self._last
        if text == last[0]:
            return last[1]
        found = self.read(text)
        if self.zone is None:
            # times of a zone are counted one by one
            self._last = (text, found)
        return found

    def read(self, text: str) -> int | float:
        """Read a number of s, ms, µs or ns (by its size) or ISO 8601.

        ValueError says what is wrong, `NoZone` that --timezone is wanted.
        """
        if "-" in text[1:] or ":" in text:
            return self._calendar_ms(text.strip())
        try:
            return epoch_ms(int(text))
        except ValueError:
            pass
        try:
            return epoch_ms(float(text))
        except ValueError:
            raise _no_time(text) from None

    def _calendar_ms(self, text: str) -> int | float:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise _no_time(text) from None
        if moment.tzinfo is None:
            moment = self._placed(moment)
        micros = (moment - _EPOCH) // _MICROSECOND
        return micros // 1000 if micros % 1000 == 0 else micros / 1000

    def _placed(self, moment: datetime) -> datetime:
        if self.zone is None:
            raise NoZone(f"time {moment} {_NO_ZONE}")
        first, second = moment.replace(tzinfo=self.zone), moment.replace(tzinfo=self.zone, fold=1)
        offsets = first.utcoffset(), second.utcoffset()
        if offsets[0] != offsets[1]:
            repeated = (offsets[0] or timedelta()) > (offsets[1] or timedelta())
            self.repeated += repeated
            self.skipped += not repeated
            self.odd_hours.add(f"{moment:%Y-%m-%d %H}:00")
        return first


def _no_time(text: str) -> ValueError:
    return ValueError(f"time {text[:40]!r} is neither a number nor like 2026-01-27T07:39:47Z")


def epoch_ms(number: float) -> int | float:
    """Turn s, ms, µs or ns since 1970 into ms, by size: below 10¹¹ it is s (to the year 5138), then a thousand each.

    >>> epoch_ms(1737963587), epoch_ms(1737963587742), epoch_ms(1737963587742000001)
    (1737963587000, 1737963587742, 1737963587742.0)
    """
    size = abs(number)
    if size < 1e11:
        return number * 1000
    if size < 1e14:
        return number
    per_ms = 1_000 if size < 1e17 else 1_000_000
    return number // per_ms if isinstance(number, int) and number % per_ms == 0 else number / per_ms
