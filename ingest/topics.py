"""Topics of the city: `city/v1/{pilot}/{device}/telemetry|event|status`, allow-listed level by level."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from telemetry.names import is_pilot_or_device

PREFIX: Final = "city/v1/"
Channel = Literal["telemetry", "event", "status"]
CHANNELS: Final[tuple[Channel, ...]] = ("telemetry", "event", "status")
FILTERS: Final = tuple(f"{PREFIX}+/+/{channel}" for channel in CHANNELS)


class Address(NamedTuple):
    """Who speaks on which channel."""

    pilot: str
    device: str
    channel: Channel


def parse(topic: str) -> Address | None:
    """Read a topic; None when it is not one of ours or a name breaks the rules.

    >>> parse("city/v1/muttrah/aq-souq/telemetry")
    Address(pilot='muttrah', device='aq-souq', channel='telemetry')
    >>> parse("city/v1/muttrah/../../etc/telemetry") is None
    True
    """
    levels = topic.split("/")
    if len(levels) != 5 or levels[:2] != ["city", "v1"]:
        return None
    if not (is_pilot_or_device(levels[2]) and is_pilot_or_device(levels[3])):
        return None
    channel = next((channel for channel in CHANNELS if channel == levels[4]), None)
    return Address(levels[2], levels[3], channel) if channel else None
