"""How long a message takes at a steady rate: to Rasad's PUBACK, and to the event `latest` on the live stream.

Time stamps are whole ms of the moment of sending, so each figure is at most 1 ms too high. Everything shares the
machine: the publisher, the tap, the reader, and a `mosquitto_sub` on the same stream as yardstick. First nobody watches
the stream, then one reader does: what a watched stream costs shows in the CPU time of the two halves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.broker import Broker
from benchmarks.contenders import REFERENCE, RasadContender, mosquitto_sub
from benchmarks.cost import Advance, idle_share
from benchmarks.figures import latency
from benchmarks.process_cost import Measured
from benchmarks.publishing import Publisher
from benchmarks.rasad_process import Rasad
from benchmarks.stream import METRICS, PROBE_EVERY, Stream

#: the first seconds fill caches and pools and are not counted
_WARM_UP_S: Final = 2.0


def paced_stream(rate: float, seconds: float) -> Stream:
    """1,000 devices at this rate for so long, and so many probes that each sends about once a second."""
    return Stream(messages=int(rate * seconds), probes=max(int(rate / PROBE_EVERY), 1))


def asked(process: Measured) -> list[float]:
    """What a tap or a stream reader has gathered since it was asked last."""
    process.say()
    found: list[float] = json.loads(process.line(30))
    return found


@dataclass(frozen=True, slots=True)
class Bench:
    """Rasad behind a tap, at a known idle load, while messages come in at `rate`."""

    rasad: Rasad
    tap: Measured
    yardstick: Measured
    rate: float
    idle: float

    def half(self, seconds: float) -> dict[str, Any]:
        """Watch for so long: latency to the PUBACK, and CPU time."""
        asked(self.tap)
        cpu_s, yardstick_s, began_s = self.rasad.cpu_s(), self.yardstick.cpu_s(), time.monotonic()
        time.sleep(seconds)
        spent_s, used_s = time.monotonic() - began_s, self.rasad.cpu_s() - cpu_s
        per_message = 1e6 / (self.rate * spent_s)
        return {
            "to_puback": latency(asked(self.tap)),
            "cpu_us_per_message": round((used_s - self.idle * spent_s) * per_message, 2),
            "cpu_percent": round(used_s / spent_s * 100, 1),
            f"{REFERENCE}_cpu_us_per_message": round((self.yardstick.cpu_s() - yardstick_s) * per_message, 2),
        }

    def watched_half(self, seconds: float, log: Path) -> dict[str, Any]:
        """The same while somebody reads the live stream, and the latency to it."""
        arguments = [str(self.rasad.http_port), self.rasad.api.token]
        with Measured.module("benchmarks.stream_reader", arguments, log) as reader:
            reader.line(30)
            time.sleep(_WARM_UP_S)
            asked(reader)
            found = self.half(seconds)
            return {"to_latest_on_stream": latency(asked(reader)), **found}


@contextmanager
def _bench(stream: Stream, rate: float, folder: Path) -> Iterator[tuple[Bench, Broker]]:
    with (
        Broker(folder / "broker") as broker,
        Measured.module("benchmarks.puback_tap", [str(broker.port)], folder / "tap.log") as tap,
        Rasad(folder / "rasad", int(tap.line(30)), stream.names()) as rasad,
        mosquitto_sub(broker, stream, folder) as yardstick,
    ):
        yield Bench(rasad, tap, yardstick.process, rate, idle_share(RasadContender(rasad), 1.0)), broker


def run(rate: float, seconds: float, folder: Path, advance: Advance) -> dict[str, Any]:
    """Publish at `rate` and gather both halves of `seconds` each."""
    folder.mkdir(parents=True)
    stream = paced_stream(rate, 2 * seconds + 3 * _WARM_UP_S)
    with (
        _bench(stream, rate, folder) as (bench, broker),
        Publisher.at_rate(broker.port, stream, rate, folder) as source,
    ):
        source.go()
        time.sleep(_WARM_UP_S)
        advance(f"{rate:,.0f} messages/s, nobody watches")
        alone = bench.half(seconds)
        advance(f"{rate:,.0f} messages/s, one reader of the live stream")
        watched = bench.watched_half(seconds, folder / "reader.log")
        published = source.finish(seconds * 3 + 60)
        stored = bench.rasad.wait_for_stored(published.messages * len(METRICS), 60)
    return {
        "messages_per_s": round(published.rate),
        **alone,
        "watched": watched,
        "lost": published.messages - stored // len(METRICS),
    }
