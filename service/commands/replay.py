"""`rasad replay`: a recording, back to a broker."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.feed_options import (
    DEFAULT_URL,
    CaOption,
    MqttOption,
    PasswordOption,
    address_of,
    failed,
    say,
    stopping,
    wrong_usage_ends,
)

if TYPE_CHECKING:
    from simulators.message import Message
    from simulators.recording import Recording


def replay(
    file: Annotated[
        Path, typer.Argument(help="A recording, gzipped or not.", exists=True, dir_okay=False, readable=True)
    ],
    speed: Annotated[float, typer.Option(min=0, help="Times the recorded speed; 0 is as fast as it goes.")] = 1.0,
    mqtt: MqttOption = DEFAULT_URL,
    password_file: PasswordOption = None,
    ca_file: CaOption = None,
) -> None:
    """Publish a recording in its order at QoS 1 and await every acknowledgement; payloads go out as recorded."""
    from simulators.link import BrokerRefused
    from simulators.publish import Fleet
    from simulators.recording import BadRecording, Recording

    with wrong_usage_ends():
        fleet = Fleet(address_of(mqtt, password_file, ca_file), notice=say)
        recording = Recording(file)
    sent = _Counted()
    with stopping(fleet.stop_asked), recording:
        try:
            with fleet:
                played = fleet.play(sent.count(_with_progress(recording)), _AsRecorded(speed))
        except BadRecording as error:
            raise failed(f"{error}; the {sent.number} messages before it were sent") from None
        except BrokerRefused as error:
            raise failed(error) from None
    say(f"{played.sent} messages sent, {played.sent - played.unacknowledged} acknowledged")
    if fleet.stop_asked.is_set() or played.unacknowledged:
        raise failed("stopped before the end of the recording")


class _AsRecorded:
    """The recorded spacing, so many times faster; a time that goes back is sent at once, for the order counts."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first_ms: int | None = None
        self._began_ms = 0.0

    def due_ms(self, at_ms: int) -> float:
        """Wall-clock time at which a message recorded at `at_ms` is to be sent, ms."""
        if self._first_ms is None:
            self._first_ms, self._began_ms = at_ms, time.time() * 1000
        return self._began_ms + ((at_ms - self._first_ms) / self._speed if self._speed else 0.0)


class _Counted:
    def __init__(self) -> None:
        self.number = 0

    def count(self, messages: Iterator[Message]) -> Iterator[Message]:
        for message in messages:
            yield message
            self.number += 1


def _with_progress(recording: Recording) -> Iterator[Message]:
    """Show how far the file has been read, on a terminal only."""
    if not sys.stderr.isatty():
        yield from recording
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(recording.file.name, total=recording.size)
        for message in recording:
            progress.update(task, completed=recording.bytes_read)
            yield message
