"""One ingest worker: journaled groups in, settled batches out. Owns all state of its pilots' series.

A *tick* decodes and admits one journaled group at once, in the event loop. A *settling*, about once a second, turns
what the ticks left into one commit and one batch for the store. Both are the same for live, replayed and requeued
messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from ingest.admission import Admission, Arrivals, Limits
from ingest.decode import GroupDecoder
from ingest.message import Message, pack, unpack
from ingest.sequence import SequenceTracker
from service import checkpointing, settling
from service.outbox_writer import OutboxWriter
from service.pile import Pile
from service.series_book import SeriesBook
from storage.operational import Operational, Settled
from telemetry.columns import I32
from telemetry.errors import DiskFull, RasadError
from telemetry.ports import Store

log = structlog.get_logger("service.worker")
T = TypeVar("T")

SETTLE_EVERY_S = 1.0
#: settle at once when so many readings have piled up
_FULL_PILE = 120_000
_CHECKPOINT_EVERY_S = 20.0
_CHECKPOINT_ROWS = 500_000


class Worker:
    """State and life of one worker. `on_settled(settled)` is called in the event loop after each commit."""

    def __init__(
        self,
        book: SeriesBook,
        operational: Operational,
        store: Store,
        limits: Limits,
        max_payload_bytes: int,
        max_objects: int,
        drain_rows_per_s: float,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.book = book
        self.operational = operational
        self.store = store
        self.decoder = GroupDecoder(book.registry, max_payload_bytes, max_objects)
        self.admission = Admission(book.registry, limits)
        self.disk = ThreadPoolExecutor(1, "operational")
        self.writer = OutboxWriter(operational, store, self.on_disk, drain_rows_per_s)
        self.statuses: dict[tuple[str, str], tuple[str, int]] = {}
        self.sequences: dict[tuple[str, str], SequenceTracker] = {}
        self.on_settled: list[Callable[[Settled], None]] = []
        self.on_latest: list[Callable[[I32], None]] = []
        self.last_tick_s = 0.0
        self.last_settle_s = 0.0
        self.readings_admitted = 0
        self._wall_ns = wall_ns
        self._number = 0
        self._pile = Pile()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._done = asyncio.Condition()
        #: a settling was cut short: none may follow it, or the journal would let go of what it had taken
        self._torn = False
        self._checkpoint_due = 0.0
        self._rows_since_checkpoint = 0
        self._has_parked = False

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run work on the operational database in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self.disk, work)

    async def append_group(self, blob: bytes, pilots: dict[str, int]) -> int:
        """Journal a group (see `ingest.group_commit`)."""
        return await self.on_disk(lambda: self.operational.append_group(blob, pilots))

    # --- ticks

    def tick(self, number: int, messages: list[Message]) -> None:
        """Take a journaled group: decode, admit, judge, show; the rest waits for the next settling."""
        began = time.perf_counter()
        decoded = self.decoder.decode(messages)
        self.book.grow()
        admitted = self.admission.admit(decoded, self._wall_ns())
        fresh = settling.judge(self.book, admitted.fresh)
        changed = self.book.latest.update(fresh)
        for tell in self.on_latest:
            tell(changed)
        self._pile.add(number, decoded, admitted, fresh)
        self.readings_admitted += len(fresh)
        if self._pile.rows >= _FULL_PILE:
            self._wake.set()
        self.last_tick_s = time.perf_counter() - began

    async def room(self) -> None:
        """Return when another group may be taken: memory is bounded by what waits for a settling."""
        while self._pile.rows >= _FULL_PILE:
            self._taken.clear()
            self._wake.set()
            await self._taken.wait()

    async def replay_journal(self, after: int = 0) -> int:
        """Take groups that an earlier process journaled and did not settle; gives how many messages."""
        count = 0
        while groups := await self.on_disk(partial(self.operational.journaled, after)):
            for number, blob in groups:
                messages = unpack(blob) if blob else []
                if not blob:
                    log.error("a journaled group is damaged and counted as one bad message", group=number)
                    messages = [("damaged-journal-group", b"", False, self._wall_ns())]
                count += len(messages)
                self.tick(number, messages)
                after = number
            if self._pile.rows >= _FULL_PILE:
                await self.settle()
            await asyncio.sleep(0)
        return count

    async def take_requeued(self, row_id: int) -> bool:
        """Send a quarantined message through again."""
        messages: list[Message] = []

        def pack_again(topic: str, payload: bytes, received_ns: int) -> bytes:
            messages.append((topic, payload, False, received_ns))
            return pack(messages)

        number = await self.on_disk(lambda: self.operational.requeue(row_id, pack_again))
        if number is None:
            return False
        # before any later group is taken: a settling clears the journal up to the highest number that it has seen
        self.tick(number, messages)
        return True

    # --- settling

    async def run(self) -> None:
        """Settle about once a second until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SETTLE_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._due():
                await self.settle()

    def _due(self) -> bool:
        due_ns = self.book.windows.next_due_ns
        ended = due_ns is not None and due_ns <= self._wall_ns() - settling.GRACE_NS
        back = self._has_parked and not self.writer.away and self.writer.behind == 0
        return not self._pile.empty or ended or back

    @property
    def backlog_rows(self) -> int:
        """Readings that wait for a settling."""
        return self._pile.rows

    async def settle(self, final: bool = False) -> None:
        """Settle what the ticks left; returns when it is committed (the store takes it right after)."""
        async with self._done:
            if self._torn:
                raise RasadError(
                    "a settling was cut short; its readings are in the journal and taken at the next start"
                )
            self._torn = True
            began = time.perf_counter()
            pile, self._pile = self._pile, Pile()
            self._taken.set()
            self.book.grow_windows()
            settled = settling.new_settled(self._number + 1, pile, self.book)
            inflow = await self._inflow(pile)
            await settling.settle_readings(self.book, self._reach_store, inflow, settled, self._wall_ns())
            await self._settle_happenings(pile, settled)
            self._settle_sequences(pile, settled)
            await self._commit(settled, final)
            self._torn = False
            self.last_settle_s = time.perf_counter() - began

    async def _inflow(self, pile: Pile) -> settling.Inflow:
        suspects, ids = list[Arrivals](), list[int]()
        if self._has_parked and not self.writer.away and self.writer.behind == 0:
            parked = await self.on_disk(self.operational.parked)
            self._has_parked = bool(parked)
            for row_id, blob in parked:
                ids.append(row_id)
                suspects.append(Arrivals.from_bytes(blob))
        # what waited came first and stands where both say something of one time
        return settling.Inflow(pile.fresh, Arrivals.concat([*suspects, *pile.suspects]), ids)

    async def _reach_store(self) -> Store | None:
        # a look into the store is right only when it has everything that was committed before
        return self.store if await self.writer.caught_up(5.0) else None

    async def _settle_happenings(self, pile: Pile, settled: Settled) -> None:
        keys = [(h.pilot, h.device, h.key) for h in pile.happenings if h.kind == "event"]
        known = await self.on_disk(lambda: self.operational.known_events(keys)) if keys else {}
        settling.settle_happenings(pile.happenings, known, self.statuses, settled)

    def _settle_sequences(self, pile: Pile, settled: Settled) -> None:
        changed = set()
        for index, number in pile.sequences:
            device = self.book.registry.devices[index]
            key = (device.pilot.id, device.id)
            self.sequences.setdefault(key, SequenceTracker()).see(number)
            changed.add(key)
        for key in changed:
            tracker = self.sequences[key]
            settled.sequences.append((*key, tracker.high, tracker.seen.to_bytes(512, "little"), tracker.missing))

    async def _commit(self, settled: Settled, final: bool) -> None:
        batch = settled.batch
        filled = bool(len(batch.readings) or batch.events or any(len(w) for w in batch.windows.values()))
        self._rows_since_checkpoint += len(batch.readings) + filled
        due = time.monotonic() >= self._checkpoint_due or self._rows_since_checkpoint > _CHECKPOINT_ROWS
        if self._rows_since_checkpoint and (final or due):
            settled.checkpoint = checkpointing.pack_state(self.book, self.admission)
        while True:
            try:
                await self.on_disk(lambda: self.operational.commit(settled))
                break
            except DiskFull as error:
                log.error("settling waits for the disk", why=str(error))  # noqa: TRY400  the text says it all
                await asyncio.sleep(1.0)
        self._has_parked |= settled.parked is not None
        if settled.checkpoint is not None:
            self._checkpoint_due = time.monotonic() + _CHECKPOINT_EVERY_S
            self._rows_since_checkpoint = 0
        if filled:
            self._number = batch.number
            self.writer.put(batch)
        for tell in self.on_settled:
            tell(settled)

    # --- life

    async def restore(self) -> None:
        """Put back what earlier processes knew. The journal's rest is taken by `replay_journal` afterwards."""
        operational = self.operational
        after = 0
        checkpoint = await self.on_disk(operational.checkpoint)
        self.admission.grow()
        if checkpoint:
            after, blob = checkpoint
            checkpointing.load_state(blob, self.book, self.admission)
        for batch in await self.on_disk(lambda: list(operational.retained(after))):
            checkpointing.replay_batch(batch, self.book, self.admission)
        self._number = await self.on_disk(operational.last_number)
        self.statuses = await self.on_disk(operational.statuses)
        self._has_parked = bool(await self.on_disk(lambda: operational.parked(1)))
        for key, (high, seen, missing) in (await self.on_disk(operational.sequences)).items():
            self.sequences[key] = SequenceTracker(high, int.from_bytes(seen, "little"), missing)
        self.writer.start_from(self._number)
