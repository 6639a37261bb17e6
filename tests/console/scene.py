"""A city on an ordinary day, seeded: what the console's tests and screenshots look at."""

from __future__ import annotations

import math
import random

from api.backend import Connection, QuarantineRow
from tests.api.running import Running

S = 10**9
DAY_S = 86_400


async def fill(running: Running) -> None:
    """A week of minutes for three stations, with a gap, spikes and a failed sensor; one device silent, one offline."""
    backend, chance = running.backend, random.Random(7)
    now = backend.clock_ns() // (60 * S) * 60 * S
    minutes = [now - (7 * 1440 - i) * 60 * S for i in range(7 * 1440)]
    gap = range(len(minutes) - 420, len(minutes) - 330)
    kept = [t for i, t in enumerate(minutes) if i not in gap]
    day = [math.sin(2 * math.pi * (t / S % DAY_S) / DAY_S - 1.9) for t in kept]
    pm25 = [round(22 + 9 * d + chance.gauss(0, 1.6), 1) for d in day]
    flags, reasons = [1] * len(kept), [0] * len(kept)
    for back, value, flag, reason in (
        (12, 61.0, 3, 1),
        (31, 1190.0, 4, 1),
        (300, 64.0, 3, 1),
        (2000, 58.0, 3, 1),
        (9, float("nan"), 9, 16),
    ):
        pm25[-back], flags[-back], reasons[-back] = value, flag, reason
    await backend.put(("harbour", "air_souq", "pm25"), kept, pm25, flags, reasons)
    warm = [round(29 + 6 * d + chance.gauss(0, 0.2), 1) for d in day]
    await backend.put(("harbour", "air_souq", "temperature"), kept, warm)
    await backend.put(
        ("harbour", "air_port", "pm25"), kept, [v + 4 for v in pm25], [*flags[:-1], 3], [*reasons[:-1], 1]
    )
    await backend.put(("harbour", "speed_6005", "speed"), kept[-1440:], [round(52 + 8 * d, 1) for d in day[-1440:]])
    await backend.put(
        ("harbour", "speed_6005", "volume"), kept[-1440:], [float(round(20 + 12 * d)) for d in day[-1440:]]
    )
    await backend.put(("harbour", "speed_6006", "speed"), kept[-1440:-40], [48.0] * 1400)
    await backend.put(("district", "stage-bridge", "stage"), kept[-1440:], [0.412 + 0.01 * d for d in day[-1440:]])
    backend.connections["harbour", "air_port"] = Connection("offline", backend.clock_ns(), backend.clock_ns())
    backend.connections["harbour", "gate_1"] = Connection("online", backend.clock_ns(), backend.clock_ns())
    for number, (why, readings) in enumerate((("unknown_metric", 12), ("future", 3), ("conflict", 1)), 1):
        backend.hold(QuarantineRow(number, "harbour", "air_souq", "t", why, "", now, readings, b"{}"))
