"""Carries out what other processes ask of the worker through the operational database."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import structlog

from service.worker import Worker
from storage.operational_view import Request, RequestBook

log = structlog.get_logger("service.requests")
_LOOK_EVERY_S = 1.0


async def carry_out(worker: Worker) -> None:
    """Run until cancelled. Looks at SQLite's change counter alone unless another process has written."""
    book = await worker.on_disk(lambda: RequestBook(worker.operational.db))
    seen = -1
    while True:
        changed = await worker.on_disk(lambda: int(worker.operational.db.execute("PRAGMA data_version").fetchone()[0]))
        if changed != seen:
            with contextlib.suppress(sqlite3.OperationalError):  # locked or no room: the next look tries again
                await _all(worker, book)
                seen = changed
        await asyncio.sleep(_LOOK_EVERY_S)


async def _all(worker: Worker, book: RequestBook) -> None:
    while requests := await worker.on_disk(book.open):
        for request in requests:
            await _one(worker, book, request)


async def _one(worker: Worker, book: RequestBook, request: Request) -> None:
    # done comes last: a crash in between finds the row gone and only removes the request
    found = await worker.take_requeued(request.quarantine_id)
    await worker.on_disk(lambda: book.done(request))
    log.info("requeued", row=request.quarantine_id, by=request.asked_by, found=found)
