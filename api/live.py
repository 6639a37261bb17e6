"""The live stream's hub: events go in once, are encoded once, and come out at every subscriber that asked for them.

Bounded everywhere: a ring of past events for `Last-Event-ID`, a queue per subscriber that is dropped when full.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, get_args

import msgspec
import numpy as np

from telemetry.columns import I32

EventKind = Literal["latest", "alarm", "visit", "command", "window"]
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
#: for so long after the last reader left, publishing goes on, so that it can resume
LINGER_S: Final = 120.0
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it goes over the wire."""

    number: int
    kind: EventKind
    pilot: str
    wire: bytes


class Subscription:
    """One reader of the stream: what it wants to see and what waits for it. `lost` means that it was too slow."""

    def __init__(self, kinds: frozenset[EventKind], pilots: frozenset[str] | None, waiting: int) -> None:
        self._kinds = kinds
        self._pilots = pilots
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(waiting)
        self.lost = False

    def wants(self, frame: Frame) -> bool:
        """Tell whether this reader asked for the frame and may see it."""
        return frame.kind in self._kinds and (self._pilots is None or frame.pilot in self._pilots)

    def wants_kind(self, kind: EventKind) -> bool:
        """Tell whether this reader asked for events of `kind`."""
        return kind in self._kinds

    def offer(self, frame: Frame) -> bool:
        """Queue a frame; False once the reader is too slow."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.lost = True
        return not self.lost

    def end(self) -> None:
        """Let the reader go, at once when it waits."""
        self.lost = True
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def next(self, wait_s: float) -> Frame | None:
        """Wait for the next frame, at most `wait_s`; None when none came."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        try:
            return await asyncio.wait_for(self._queue.get(), wait_s)
        except TimeoutError:
            return None


class Hub:
    """Takes events from the pipeline and gives them to subscribers; belongs to one event loop.

    `epoch` (start of the process, ms) stands in every event id, so that an id of an earlier run is recognised.
    """

    def __init__(self, epoch: int, ring: int = 5_000, waiting: int = 1_000) -> None:
        self._epoch = epoch
        self._ring: deque[Frame] = deque(maxlen=ring)
        self._waiting = waiting
        self._number = 0
        self._subscribers: set[Subscription] = set()
        self._closed = False
        self._last_left_s = -LINGER_S
        self._changed: list[I32] = []
        self.has_changes = asyncio.Event()

    @property
    def readers(self) -> int:
        """How many subscribers there are."""
        return len(self._subscribers)

    def watched(self, kind: EventKind) -> bool:
        """Tell whether anybody sees events of `kind`, or did a moment ago and may come back for what it missed."""
        return self._lingers() or any(s.wants_kind(kind) for s in self._subscribers)

    def _lingers(self) -> bool:
        return time.monotonic() - self._last_left_s < LINGER_S

    def publish(self, kind: EventKind, pilot: str, data: Any) -> None:
        """Send an event to everyone who wants it; `data` is anything msgspec encodes."""
        self._number += 1
        body = _ENCODER.encode(data)
        wire = b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (self._epoch, self._number, kind.encode(), body)
        frame = Frame(self._number, kind, pilot, wire)
        self._ring.append(frame)
        slow = [s for s in self._subscribers if s.wants(frame) and not s.offer(frame)]
        self._subscribers.difference_update(slow)

    def changed(self, series: I32) -> None:
        """Say that these series have new latest values; costs next to nothing while nobody watches."""
        if self.watched("latest"):
            self._changed.append(series)
            self.has_changes.set()

    def take_changed(self) -> I32:
        """Give the series that changed since the last call, each once."""
        parts, self._changed = self._changed, []
        self.has_changes.clear()
        return np.unique(np.concatenate(parts)).astype(np.int32) if parts else np.empty(0, np.int32)

    def subscribe(
        self, kinds: Iterable[EventKind], pilots: Iterable[str] | None, after: str | None
    ) -> tuple[Subscription, list[Frame], bool]:
        """Open a subscription: it, the frames missed since event id `after`, and whether some are beyond recall."""
        subscription = Subscription(frozenset(kinds), None if pilots is None else frozenset(pilots), self._waiting)
        missed, complete = self._missed(after) if after else ([], True)
        self._subscribers.add(subscription)
        if self._closed:
            subscription.end()
        return subscription, [frame for frame in missed if subscription.wants(frame)], complete

    def unsubscribe(self, subscription: Subscription) -> None:
        """Let go of a subscription."""
        self._subscribers.discard(subscription)
        self._last_left_s = time.monotonic()

    def close(self) -> None:
        """End every stream, so that a server that stops need not wait for them; new ones end at once."""
        self._closed = True
        for subscription in self._subscribers:
            subscription.end()

    def _missed(self, after: str) -> tuple[list[Frame], bool]:
        epoch, _, text = after.partition("-")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        oldest = self._ring[0].number if self._ring else self._number + 1
        if not (self._subscribers or self._lingers()):
            return [], False
        if epoch != str(self._epoch) or not oldest - 1 <= number <= self._number:
            return [], False
        return list(islice(self._ring, number - oldest + 1, None)), True
