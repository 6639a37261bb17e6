"""One settling: a pile of admitted readings becomes a batch for the store and one commit of all its effects.

Readings that may repeat what is kept already, and windows that were published already, need a look into the store.
While it is away these readings are parked, durably; everything else goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from ingest.admission import Arrivals, conflict_asides, settle_suspects
from ingest.decode import Happening
from processing.rollup import Pairs
from processing.window_engine import Closed
from processing.windows import HOUR_NS
from service.pile import Pile
from service.series_book import SeriesBook
from storage.operational import Settled
from telemetry.columns import I32, I64, Event, Readings, Windows
from telemetry.errors import StoreAway, StoreRefused
from telemetry.ports import Resolution, Store, StoreBatch
from telemetry.reasons import Aside, Quarantined

log = structlog.get_logger("service.settling")

#: windows wait this long after their end for readings under way
GRACE_NS = 10**9


@dataclass(slots=True)
class Inflow:
    """Readings that a settling works on: what the ticks found fresh, what is suspect, what waited for the store."""

    fresh: list[Readings]
    suspects: Arrivals
    parked_ids: list[int]


async def recall(store: Store, book: SeriesBook, pairs: Pairs) -> Readings:
    """All stored readings of these base windows."""
    if not len(pairs):
        return Readings.empty()
    spans = book.windows.base_ns[pairs.series]
    parts = [
        await store.recall_readings(pairs.series[spans == span], pairs.start_ns[spans == span], span)
        for span in np.unique(spans).tolist()
    ]
    return Readings.concat(parts)


async def settle_readings(
    book: SeriesBook, reach_store: Callable[[], Awaitable[Store | None]], inflow: Inflow, settled: Settled, now_ns: int
) -> None:
    """Settle suspects, close windows, fill `settled`.

    `reach_store` gives the store once it has everything that was committed before, or None while it is away.
    """
    windows, watermark_ns = book.windows, now_ns - GRACE_NS
    fresh, suspects = inflow.fresh, inflow.suspects
    wanted = windows.readings_wanted(suspects.series, suspects.time_ns)
    for part in fresh:
        wanted = wanted.plus(windows.readings_wanted(part.series, part.time_ns))
    recalled = await _recall(book, reach_store, wanted)
    if recalled is None:
        fresh, suspects = _park(book, fresh, suspects, settled)
        recalled = Readings.empty()
    settled.clear_parked = inflow.parked_ids
    parts = [*fresh, *_settle_suspects(book, fresh, suspects, recalled, settled)]
    # the heavy sums run beside the event loop; ticks meanwhile touch nothing of the windows
    closed = await asyncio.to_thread(windows.close, parts, recalled, watermark_ns, now_ns)
    base, published = await _recall_windows(book, reach_store, closed, watermark_ns)
    settled.batch.readings = Readings.concat(parts)
    settled.batch.windows = await asyncio.to_thread(windows.roll, closed, base, published, watermark_ns, now_ns)
    settled.accepted = book.count(settled.batch.readings.series)


async def _recall(
    book: SeriesBook, reach_store: Callable[[], Awaitable[Store | None]], wanted: Pairs
) -> Readings | None:
    if not len(wanted):
        return Readings.empty()
    try:
        store = await reach_store()
        return await recall(store, book, wanted) if store is not None else None
    except (StoreAway, StoreRefused) as error:
        log.warning("recall failed; late readings are parked", why=str(error))
        return None


async def _recall_windows(
    book: SeriesBook, reach_store: Callable[[], Awaitable[Store | None]], closed: Closed, watermark_ns: int
) -> tuple[Windows, dict[Resolution, Windows]]:
    hours = book.windows.base_wanted(closed, watermark_ns)
    if not len(hours):
        return Windows.empty(), {}
    try:
        store = await reach_store()
        if store is None:
            book.windows.put_off(closed)
            return Windows.empty(), {}
        base = await store.recall_windows(hours.series, hours.start_ns, HOUR_NS, "base")
        published = {
            resolution: await store.recall_windows(hours.series, hours.start_ns, HOUR_NS, resolution)
            for resolution in book.windows.rollups
        }
    except (StoreAway, StoreRefused):
        book.windows.put_off(closed)
        return Windows.empty(), {}
    return base, published


def _settle_suspects(
    book: SeriesBook, fresh: list[Readings], suspects: Arrivals, recalled: Readings, settled: Settled
) -> list[Readings]:
    if not len(suspects):
        return []
    held = book.windows.waiting_of(np.unique(suspects.series))
    known = Arrivals.concat([_arrivals(r) for r in (recalled, held, *fresh)])
    new, duplicates, conflicts = settle_suspects(known, suspects)
    add(settled.duplicate, book.count(duplicates.series))
    settled.quarantine.extend(conflict_asides(conflicts, book.table))
    judged = judge(book, new)
    book.latest.update(judged)
    return [judged] if len(judged) else []


def _park(
    book: SeriesBook, fresh: list[Readings], suspects: Arrivals, settled: Settled
) -> tuple[list[Readings], Arrivals]:
    kept, parked = list[Readings](), list[Arrivals]()
    for part in fresh:
        late = _published(book, part.series, part.time_ns)
        parked.append(_arrivals(part.take(late)))
        kept.append(part.take(~late))
    late = _published(book, suspects.series, suspects.time_ns)
    rows = Arrivals.concat([*parked, suspects.take(late)])
    settled.parked = (rows.to_bytes(), book.count(rows.series))
    return kept, suspects.take(~late)


def _published(book: SeriesBook, series: I32, time_ns: I64) -> npt.NDArray[np.bool_]:
    return book.windows.start_of(series, time_ns) <= book.windows.emitted_ns[series]


def judge(book: SeriesBook, arrivals: Arrivals) -> Readings:
    """Give every reading its flag and reasons."""
    flag, reasons = book.quality.judge(arrivals.series, arrivals.value)
    return Readings(arrivals.series, arrivals.time_ns, arrivals.value, flag, reasons, arrivals.received_ns)


def _arrivals(readings: Readings) -> Arrivals:
    return Arrivals(readings.series, readings.time_ns, readings.value, readings.received_ns)


def add(counts: dict[str, int], more: dict[str, int]) -> None:
    """Add counts by pilot to others."""
    for pilot, readings in more.items():
        counts[pilot] = counts.get(pilot, 0) + readings


def event_digest(happening: Happening) -> bytes:
    """Fingerprint of what an event says."""
    return hashlib.blake2b(happening.body.encode(), digest_size=16).digest()


def settle_happenings(
    happenings: list[Happening],
    known: dict[tuple[str, str, str], bytes],
    statuses: dict[tuple[str, str], tuple[str, int]],
    settled: Settled,
) -> None:
    """Sort events and statuses into new ones, repetitions and contradictions.

    `known` are digests by (pilot, device, key) of what was taken before; `statuses` is brought up to date.
    """
    for happening in happenings:
        pilot, device = happening.pilot, happening.device
        if happening.kind == "status":
            before = statuses.get((pilot, device))
            if before is not None and before[0] == happening.body:
                add(settled.duplicate, {pilot: 1})
                continue
            statuses[pilot, device] = (happening.body, happening.received_ns)
            settled.statuses.append((pilot, device, happening.body, happening.received_ns))
            _accept(happening, str(happening.received_ns), settled)
            continue
        digest = event_digest(happening)
        before_digest = known.get((pilot, device, happening.key))
        if before_digest is None:
            known[pilot, device, happening.key] = digest
            settled.event_keys.append((pilot, device, happening.key, digest, happening.time_ns))
            _accept(happening, happening.key, settled)
        elif before_digest == digest:
            add(settled.duplicate, {pilot: 1})
        else:
            settled.quarantine.append(
                Aside(pilot, device, happening.topic, Quarantined.CONFLICT,
                      f"event {happening.key!r} came before with another content", happening.body.encode(), 1,
                      happening.received_ns)
            )  # fmt: skip


def _accept(happening: Happening, key: str, settled: Settled) -> None:
    add(settled.accepted, {happening.pilot: 1})
    settled.batch.events.append(
        Event(
            happening.pilot,
            happening.device,
            happening.time_ns,
            happening.received_ns,
            happening.kind,
            key,
            happening.body,
        )
    )


def new_settled(number: int, pile: Pile, book: SeriesBook) -> Settled:
    """Begin a settling with what needs no thought: counts, troubles, new series."""
    settled = Settled(StoreBatch(number), pile.journal_upto, received=pile.received)
    for repeated in pile.duplicates:
        add(settled.duplicate, book.count(repeated.series))
    settled.quarantine = list(pile.asides)
    settled.rejected = list(pile.refused)
    settled.new_series, book.unsaved = book.unsaved, []
    return settled
