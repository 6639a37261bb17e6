"""Forgets what is older than settings say, once an hour."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Literal

import structlog

from service.settings import RetentionSection
from telemetry.errors import RasadError
from telemetry.ports import Store

log = structlog.get_logger("service.retention")
_Key = Literal["readings", "base", "m1", "h1", "events"]
_KEYS: Final[dict[_Key, str]] = {"readings": "readings", "base": "base", "m1": "1m", "h1": "1h", "events": "events"}


async def keep(store: Store, retention: RetentionSection, every_s: float = 3600.0) -> None:
    """Run until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        cutoffs = cutoffs_ns(retention, time.time_ns())
        if cutoffs:
            try:
                await store.expire(cutoffs)
            except RasadError as error:
                log.warning("retention put off", why=str(error))


def ages_ns(retention: RetentionSection) -> dict[str, int]:
    """How long each resolution is kept; what is kept for ever is not in it."""
    ages = {resolution: retention.ns(name) for name, resolution in _KEYS.items()}
    return {resolution: age_ns for resolution, age_ns in ages.items() if age_ns is not None}


def cutoffs_ns(retention: RetentionSection, now_ns: int) -> dict[str, int]:
    """Times before which each resolution is forgotten."""
    return {resolution: now_ns - age_ns for resolution, age_ns in ages_ns(retention).items()}
