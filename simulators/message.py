"""What a simulated device sends: topics and payloads, written after the contract and by nothing that ingest uses."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Message(NamedTuple):
    """One publish: `at_ms` is when it leaves the device, ms since 1970."""

    topic: str
    payload: bytes
    at_ms: int
    retain: bool = False


def topic_of(pilot: str, device: str, channel: str) -> str:
    """Topic of a device's channel: `telemetry`, `event` or `status`.

    >>> topic_of("muttrah", "aq-souq", "telemetry")
    'city/v1/muttrah/aq-souq/telemetry'
    """
    return f"city/v1/{pilot}/{device}/{channel}"


def json_bytes(value: Any) -> bytes:
    """Compact JSON in UTF-8; NaN and infinities are a ValueError, for the contract knows none."""
    return _COMPACT.encode(value).encode()


def status(pilot: str, device: str, online: bool, at_ms: int) -> Message:
    """A device's retained status; `offline` is also its Will."""
    return Message(topic_of(pilot, device, "status"), b"online" if online else b"offline", at_ms, retain=True)
