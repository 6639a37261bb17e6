"""A truck's passage through a lane as the events that a lane controller publishes, with members as their type needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulators.noise import key_of, uniform
from simulators.signals.gates import BOOM_DOWN_MS, BOOM_UP_MS
from simulators.signals.trucks import TruckDay, truck_day, working_days
from simulators.site import Sensor

Event = dict[str, Any]
_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VEHICLES: Final = 9_000  # a vehicle is back after that many trucks, so never while it is still inside
_STRIDE: Final = 7_919
_NOTICE_MOST_MS, _AFTER_MS = 12 * 3_600_000, 60_000
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Truck:
    """One truck on its way: the vehicle, what it carries and what the day's plan says of it."""

    number: int
    chance: tuple[float, ...]
    plate: str
    country: str
    purpose: str
    gross_kg: int

    @property
    def read(self) -> Event:
        """The plate as the camera reads it; one in sixty is misread, with the low confidence that belongs to it."""
        if self.chance[0] < 1 / 60:
            return {
                "plate": self.plate[:-1] + "?",
                "country": self.country,
                "confidence": round(0.35 + self.chance[1] / 3, 2),
            }
        return {"plate": self.plate, "country": self.country, "confidence": round(0.86 + 0.13 * self.chance[1], 2)}

    @property
    def named(self) -> Event:
        """Plate and country as papers and tags say them."""
        return {"plate": self.plate, "country": self.country}


def plate_of(vehicle: int, key: int) -> tuple[str, str]:
    """Plate and country of a vehicle: Jordanian heavy goods for the most part, neighbours among them.

    >>> plate_of(12345, 1)
    ('60-22345', 'JO')
    """
    where = float(uniform(key, np.array([vehicle], dtype=np.int64))[0])
    digits = 10_000 + vehicle % 90_000
    if where < 0.84:
        return f"60-{digits}", "JO"
    letters = "".join("ABDEGHJKLNRSTUVXZ"[(vehicle * step) % 17] for step in (3, 5, 7))
    if where < 0.93:
        return f"{digits % 10_000:04d} {letters}", "SA"
    return (f"{digits} {letters[0]}", "IQ") if where < 0.97 else (f"{digits % 1_000:03d} {letters}", "EG")


def _truck(sensor: Sensor, number: int) -> Truck:
    key = sensor.site.key("truck", number)
    chance = tuple(uniform(key, np.arange(6)).tolist())
    plate, country = plate_of(number * _STRIDE % _VEHICLES, sensor.site.key("plates"))
    purpose = "import" if chance[2] < 0.5 else "export"
    return Truck(number, chance, plate, country, purpose, round(14_000 + 30_500 * chance[3] ** 0.6, -1).__trunc__())


def events_between(sensor: Sensor, from_ms: int, to_ms: int) -> list[Event]:
    """Events of one lane whose time lies in [from_ms, to_ms), in order of time."""
    found: list[Event] = []
    for day in working_days(from_ms - _AFTER_MS, to_ms + _NOTICE_MOST_MS, sensor.site):
        found += _of_day(sensor, truck_day(sensor.site, day), from_ms, to_ms)
    return sorted((e for e in found if from_ms <= e["ts"] < to_ms), key=lambda event: (event["ts"], event["id"]))


def _of_day(sensor: Sensor, trucks: TruckDay, from_ms: int, to_ms: int) -> list[Event]:
    announced = (trucks.advised >= from_ms) & (trucks.advised < to_ms)
    about = (trucks.join < to_ms) & (trucks.gate_in + _AFTER_MS > from_ms)
    leaving = (trucks.exit_service < to_ms) & (trucks.gate_out + _AFTER_MS > from_ms)
    entry = np.flatnonzero((trucks.entry_lane == sensor.name) & (announced | about))
    leave = np.flatnonzero((trucks.exit_lane == sensor.name) & leaving)
    coming = [_entering(sensor, trucks, int(i)) for i in entry]
    going = [_leaving(sensor, trucks, int(i)) for i in leave]
    return [event for events in coming + going for event in events]


def _entering(sensor: Sensor, trucks: TruckDay, i: int) -> list[Event]:
    truck = _truck(sensor, int(trucks.number[i]))
    join, called = int(trucks.join[i]), int(trucks.called[i])
    service, gate_in = int(trucks.service[i]), int(trucks.gate_in[i])
    advised = int(trucks.advised[i])
    plan = _appointment(truck, join) if advised >= 0 else {}
    notice: list[tuple[int, str, Event]] = [(advised, "preadvise", truck.named | plan)] if plan else []
    steps: list[tuple[int, str, Event]] = [
        (join, "queue_join", truck.named | plan | {"purpose": truck.purpose}),
        (called, "call_forward", truck.named),
        (service - 6_000, "loop", {"loop": "entry", "edge": "rise"}),
        (service, "service_start", truck.named),
        (service + 4_000, "anpr", truck.read | {"position": "front"}),
        (service + 5_500, "rfid", truck.named),
        (service + (gate_in - service) * 4 // 10, "weigh", truck.named | {"gross_kg": truck.gross_kg}),
        (service + (gate_in - service) * 7 // 10, "doc_check", truck.named | {"purpose": truck.purpose}),
    ]
    return _events(sensor, truck, notice + steps + _passing(truck, gate_in, "gate_in"))


def _leaving(sensor: Sensor, trucks: TruckDay, i: int) -> list[Event]:
    truck = _truck(sensor, int(trucks.number[i]))
    begin, gate_out = int(trucks.exit_service[i]), int(trucks.gate_out[i])
    weight = (
        {"gross_kg": round(13_500 + 12_000 * truck.chance[1])} if truck.purpose == "export" else {"gross_kg": 38_000}
    )
    steps: list[tuple[int, str, Event]] = [
        (begin, "loop", {"loop": "entry", "edge": "rise"}),
        (begin + 2_000, "anpr", truck.read | {"position": "front"}),
        (begin + 3_000, "weigh", truck.named | weight),
    ]
    return _events(sensor, truck, steps + _passing(truck, gate_out, "gate_out"))


def _passing(truck: Truck, passed: int, what: str) -> list[tuple[int, str, Event]]:
    """Barrier up, off the entry loop, over the exit loop, through, barrier down."""
    return [
        (passed - BOOM_UP_MS, "barrier", {"edge": "rise"}),
        (passed - 4_000, "loop", {"loop": "entry", "edge": "fall"}),
        (passed - 3_000, "loop", {"loop": "exit", "edge": "rise"}),
        (passed - 500, "loop", {"loop": "exit", "edge": "fall"}),
        (passed, what, truck.named),
        (passed + BOOM_DOWN_MS, "barrier", {"edge": "fall"}),
    ]


def _appointment(truck: Truck, join: int) -> Event:
    """A slot of an hour; nearly all trucks keep it, some come two hours early or late."""
    off = 2 if truck.chance[5] < 0.06 else -2 if truck.chance[5] < 0.12 else 0
    slot = join // _HOUR_MS * _HOUR_MS + off * _HOUR_MS
    return {"appointment": {"id": f"A-{truck.number}", "from": slot, "to": slot + _HOUR_MS}}


def _events(sensor: Sensor, truck: Truck, steps: list[tuple[int, str, Event]]) -> list[Event]:
    return [
        {"id": ulid(ms, key_of(sensor.site.seed, sensor.name, truck.number, place)), "ts": ms, "type": what} | members
        for place, (ms, what, members) in enumerate(steps)
    ]


def ulid(ms: int, random: int) -> str:
    """A ULID of a time and of random bits: 26 letters of Crockford's base 32 that sort by time.

    >>> ulid(1_772_352_000_000, 5)
    '01KJM6JM002WAP17VWEHP6VGGH'
    """
    number = (ms & (1 << 48) - 1) << 80 | (random * 0x9E3779B97F4A7C15F39D & (1 << 80) - 1)
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))
