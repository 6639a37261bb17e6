"""Durations as people write them in settings: a number and s, m, h or d (or ms)."""

import re
from typing import Final

_NS: Final = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\Z")


def duration_ns(text: str) -> int:
    """Turn `10s`, `1.5h` or `400d` into nanoseconds; ValueError names the form that is wanted.

    >>> duration_ns("10s"), duration_ns("400d") // 86_400_000_000_000
    (10000000000, 400)
    """
    found = _FORM.match(text)
    if not found:
        raise ValueError(f"{text!r} is no duration; write a number and ms, s, m, h or d, for example 10s or 5m")
    return round(float(found[1]) * _NS[found[2]])
