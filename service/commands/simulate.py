"""`rasad simulate`: the sensors of pilots, played to a broker or written into a file."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from service.commands.feed_options import (
    DEFAULT_URL,
    CaOption,
    MqttOption,
    PasswordOption,
    address_of,
    failed,
    instant_ms,
    say,
    seconds_of,
    stopping,
    wrong_usage_ends,
)

if TYPE_CHECKING:
    from processing.pilot import Pilot
    from simulators.broker import BrokerAddress
    from simulators.message import Message


def simulate(
    pilot: Annotated[list[str], typer.Argument(help="Ids of the pilots, or `all`.")],
    speed: Annotated[float, typer.Option(min=0, help="Times real speed; 0 is as fast as it goes.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed is another life of the city.")] = 0,
    start: Annotated[str | None, typer.Option(help="First instant: ms since 1970, or RFC 3339 with offset.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="How much feed: 30s, 10m, 24h, 7d. Endless if not given.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="So many devices of each pilot, copies included.")] = None,
    rate: Annotated[float | None, typer.Option(help="Load: telemetry messages a second, devices in turn.")] = None,
    faults: Annotated[list[str] | None, typer.Option(help="Faults, with commas or repeated; `all` is each.")] = None,
    mqtt: MqttOption = DEFAULT_URL,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
    out: Annotated[Path | None, typer.Option(help="Write a recording instead of publishing; `-` is stdout.")] = None,
    pilots_dir: Annotated[list[Path] | None, typer.Option(help="Folder with more pilots; may be repeated.")] = None,
) -> None:
    """Play what the sensors of pilots would send. Same seed, start and duration: the same bytes."""
    with wrong_usage_ends():
        asked = _asked(pilot, pilots_dir, speed, seed, start, duration, devices, rate, faults, to_file=out is not None)
        feed = asked.feed()
        address = address_of(mqtt, password_file, ca_file)
    if out is None:
        _publish(feed, asked, address)
    else:
        _write(feed, out)


@dataclass(frozen=True)
class _Asked:
    """The options, read and checked."""

    pilots: list[Pilot]
    speed: float
    seed: int
    start_ms: int
    wall_ms: int
    duration_s: float | None
    devices: int | None
    rate: float | None
    faults: list[str]

    def feed(self) -> Iterator[Message]:
        """The messages to play."""
        from simulators.load import load
        from simulators.world import feeds

        if self.rate is not None:
            return load(self.pilots, self.seed, self.start_ms, self.duration_s, self.devices, self.rate)
        return feeds(self.pilots, self.seed, self.start_ms, self.duration_s, self.devices, self.faults)

    def names(self) -> list[tuple[str, str]]:
        """(pilot, device) of everything that has a connection of its own: nothing in load."""
        from simulators.site import Site
        from simulators.world import sensors_of

        if self.rate is not None:
            return []
        return [(p.id, sensor.name) for p in self.pilots for sensor in sensors_of(Site(p, self.seed), self.devices)]


def _asked(
    ids: list[str],
    dirs: list[Path] | None,
    speed: float,
    seed: int,
    start: str | None,
    duration: str | None,
    devices: int | None,
    rate: float | None,
    faults: list[str] | None,
    *,
    to_file: bool,
) -> _Asked:
    from service.discovery import find_pilots
    from simulators.pace import start_for

    duration_s = seconds_of("--duration", duration)
    if to_file and duration_s is None:
        raise ValueError("--out needs a --duration, or the file would grow for ever; give for example --duration 24h")
    if rate is not None and faults:
        raise ValueError("--rate makes load without faults; leave one of --rate and --faults out")
    only = () if ids == ["all"] else ids
    found = [one.pilot for one in find_pilots(dirs or (), only)]
    wall_ms = int(time.time() * 1000)
    given = instant_ms("--start", start)
    begin = start_for(wall_ms, 0 if to_file else speed, duration_s) if given is None else given
    return _Asked(found, speed, seed, begin, wall_ms, duration_s, devices, rate, _fault_names(faults or []))


def _fault_names(given: list[str]) -> list[str]:
    from simulators.faults import NAMES, known

    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    return list(NAMES) if names == ["all"] else sorted(known(names))


def _publish(feed: Iterator[Message], asked: _Asked, address: BrokerAddress) -> None:
    from simulators.link import BrokerRefused
    from simulators.pace import Pace
    from simulators.publish import Fleet

    fleet = Fleet(address, asked.names(), say)
    with stopping(fleet.stop_asked):
        try:
            with fleet:
                played = fleet.play(feed, Pace(asked.start_ms, int(time.time() * 1000), asked.speed))
        except BrokerRefused as error:
            raise failed(error) from None
    say(f"{played.sent} messages sent, {played.sent - played.unacknowledged} acknowledged")


def _write(feed: Iterator[Message], out: Path) -> None:
    stop = threading.Event()
    with stopping(stop):
        try:
            if str(out) == "-":
                count = _lines(feed, sys.stdout.buffer, stop)
            else:
                with out.open("wb") as file:
                    count = _lines(feed, file, stop)
        except OSError as error:
            raise failed(f"cannot write {out}: {error.strerror or error}") from None
    say(f"{count} messages written to {out}")
    if stop.is_set():
        raise failed("stopped before the end")


def _lines(feed: Iterator[Message], file: IO[bytes], stop: threading.Event) -> int:
    from simulators.recording import line_of

    count = 0
    for message in itertools.takewhile(lambda _: not stop.is_set(), feed):
        file.write(line_of(message))
        count += 1
    file.flush()
    return count
