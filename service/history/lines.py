"""What a line of a history file turns into, and what the person told us about the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.history.times import Times


class Sample(NamedTuple):
    """Values of one device at one time. `ts` is ms since 1970, or the text that the engine is to judge."""

    pilot: str
    device: str
    ts: int | float | str
    values: dict[str, Any]


class Raw(NamedTuple):
    """A recorded message that goes through as it is."""

    topic: str
    payload: bytes


class Bad(NamedTuple):
    """A line that cannot be read, and why."""

    line: int
    why: str


class Skipped(NamedTuple):
    """A line that is no history (a status message)."""

    what: str


Item = Sample | Raw | Bad | Skipped


@dataclass(frozen=True)
class Asked:
    """What the options say of a file: names that it does not carry itself, and its time zone."""

    pilot: str | None = None
    device: str | None = None
    metric: str | None = None
    times: Times = field(default_factory=Times)


class WrongFile(ValueError):
    """The file as a whole cannot be read as asked; the text names the cure."""
