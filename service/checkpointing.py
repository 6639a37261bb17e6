"""The state of a worker as bytes, and a worker's state from bytes: what a restart must not have to recompute.

A checkpoint holds the newest reading and window of every series, the readings whose windows are still open, and the
longer windows that are not published as they stand. Batches committed after it are read back from the outbox.
"""

from __future__ import annotations

import msgspec
import numpy as np

from ingest.admission import Admission
from processing.rollup import NO_PAIRS, Pairs, floor_to
from service.series_book import SeriesBook
from telemetry.columns import Readings, Windows
from telemetry.ports import Resolution, StoreBatch


class _State(msgspec.Struct, array_like=True):
    newest_ns: bytes
    emitted_ns: bytes
    latest: bytes
    waiting: bytes
    pending: dict[Resolution, tuple[bytes, bytes]]


def pack_state(book: SeriesBook, admission: Admission) -> bytes:
    """Take a checkpoint."""
    windows = book.windows
    pending = {}
    for name, rollup in windows.rollups.items():
        dirty = np.flatnonzero(rollup.dirty).astype(np.int32)
        pairs = rollup.pending.plus(Pairs.of(dirty, rollup.open.start_ns[dirty]))
        pending[name] = (pairs.series.tobytes(), pairs.start_ns.tobytes())
    state = _State(
        admission.newest_ns.tobytes(),
        windows.emitted_ns.tobytes(),
        book.latest.rows.to_bytes(),
        Readings.concat([part.readings for part in windows.waiting]).to_bytes(),
        pending,
    )
    return msgspec.msgpack.encode(state)


def load_state(blob: bytes, book: SeriesBook, admission: Admission) -> None:
    """Put a checkpoint's state in place. The book may know more series by now."""
    state = msgspec.msgpack.decode(blob, type=_State)
    newest, emitted = np.frombuffer(state.newest_ns, np.int64), np.frombuffer(state.emitted_ns, np.int64)
    size = min(len(newest), len(admission.newest_ns))
    admission.newest_ns[:size] = newest[:size]
    windows = book.windows
    size = min(len(emitted), len(windows.emitted_ns))
    windows.emitted_ns[:size] = emitted[:size]
    latest = Readings.from_bytes(state.latest)
    for name in Readings.DTYPES:
        column = getattr(latest, name)
        getattr(book.latest.rows, name)[: len(column)] = column[: len(book.latest.rows)]
    windows.wait(Readings.from_bytes(state.waiting))
    for resolution, (series, start_ns) in state.pending.items():
        pairs = Pairs(np.frombuffer(series, np.int32), np.frombuffer(start_ns, np.int64))
        windows.rollups[resolution].pending = pairs


def replay_batch(batch: StoreBatch, book: SeriesBook, admission: Admission) -> None:
    """Bring the state forward by one batch committed after the checkpoint."""
    readings, windows = batch.readings, book.windows
    if len(readings):
        np.maximum.at(admission.newest_ns, readings.series, readings.time_ns)
        book.latest.update(readings)
        fresh = windows.start_of(readings.series, readings.time_ns) > windows.emitted_ns[readings.series]
        windows.wait(readings.take(fresh))
    base = batch.windows.get("base", Windows.empty())
    np.maximum.at(windows.emitted_ns, base.series, base.start_ns)
    held, windows.waiting = windows.waiting, []
    for part in held:
        windows.wait(part.readings.take(part.start_ns > windows.emitted_ns[part.readings.series]))
    for resolution, rollup in windows.rollups.items():
        published = batch.windows.get(resolution, Windows.empty())
        touched = Pairs.of(base.series, floor_to(base.start_ns, rollup.span_ns)) if len(base) else NO_PAIRS
        done = Pairs.of(published.series, published.start_ns) if len(published) else NO_PAIRS
        rollup.pending = rollup.pending.plus(touched).minus(done)
