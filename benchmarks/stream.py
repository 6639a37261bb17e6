"""What is published: devices that each report at a steady interval until now, and the pilot file that declares them.

A stream is a backlog as a gateway hands it over after an outage: message `i` comes from device `i % devices`, the
messages of one device lie `interval_ms` apart in event time, and the last one is of now. That is harder on windows than
time stamps of the moment of sending (a run of seconds would then fall into one window of each series), and easier to
believe than devices that report 30 times a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

PILOT: Final = "bench"
TOPICS: Final = "city/v1/#"
METRICS: Final = ("temperature", "humidity", "pm25", "noise", "battery")
#: metric -> middle, half width and decimals of the slow swing that it makes
_SWING: Final = {
    "temperature": (31.0, 9.0, 2),
    "humidity": (55.0, 30.0, 1),
    "pm25": (40.0, 35.0, 1),
    "noise": (58.0, 14.0, 1),
    "battery": (3.70, 0.35, 3),
}
#: messages of a device after which its swing begins again
_LAPS: Final = 1_000
#: one message in so many comes from a probe, when there are probes
PROBE_EVERY: Final = 50


@dataclass(frozen=True, slots=True)
class Stream:
    """How many devices send how many messages, `interval_ms` of event time apart.

    `probes` are devices on top that send one message in `PROBE_EVERY`: rare enough that no screen skips one of theirs.
    """

    messages: int = 200_000
    devices: int = 1_000
    interval_ms: int = 1_000
    probes: int = 0

    @property
    def series(self) -> int:
        """Series of the devices that carry the load."""
        return self.devices * len(METRICS)

    def names(self) -> list[str]:
        """Names of all devices, probes at the end."""
        return [f"d{i:06d}" for i in range(self.devices)] + [f"probe{i:03d}" for i in range(self.probes)]

    def sender(self, message: int) -> int:
        """Place in `names` of the device that sends a message.

        >>> stream = Stream(devices=3, probes=2)
        >>> [stream.names()[stream.sender(i)] for i in (0, 4, 49, 99, 149)]
        ['d000000', 'd000001', 'probe000', 'probe001', 'probe000']
        """
        if self.probes and message % PROBE_EVERY == PROBE_EVERY - 1:
            return self.devices + message // PROBE_EVERY % self.probes
        return message % self.devices

    def time_ms(self, message: int, now_ms: int) -> int:
        """Event time of a message of the backlog that ends at `now_ms`.

        >>> [Stream(messages=4, devices=2, interval_ms=1000).time_ms(i, 10_000) for i in range(4)]
        [8500, 9000, 9500, 10000]
        """
        return now_ms - (self.messages - 1 - message) * self.interval_ms // self.devices

    def as_dict(self) -> dict[str, Any]:
        """The fields, for a command line and for the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class History:
    """Past readings to fill a store with: `devices` devices, one reading of every metric a minute for `days`."""

    devices: int
    days: float

    #: minutes in one message: whole hours, so that no 1 h window is cut
    BLOCK_MINUTES = 960

    @property
    def minutes(self) -> int:
        """Readings of each series."""
        return int(self.days * 1440)

    @property
    def readings(self) -> int:
        """Readings in all."""
        return self.minutes * self.devices * len(METRICS)

    def names(self) -> list[str]:
        """Names of the devices."""
        return [f"h{i:03d}" for i in range(self.devices)]

    def messages(self, end_ms: int) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message, oldest first; the last minute lies before `end_ms`."""
        begin_ms = end_ms // 3_600_000 * 3_600_000 - self.minutes * 60_000
        for block in range(0, self.minutes, self.BLOCK_MINUTES):
            for number, name in enumerate(self.names()):
                minutes = range(block, min(block + self.BLOCK_MINUTES, self.minutes))
                objects = [payload(begin_ms + minute * 60_000, number, minute) for minute in minutes]
                yield topic(name), b"[" + b",".join(objects) + b"]"


def _swings() -> list[tuple[bytes, ...]]:
    rows = []
    for lap in range(_LAPS):
        share = math.sin(2 * math.pi * lap / _LAPS)
        rows.append(tuple(b"%.*f" % (digits, middle + half * share) for middle, half, digits in _SWING.values()))
    return rows


_VALUES: Final = _swings()
_FORM: Final = b'{"ts":%d,"values":{' + b",".join(b'"%s":%%s' % m.encode() for m in METRICS) + b"}}"


def topic(device: str) -> str:
    """Topic of a device's telemetry."""
    return f"city/v1/{PILOT}/{device}/telemetry"


def payload(time_ms: int, device: int, lap: int) -> bytes:
    """One telemetry object.

    >>> payload(1737963587742, 0, 0)
    b'{"ts":1737963587742,"values":{"temperature":31.00,"humidity":55.0,"pm25":40.0,"noise":58.0,"battery":3.700}}'
    """
    return _FORM % (time_ms, *_VALUES[(device * 37 + lap) % _LAPS])


_HEAD: Final = """\
[pilot]
id = "bench"
name = {en = "Bench", ar = "قياس"}
timezone = "Asia/Muscat"
centre = [23.6, 58.5]

[kinds.station]
name = {en = "Station", ar = "محطة"}
interval = "1s"
stale_after = "5m"
[kinds.station.metrics.temperature]
name = {en = "Temperature", ar = "درجة الحرارة"}
unit = "Cel"
gross_range = {fail = [-20, 70], suspect = [0, 55]}
spike = {suspect = 3, fail = 8}
rate_of_change = {suspect = 2.0}
flat_line = {suspect = "30m", fail = "2h", tolerance = 0.005}
[kinds.station.metrics.humidity]
name = {en = "Humidity", ar = "الرطوبة"}
unit = "%"
gross_range = {fail = [0, 100]}
[kinds.station.metrics.pm25]
name = {en = "PM2.5", ar = "الجسيمات الدقيقة"}
unit = "ug/m3"
gross_range = {fail = [0, 1000], suspect = [0, 500]}
[kinds.station.metrics.noise]
name = {en = "Noise", ar = "الضوضاء"}
unit = "dB[SPL]"
gross_range = {fail = [20, 140], suspect = [30, 120]}
[kinds.station.metrics.battery]
name = {en = "Battery", ar = "البطارية"}
unit = "V"
gross_range = {fail = [2.5, 4.5], suspect = [3.2, 4.3]}

[[alarms]]
id = "bad_air"
name = {en = "Bad air", ar = "هواء رديء"}
kind = "station"
metric = "pm25"
when = "above"
levels = {WARNING = 90, MINOR = 150}
hysteresis = 5
confirm = 3
clear_after = "5m"

"""


def pilot_toml(names: list[str]) -> str:
    """`signals.toml` of a pilot in which all these devices are stations with every quality test and an alarm rule."""
    devices = [
        f'[devices.{name}]\nkind = "station"\nname = {{en = "Station {name}", ar = "محطة {name}"}}\n' for name in names
    ]
    return _HEAD + "\n".join(devices)
