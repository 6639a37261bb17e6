"""`/quarantine`: what was refused and kept, why, and what can be done about it."""

from __future__ import annotations

import base64
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response

from api.answers import Page, QuarantineView, Requeued, answer, documented
from api.auth import BackendHere, Caller, Operator, Viewer, pilot_here
from api.backend import Backend, QuarantineRow
from api.paging import Cursor, Limit, bad_cursor, page
from api.problems import Problem
from api.routes.registry import PilotName
from api.times import ms

router = APIRouter(tags=["quarantine"])

#: bytes of a payload that a list shows
CUT_BYTES: Final = 1_024
RowId = Annotated[int, Path(ge=0, le=2**63 - 1)]
Reason = Annotated[str | None, Query(max_length=64, description="only this reason")]


@router.get("/quarantine", responses=documented(Page[QuarantineView], 404))
async def quarantine(
    backend: BackendHere,
    caller: Viewer,
    pilot: PilotName = None,
    reason: Reason = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List quarantine, newest first."""
    before_id = _before(cursor)
    if pilot is not None:
        pilot_here(backend, caller, pilot)
    rows = await _rows(backend, caller, pilot, reason, before_id, limit + 1)
    more = str(rows[limit - 1].id) if len(rows) > limit else None
    return answer(page([_view(row, CUT_BYTES) for row in rows[:limit]], more))


@router.get("/quarantine/{id}", responses=documented(QuarantineView, 404))
async def quarantine_row(backend: BackendHere, caller: Viewer, row_id: Annotated[RowId, Path(alias="id")]) -> Response:
    """Show one row with its whole payload."""
    row = await _seen_row(backend, caller, row_id)
    return answer(_view(row, len(row.payload)))


@router.post("/quarantine/{id}/requeue", status_code=202, responses=documented(Requeued, 404, status=202))
async def requeue(backend: BackendHere, caller: Operator, row_id: Annotated[RowId, Path(alias="id")]) -> Response:
    """Send a row through ingest again, after its cause is mended."""
    await _seen_row(backend, caller, row_id)
    if not await backend.requeue(row_id, caller.token.prefix):
        raise _gone(row_id)
    return answer(Requeued(row_id, True), 202)


@router.delete("/quarantine/{id}", status_code=204, responses={404: documented(Requeued, 404)[404]})
async def drop(backend: BackendHere, caller: Operator, row_id: Annotated[RowId, Path(alias="id")]) -> Response:
    """Throw a row away for good."""
    await _seen_row(backend, caller, row_id)
    if not await backend.drop(row_id, caller.token.prefix):
        raise _gone(row_id)
    return Response(status_code=204)


async def _rows(
    backend: Backend, caller: Caller, pilot: str | None, reason: str | None, before_id: int | None, limit: int
) -> list[QuarantineRow]:
    if pilot is not None or caller.token.pilots is None:
        return await backend.quarantine(pilot, reason, before_id, limit)
    lists = [await backend.quarantine(name, reason, before_id, limit) for name in sorted(caller.token.pilots)]
    return sorted((row for rows in lists for row in rows), key=lambda row: -row.id)[:limit]


async def _seen_row(backend: Backend, caller: Caller, row_id: int) -> QuarantineRow:
    row = await backend.quarantine_row(row_id)
    if row is None or not caller.token.sees(row.pilot):
        raise _gone(row_id)
    return row


def _gone(row_id: int) -> Problem:
    detail = f"There is no row {row_id} in quarantine: it was requeued, dropped or pushed out; list /api/v1/quarantine."
    return Problem(404, "unknown-quarantine-row", detail)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise bad_cursor(cursor)
    return int(cursor)


def _view(row: QuarantineRow, most_bytes: int) -> QuarantineView:
    payload, encoding, cut = row.payload[:most_bytes], "utf-8", len(row.payload) > most_bytes
    try:
        text = payload.decode("utf-8", "ignore" if cut and _is_text(row.payload) else "strict")
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(payload).decode(), "base64"
    return QuarantineView(
        row.id, row.pilot, row.device, row.topic, row.reason, row.detail, ms(row.received_ns), row.readings,
        text, "utf-8" if encoding == "utf-8" else "base64", len(row.payload), cut,
    )  # fmt: skip


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
