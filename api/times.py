"""Times in queries: milliseconds since 1970, or RFC 3339 with an offset. Both kinds of digits are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, WithJsonSchema

from telemetry.columns import I64

#: the whole span that int64 nanoseconds hold, kept clear of both ends
EARLIEST_NS: Final = -9_200_000_000_000_000_000
LATEST_NS: Final = 9_200_000_000_000_000_000

_MS: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?\Z")
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_DIGITS: Final = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")
_CURE: Final = (
    "write ms since 1970 (1737963587742) or RFC 3339 with an offset (2026-01-27T07:39:47Z; a + is %2B in an address)"
)


def time_ns(text: str) -> int:
    """Read a time; ValueError says what is wanted.

    >>> time_ns("1737963587742"), time_ns("2025-01-27T11:39:47.742+04:00")
    (1737963587742000000, 1737963587742000000)
    """
    plain = text.translate(_DIGITS)
    if _MS.match(plain):
        ns = int(Decimal(plain) * 1_000_000)
    elif found := _RFC3339.match(plain):
        ns = _rfc3339_ns(*found.groups())
    else:
        raise ValueError(f"{text[:64]!r} is no time; {_CURE}")
    if not EARLIEST_NS <= ns <= LATEST_NS:
        raise ValueError(f"{text[:64]!r} lies outside the years 1678 to 2261; {_CURE}")
    return ns


def _rfc3339_ns(day: str, clock: str, fraction: str | None, offset: str) -> int:
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset.upper()}")
        whole_s = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    except (ValueError, OverflowError) as why:
        raise ValueError(f"{day}T{clock}{offset} is no time of the calendar ({why}); {_CURE}") from None
    return whole_s * 10**9 + int((fraction or "").ljust(9, "0"))


def _from_query(value: Any) -> int:
    return time_ns(value) if isinstance(value, str) else int(value)


#: a query parameter that holds a time; arrives as ns since 1970
Time = Annotated[
    int,
    BeforeValidator(_from_query),
    WithJsonSchema({"type": "string", "description": "ms since 1970, or RFC 3339 with an offset"}),
]


def ms(ns: int) -> int | float:
    """Give ms since 1970: whole where it is whole, else with its fraction.

    >>> ms(1_500_000), ms(2_000_000)
    (1.5, 2)
    """
    return ns // 1_000_000 if ns % 1_000_000 == 0 else ns / 1e6


def ms_or_none(ns: int | None) -> int | float | None:
    """Give ms since 1970, None for None."""
    return None if ns is None else ms(ns)


def iso_times(ns: I64) -> npt.NDArray[Any]:
    """Give ISO 8601 texts in UTC with ms, or with ns where ms are not enough.

    >>> iso_times(np.int64([1737963587742000000])).tolist()
    ['2025-01-27T07:39:47.742Z']
    """
    unit: Literal["ms", "ns"] = "ns" if np.any(ns % 1_000_000) else "ms"
    return np.strings.add(np.datetime_as_string(ns.view("datetime64[ns]"), unit), "Z")
