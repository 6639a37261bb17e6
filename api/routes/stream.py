"""`/stream`: live events over server-sent events, resumed by `Last-Event-ID`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from api.auth import BackendHere, Caller, Gate, Viewer, pilot_here
from api.backend import Backend
from api.live import EVENT_KINDS, EventKind, Frame, Subscription
from api.options import ApiOptions
from api.problems import Problem
from api.routes.registry import PilotName

router = APIRouter(tags=["stream"])

_OPENING: Final = b"retry: 2000\n: rasad\n\n"
_COMMENT: Final = b": still here\n\n"
_RESET: Final = b'event: reset\ndata: {"why":"events between were missed; load the page\'s data again"}\n\n'
_ENDED: Final = b'event: ended\ndata: {"why":"the token was revoked or has expired"}\n\n'


class LiveResponse(EventSourceResponse):
    """An event stream whose reader is dropped quietly when it takes nothing for too long."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return


def kinds_of(text: str) -> list[EventKind]:
    """Read `events=latest,window`.

    >>> kinds_of("latest,window")
    ['latest', 'window']
    """
    asked = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in asked if name not in EVENT_KINDS]
    if unknown or not asked:
        listed = ", ".join(EVENT_KINDS)
        raise Problem(
            422, "unknown-event-kind", f"events={text[:80]!r} names no known kind of event; choose from: {listed}."
        )
    return [kind for kind in EVENT_KINDS if kind in asked]


@router.get(
    "/stream",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events `latest`, `window`, …; `reset` when some were missed",
            "content": {"text/event-stream": {}},
        }
    },
)
async def stream(
    request: Request,
    backend: BackendHere,
    caller: Viewer,
    events: Annotated[str, Query(max_length=200)] = "latest,alarm,visit,command,window",
    pilot: PilotName = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> LiveResponse:
    """Live events; a comment line when nothing else comes."""
    kinds, pilots = kinds_of(events), caller.token.pilots
    if pilot is not None:
        pilots = frozenset({pilot_here(backend, caller, pilot).id})
    options: ApiOptions = request.app.state.options
    _count(request, caller, options)
    subscription, missed, complete = backend.hub.subscribe(kinds, pilots, last_event_id)
    opening = [_OPENING] if complete else [_OPENING, _RESET]
    lines = _lines(request, backend, caller, subscription, [*opening, *(frame.wire for frame in missed)])
    return LiveResponse(lines, ping=0, send_timeout=options.send_timeout_s)


def _count(request: Request, caller: Caller, options: ApiOptions) -> None:
    streams: Counter[str] = request.app.state.streams
    if streams[caller.token.prefix] >= options.streams_per_token:
        detail = (
            f"This token has {options.streams_per_token} streams open, the most it may; close one or use another token."
        )
        raise Problem(429, "too-many-streams", detail, headers={"Retry-After": "10"})


async def _lines(
    request: Request, backend: Backend, caller: Caller, subscription: Subscription, opening: Iterable[bytes]
) -> AsyncIterator[bytes]:
    streams: Counter[str] = request.app.state.streams
    streams[caller.token.prefix] += 1
    try:
        for line in opening:
            yield line
        async for line in _live(request, caller, subscription):
            yield line
    finally:
        streams[caller.token.prefix] -= 1
        backend.hub.unsubscribe(subscription)


async def _live(request: Request, caller: Caller, subscription: Subscription) -> AsyncIterator[bytes]:
    gate: Gate = request.app.state.gate
    options: ApiOptions = request.app.state.options
    clock = asyncio.get_running_loop().time
    checked_s = said_s = clock()
    while not subscription.lost:
        frame: Frame | None = await subscription.next(min(options.keep_alive_s, options.recheck_s))
        if clock() - checked_s >= options.recheck_s:
            if not gate.still_valid(caller):
                yield _ENDED
                return
            checked_s = clock()
        if frame is not None:
            yield frame.wire
            said_s = clock()
        elif clock() - said_s >= options.keep_alive_s:
            yield _COMMENT
            said_s = clock()
