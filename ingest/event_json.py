"""The JSON of discrete events and the words of status messages: bytes to what is kept, or the reason why not."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from ingest.telemetry_json import Trouble, time_ns
from telemetry.reasons import Quarantined

STATUSES: Final = ("online", "offline")
_event = msgspec.json.Decoder(dict[str, Any])


class Parsed(NamedTuple):
    """An event or status as it goes on. `key` names it for good: the sender's `id`, or a digest of what was sent."""

    time_ns: int
    key: str
    body: str
    timed: bool


def parse_event(payload: bytes, received_ns: int) -> Parsed | Trouble:
    """Read an event: a JSON object, best with `ts` and a unique `id`.

    >>> parse_event(b'{"id": "e1", "ts": 5, "type": "anpr"}', 9).key
    'e1'
    """
    try:
        event = _event.decode(payload)
        body = payload.decode("utf-8")
    except (ValueError, RecursionError) as error:
        return Trouble(Quarantined.UNDECODABLE, str(error)[:200], payload)
    ts = event.get("ts")
    if ts is None:
        return Parsed(received_ns, _key(event, payload, received_ns), body, timed=False)
    if isinstance(ts, bool) or not isinstance(ts, int | float | str):
        return Trouble(Quarantined.BAD_TIME, f"ts is {type(ts).__name__}", payload)
    moment, reason, detail = time_ns(ts)
    if reason is not None:
        return Trouble(reason, detail, payload)
    return Parsed(moment, _key(event, payload, moment), body, timed=True)


def parse_status(payload: bytes, received_ns: int) -> Parsed | Trouble:
    """Read a status: `online` or `offline`, bare or as a JSON string.

    >>> parse_status(b"online", 9).body
    'online'
    """
    word = payload.strip().strip(b'"').decode("ascii", "replace")
    if word not in STATUSES:
        return Trouble(Quarantined.BAD_STATUS, f"{word[:60]!r} is neither online nor offline", payload)
    return Parsed(received_ns, "", word, timed=False)


def _key(event: dict[str, Any], payload: bytes, time_ns: int) -> str:
    given = event.get("id")
    # a name that every store can carry: InfluxDB's tags take no control characters and no final backslash
    if isinstance(given, str) and 0 < len(given) <= 128 and given.isprintable() and not given.endswith("\\"):
        return given
    # without an id the event is what was sent and when; without ts the time is ours, so that none is taken for a repeat
    return hashlib.blake2b(payload + time_ns.to_bytes(8, "big"), digest_size=12).hexdigest()
