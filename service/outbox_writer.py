"""Drains the outbox into the store, in order: at once while the store is well, with back-off while it is away."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from telemetry.errors import DiskFull, StoreAway, StoreRefused
from telemetry.ports import Store, StoreBatch

log = structlog.get_logger("service.outbox")
T = TypeVar("T")


class OnDisk(Protocol):
    """Runs work on the operational database in its thread."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run `work` and give what it returns."""
        ...


#: rows kept in memory so that a healthy store is fed without reading the outbox back
_MEMORY_ROWS = 1_000_000
#: rows given to the store in one write
_WRITE_ROWS = 250_000


class Outbox(Protocol):
    """The durable side (see `storage.operational.Operational`)."""

    def unstored(self, after: int, limit: int = 16) -> list[StoreBatch]:
        """Batches not taken yet."""

    def mark_stored(self, numbers: list[int]) -> None:
        """Note what the store has taken."""


class OutboxWriter:
    """`put` gives it what was committed; `away` says why the store takes nothing, "" when it does."""

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        on_disk: OnDisk,
        drain_rows_per_s: float,
        backoff_cap_s: float = 15.0,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._on_disk = on_disk
        self._rows_per_s = drain_rows_per_s
        self._backoff_cap_s = backoff_cap_s
        self._memory: deque[StoreBatch] = deque()
        self._memory_rows = 0
        self._complete = False
        self._stored = 0
        self._newest = 0
        self._kick = asyncio.Event()
        self._settled = asyncio.Condition()
        self.away = ""
        self.refused = False
        self.rows_stored = 0
        self.last_write_s = 0.0

    @property
    def behind(self) -> int:
        """Batches that the store has not taken."""
        return self._newest - self._stored

    def start_from(self, newest: int) -> None:
        """Begin after a restart: batches up to `newest` exist, some of them perhaps not stored."""
        self._newest = newest
        self._kick.set()

    def put(self, batch: StoreBatch) -> None:
        """Take a batch that was just committed."""
        self._newest = batch.number
        rows = len(batch.readings) + sum(len(w) for w in batch.windows.values())
        if self._complete and self._memory_rows + rows <= _MEMORY_ROWS:
            self._memory.append(batch)
            self._memory_rows += rows
        else:
            self._complete = False
        self._kick.set()

    async def caught_up(self, within_s: float) -> bool:
        """Wait until the store has everything; False when it is away or does not get there in time."""
        if self.behind == 0:
            return True
        if self.away:
            return False
        try:
            async with asyncio.timeout(within_s), self._settled:
                await self._settled.wait_for(lambda: self.behind == 0 or bool(self.away))
        except TimeoutError:
            return False
        return self.behind == 0

    async def run(self) -> None:
        """Run until cancelled."""
        failures = 0
        while True:
            await self._kick.wait()
            try:
                more = await self._write_some(slowly=failures > 0)
            except Exception as error:  # noqa: BLE001  whatever a store raises, the outbox keeps it all and tries again
                failures += 1
                self._forget()
                expected = isinstance(error, StoreAway | StoreRefused | DiskFull)
                await self._say(str(error) if expected else repr(error), not isinstance(error, StoreAway | DiskFull))
                await asyncio.sleep(min(0.5 * 2 ** min(failures, 8), self._backoff_cap_s))
                continue
            if not more:
                failures = 0
            await self._say("", False)

    async def _write_some(self, slowly: bool) -> bool:
        newest = self._newest
        batches = await self._next()
        if not batches:
            # what was put while the outbox was read is still only there
            self._stored, self._complete = newest, newest == self._newest
            if self._complete:
                self._kick.clear()
            return False
        rows = sum(len(b.readings) + sum(len(w) for w in b.windows.values()) for b in batches)
        began = time.monotonic()
        await self._store.write(batches)
        await self._on_disk(lambda: self._outbox.mark_stored([b.number for b in batches]))
        self.last_write_s = time.monotonic() - began
        self._stored = batches[-1].number
        self.rows_stored += rows
        if slowly:
            await asyncio.sleep(max(rows / self._rows_per_s - self.last_write_s, 0))
        return True

    async def _next(self) -> list[StoreBatch]:
        if not self._complete:
            self._forget()
            return await self._on_disk(lambda: self._outbox.unstored(self._stored, 8))
        chosen: list[StoreBatch] = []
        rows = 0
        while self._memory and rows < _WRITE_ROWS:
            batch = self._memory.popleft()
            chosen.append(batch)
            rows += len(batch.readings) + sum(len(w) for w in batch.windows.values())
        self._memory_rows -= rows
        return chosen

    def _forget(self) -> None:
        self._memory.clear()
        self._memory_rows = 0
        self._complete = False

    async def _say(self, away: str, refused: bool) -> None:
        if bool(away) != bool(self.away):
            log.error("store away", why=away) if away else log.info("store is back", behind=self.behind)
        self.away, self.refused = away, refused
        async with self._settled:
            self._settled.notify_all()
