"""Who is compared: Rasad at full function, a bare aiomqtt reader, a bare paho reader, `mosquitto_sub > /dev/null`."""

from __future__ import annotations

import select
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from benchmarks.broker import Broker
from benchmarks.process_cost import BenchFailed, Measured
from benchmarks.rasad_process import Rasad, metrics_of
from benchmarks.stream import METRICS, TOPICS, Stream

#: the yardstick
REFERENCE: Final = "mosquitto_sub"


class Contender(Protocol):
    """A subscribed reader of the stream."""

    process: Measured

    def take_all(self, messages: int, within_s: float) -> int:
        """Wait until it has everything; gives how many messages it has, fewer when it does not get there in time."""


class RasadContender:
    """Rasad: a message counts when its readings are judged, in their windows' hands, and in the store."""

    def __init__(self, rasad: Rasad) -> None:
        self.process: Measured = rasad
        self._rasad = rasad

    def take_all(self, messages: int, within_s: float) -> int:
        """Ask the ledger."""
        return int(metrics_of(self._rasad.wait_for_stored(messages * len(METRICS), within_s)))


class Counter:
    """A bare Python reader: it prints its count when it has all, or when it is told to stop."""

    def __init__(self, process: Measured) -> None:
        self.process = process

    def take_all(self, messages: int, within_s: float) -> int:
        """Wait for the count."""
        del messages
        try:
            return int(_line_while_watching(self.process, within_s))
        except BenchFailed:
            self.process.process.terminate()
            return int(self.process.line(10))


class MosquittoSub:
    """`mosquitto_sub -C N`: it ends by itself when it has N messages; how many came when it does not, nobody knows."""

    def __init__(self, process: Measured) -> None:
        self.process = process

    def take_all(self, messages: int, within_s: float) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + within_s
        while not self.process.ended():
            if time.monotonic() > deadline:
                raise BenchFailed(f"mosquitto_sub did not get {messages} messages within {within_s:.0f} s")
            self.process.peak_rss_bytes()
            time.sleep(0.01)
        return messages


def _line_while_watching(process: Measured, within_s: float) -> str:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        process.peak_rss_bytes()
        if select.select([process.output], [], [], 0.05)[0]:
            break
    return process.line(0)


@contextmanager
def rasad(broker: Broker, stream: Stream, folder: Path) -> Iterator[Contender]:
    """Start Rasad and wait until it is ready."""
    with Rasad(folder / "rasad", broker.port, stream.names()) as process:
        yield RasadContender(process)


def _reader(module: str) -> Callable[[Broker, Stream, Path], AbstractContextManager[Contender]]:
    @contextmanager
    def start(broker: Broker, stream: Stream, folder: Path) -> Iterator[Contender]:
        arguments = [str(broker.port), str(stream.messages)]
        with Measured.module(f"benchmarks.{module}", arguments, folder / f"{module}.log") as process:
            broker.wait_for_subscriber()
            yield Counter(process)

    return start


@contextmanager
def mosquitto_sub(broker: Broker, stream: Stream, folder: Path) -> Iterator[Contender]:
    """Start `mosquitto_sub` with its output to /dev/null."""
    program = shutil.which("mosquitto_sub")
    if program is None:
        raise BenchFailed("mosquitto_sub is not installed; run `make setup`")
    argv = [program, "-p", str(broker.port), "-t", TOPICS, "-q", "1", "-C", str(stream.messages)]
    with Measured(argv, folder / "mosquitto_sub.log", quiet=True) as process:
        broker.wait_for_subscriber()
        yield MosquittoSub(process)


CONTENDERS: Final[dict[str, Callable[[Broker, Stream, Path], AbstractContextManager[Contender]]]] = {
    "rasad": rasad,
    "aiomqtt": _reader("aiomqtt_reader"),
    "paho": _reader("paho_reader"),
    REFERENCE: mosquitto_sub,
}
