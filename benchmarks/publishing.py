"""Runs the publisher process: prepared first, let go when the reader is ready, then waited for."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process_cost import Measured
from benchmarks.stream import History, Stream


@dataclass(frozen=True, slots=True)
class Published:
    """What a publisher reports; times are of the machine's monotonic clock."""

    messages: int
    began_s: float
    ended_s: float

    @property
    def rate(self) -> float:
        """Messages a second that the broker took."""
        return self.messages / max(self.ended_s - self.began_s, 1e-9)


class Publisher(Measured):
    """A publisher that is connected and has encoded what it will send."""

    def __init__(self, port: int, task: dict[str, Any], log: Path) -> None:
        super().__init__([sys.executable, "-m", "benchmarks.publisher", str(port), json.dumps(task)], log)
        self.line(600)

    @classmethod
    def of_backlog(cls, port: int, stream: Stream, folder: Path) -> Publisher:
        """One that sends the stream as fast as the broker takes it."""
        return cls(port, {"kind": "backlog", **stream.as_dict()}, folder / "publisher.log")

    @classmethod
    def at_rate(cls, port: int, stream: Stream, rate: float, folder: Path) -> Publisher:
        """One that sends `rate` messages a second with live time stamps, until all are sent or it is told to end."""
        return cls(port, {"kind": "paced", "rate": rate, **stream.as_dict()}, folder / "publisher.log")

    @classmethod
    def of_history(cls, port: int, past: History, folder: Path) -> Publisher:
        """One that sends a history."""
        return cls(port, {"kind": "history", "devices": past.devices, "days": past.days}, folder / "history.log")

    def go(self) -> None:
        """Let it send."""
        self.say("go")

    def finish(self, within_s: float, meanwhile: Callable[[], object] = lambda: None) -> Published:
        """Wait for its report, and call `meanwhile` some fifty times a second until it comes."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not select.select([self.output], [], [], 0.02)[0]:
            meanwhile()
        return Published(**json.loads(self.line(0)))

    def end(self) -> Published:
        """Tell it to send no more, and give its report."""
        self.process.terminate()
        return self.finish(60)
