"""`/events`: what devices reported once, and changes of their status."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Response

from api.answers import EventView, Page, answer, documented
from api.auth import BackendHere, Viewer, pilot_here
from api.paging import Cursor, Limit, bad_cursor, page
from api.problems import not_found
from api.routes.series import From, Name, To, check_range
from api.times import EARLIEST_NS, LATEST_NS, ms
from telemetry.columns import Event

router = APIRouter(tags=["events"])

_CURSOR: Final = re.compile(r"(-?[0-9]{1,19})\.([0-9]{1,6})\Z")
Filter = Annotated[str | None, Query(max_length=200)]


@router.get("/events", responses=documented(Page[EventView], 404, 503))
async def events(
    backend: BackendHere, caller: Viewer, pilot: Name, device: Filter = None, kind: Filter = None,
    from_ns: From = EARLIEST_NS, to_ns: To = LATEST_NS, limit: Limit = 100, cursor: Cursor = None,
) -> Response:  # fmt: skip
    """Events of a pilot in [from, to), by time."""
    check_range(from_ns, to_ns)
    known = pilot_here(backend, caller, pilot)
    there = backend.devices(known.id)
    if device is not None and device not in there:
        raise not_found("device", device, list(there))
    begin_ns, told = _begin(cursor, from_ns)
    rows = await backend.store.events(known.id, device, kind, begin_ns, to_ns, told + limit + 1)
    part = rows[told : told + limit]
    more = _cursor_after(rows, told + limit) if len(rows) > told + limit else None
    return answer(page([_view(event) for event in part], more))


def _begin(cursor: str | None, from_ns: int) -> tuple[int, int]:
    """Where a part begins: the time, and how many events of that very time were told already."""
    if cursor is None:
        return from_ns, 0
    found = _CURSOR.match(cursor)
    if not found or not from_ns <= int(found[1]) <= LATEST_NS:
        raise bad_cursor(cursor)
    return int(found[1]), int(found[2])


def _cursor_after(rows: list[Event], told: int) -> str:
    time_ns = rows[told].time_ns
    return f"{time_ns}.{sum(1 for event in rows[:told] if event.time_ns == time_ns)}"


def _view(event: Event) -> EventView:
    return EventView(
        event.pilot, event.device, ms(event.time_ns), ms(event.received_ns), event.kind, event.key, _body(event.body)
    )


def _body(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
