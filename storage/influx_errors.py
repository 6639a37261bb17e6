"""What InfluxDB's answers mean: try again later, or stop and tell a person."""

from __future__ import annotations

from typing import Final

import msgspec

from telemetry.errors import StoreAway, StoreRefused

_LATER: Final = (408, 425, 429, 500, 502, 503, 504)
#: A point older than its retention would be deleted at once, so leaving it out loses nothing that was to be kept.
_EXPIRED: Final = "points beyond retention policy"


class _Words(msgspec.Struct):
    error: str = ""
    message: str = ""


def server_words(body: bytes | str) -> str:
    """Give what the server says: `error` of InfluxDB 1.x and 3.x, `message` of 2.x, else the beginning of the text.

    >>> server_words(b'{"error":"partial write: field type conflict dropped=1"}')
    'partial write: field type conflict dropped=1'
    """
    try:
        words = msgspec.json.decode(body, type=_Words)
    except msgspec.MsgspecError:
        words = _Words()
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    return words.error or words.message or " ".join(text.split())[:300] or "no explanation"


def only_expired(status: int, body: bytes | str) -> bool:
    """Tell whether all that was left out of a write is older than the retention that was asked for."""
    return status in (400, 422) and _EXPIRED in server_words(body)


def http_error(doing: str, status: int, body: bytes | str, retry_after: str | None = None) -> StoreAway | StoreRefused:
    """Turn a refusal into the error that says what to do.

    `doing` begins the text: what was tried, and where.
    """
    words = server_words(body)
    if status in (401, 403):
        return StoreRefused(f"{doing}: InfluxDB answers {status}: {words}; check token, user and password, rights")
    if status not in _LATER:
        return StoreRefused(f"{doing}: InfluxDB answers {status}: {words}")
    if status == 500:
        return StoreAway(
            f"{doing}: InfluxDB answers 500: {words}; after a full disk InfluxDB 1.x goes on so until it is restarted: "
            "make room, then restart it; all is kept here until then"
        )
    wait = f"; it asks to wait {retry_after} s" if retry_after else ""
    return StoreAway(f"{doing}: InfluxDB answers {status}: {words}{wait}")
