"""History through the same engine: files to messages, messages to the worker of this process or to a running one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ingest.admission import Admission, Arrivals, Limits, settle_suspects
from ingest.decode import GroupDecoder
from ingest.message import Message, pack
from service import wiring
from service.backfill_reading import Reading, read_beside
from service.discovery import find_pilots
from service.history.lines import Raw
from service.series_book import SeriesBook
from service.settings import Settings
from service.worker import Worker
from storage.operational_reader import LedgerRow, OperationalReader
from telemetry.clock import ReceiveClock
from telemetry.errors import Mistake, SettingsError, StoreAway

#: batches that the outbox may be behind before reading goes on
_MOST_BEHIND: Final = 3
_PUBLISH_WITHIN_S: Final = 60.0


@dataclass
class Outcome:
    """What became of the readings. Counts by reason where there are reasons; `dry` says that nothing was changed."""

    how: str
    read: int = 0
    messages: int = 0
    stored: int = 0
    duplicate: int = 0
    pending: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    from_ns: int | None = None
    to_ns: int | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class Decoding:
    """What the engine's own decoder and admission say of messages, without any state that lasts."""

    def __init__(self, settings: Settings) -> None:
        self.book = SeriesBook([found.pilot for found in find_pilots(settings.pilots.dirs, settings.pilots.only)], [])
        admission = settings.admission
        self._decoder = GroupDecoder(self.book.registry, admission.max_payload_bytes, admission.max_objects)
        self._admission = Admission(self.book.registry, Limits(admission.future_ms * 10**6, 0.0, 0.0))
        self._clock = ReceiveClock()
        self._kept: list[Arrivals] = []
        self._suspects: list[Arrivals] = []
        self.outcome = Outcome("dry run")

    def take(self, group: list[Raw]) -> int:
        """Decode and admit a group; gives how many readings it has."""
        decoded = self._decoder.decode(stamped(group, self._clock))
        self.book.grow()
        admitted = self._admission.admit(decoded, time.time_ns())
        self._kept.append(admitted.fresh)
        self._suspects.append(admitted.suspects)
        outcome = self.outcome
        readings = sum(decoded.received.values())
        outcome.read += readings
        outcome.messages += len(group)
        outcome.duplicate += len(admitted.duplicates)
        outcome.stored += len(decoded.happenings)
        for aside in decoded.asides:
            outcome.quarantined[aside.reason] = outcome.quarantined.get(aside.reason, 0) + aside.readings
        for refused in decoded.refused:
            outcome.rejected[refused.reason] = outcome.rejected.get(refused.reason, 0) + refused.readings
        return readings

    def finish(self) -> Outcome:
        """Compare what came out of order with all the rest of the files."""
        outcome, suspects = self.outcome, Arrivals.concat(self._suspects)
        kept = Arrivals.concat(self._kept)
        parts = [kept]
        if len(suspects):
            new, duplicates, conflicts = settle_suspects(kept, suspects)
            parts.append(new)
            outcome.duplicate += len(duplicates)
            if len(conflicts):
                outcome.quarantined["conflict"] = outcome.quarantined.get("conflict", 0) + len(conflicts)
        outcome.stored += sum(len(part) for part in parts)
        times = [part.time_ns for part in parts if len(part)]
        if times:
            outcome.from_ns, outcome.to_ns = int(min(map(np.min, times))), int(max(map(np.max, times)))
        return outcome


def dry_run(settings: Settings, reading: Reading) -> Outcome:
    """Say what would be stored and refused, comparing the files with themselves, not with what is stored already."""
    began = time.monotonic()
    decoding = Decoding(settings)
    for group in reading.groups():
        decoding.take(group)
    outcome = decoding.finish()
    outcome.seconds = time.monotonic() - began
    return outcome


def stamped(group: list[Raw], clock: ReceiveClock) -> list[Message]:
    """Give messages the receive times that they get now."""
    first = clock.stamps(len(group))
    return [(topic, payload, False, first + 1000 * at) for at, (topic, payload) in enumerate(group)]


async def through_worker(settings: Settings, reading: Reading) -> Outcome:
    """Run history through a worker of this process. The data directory must be locked by the caller."""
    began = time.monotonic()
    # a file is no device that has gone mad: no rate limit
    unlimited = settings.admission.model_copy(update={"device_messages_per_s": 0.0})
    parts = wiring.build(settings.model_copy(update={"admission": unlimited}))
    try:
        _refuse_missing_pilots(parts.book, settings)
        reader = OperationalReader(parts.operational.path)
        outcome = Outcome("worker of this process")
        try:
            await parts.store.open()
        except StoreAway as error:
            outcome.notes.append(f"the store is away ({error}); the outbox keeps everything for the next start")
        try:
            async with _restored(parts.worker) as worker:
                before = reader.ledger()
                await _feed(worker, reading, outcome)
                await _publish_all(worker)
            _add_difference(outcome, before, reader.ledger())
        finally:
            await parts.store.close()
    finally:
        parts.operational.close()
    outcome.seconds = time.monotonic() - began
    return outcome


@contextlib.asynccontextmanager
async def _restored(worker: Worker) -> AsyncIterator[Worker]:
    await worker.restore()
    writing = asyncio.create_task(worker.writer.run())
    try:
        await worker.replay_journal()
        await worker.settle()
        await worker.writer.caught_up(30.0)
        yield worker
    finally:
        await worker.settle(final=True)
        await worker.writer.caught_up(_PUBLISH_WITHIN_S)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing


async def _feed(worker: Worker, reading: Reading, outcome: Outcome) -> None:
    clock = ReceiveClock()
    settling: asyncio.Task[None] | None = None
    async for group in read_beside(reading):
        messages = stamped(group, clock)
        number = await worker.append_group(pack(messages), worker.decoder.count_pilots(messages))
        worker.tick(number, messages)
        outcome.messages += len(group)
        if worker.backlog_rows >= 200_000:
            if settling:
                await settling
            if worker.writer.behind > _MOST_BEHIND:
                await worker.writer.caught_up(_PUBLISH_WITHIN_S)
            settling = asyncio.create_task(worker.settle())
    if settling:
        await settling
    await worker.settle()


async def _publish_all(worker: Worker) -> None:
    """Settle until every window that has ended is published; the newest of each series waits a moment by rule."""
    deadline = time.monotonic() + _PUBLISH_WITHIN_S
    while time.monotonic() < deadline:
        due_ns = worker.book.windows.next_due_ns
        if due_ns is None or due_ns > time.time_ns() - 2 * 10**9:
            return
        await asyncio.sleep(0.25)
        await worker.settle()


def _refuse_missing_pilots(book: SeriesBook, settings: Settings) -> None:
    """Without its file a pilot's pending readings would be set aside as unknown: better to ask for the folder."""
    missing = sorted({key.pilot for _, key in book.table.items()} - book.pilots.keys())
    if missing:
        what = f"holds readings of pilots that were not found: {', '.join(missing)}"
        cure = "Give the same --pilots-dir and --pilots as to the process that runs on it"
        raise SettingsError([Mistake(str(settings.service.data), 0, "--data", what, cure)])


def _add_difference(outcome: Outcome, before: LedgerRow, after: LedgerRow) -> None:
    outcome.read = after.received - before.received
    outcome.stored = after.stored - before.stored
    outcome.duplicate = after.duplicate - before.duplicate
    outcome.pending = after.pending - before.pending
    outcome.quarantined = _more(before.quarantined, after.quarantined)
    outcome.rejected = _more(before.rejected, after.rejected)


def _more(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {reason: count - before.get(reason, 0) for reason, count in after.items()}
    return {reason: count for reason, count in grown.items() if count}


def through_broker(settings: Settings, reading: Reading, url: str, say: Callable[[str], None]) -> Outcome:
    """Send history to the broker of the process that runs on the data directory, until its ledger has taken it."""
    from service.sending import send

    began = time.monotonic()
    reader = OperationalReader(settings.service.data / "operational.sqlite")
    decoding, before = Decoding(settings), reader.ledger()

    def messages() -> Iterator[Raw]:
        for group in reading.groups():
            decoding.take(group)
            yield from group

    sent = send(settings, url, messages(), say)
    outcome = Outcome("broker of the running process", messages=sent)
    outcome.notes.append("counts are the ledger's growth meanwhile, what devices sent included")
    if not _until(lambda: _settled(reader.ledger(), before) >= decoding.outcome.read):
        outcome.notes.append(f"the process had not taken everything after {_PUBLISH_WITHIN_S:.0f} s without progress")
    _add_difference(outcome, before, reader.ledger())
    outcome.seconds = time.monotonic() - began
    return outcome


def _settled(now: LedgerRow, before: LedgerRow) -> int:
    return now.received - now.pending - before.received + before.pending


def _until(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PUBLISH_WITHIN_S
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
