"""The broker as the bus between processes: the worker publishes live values and windows, an API elsewhere takes them.

One topic a pilot, `city/v1/{pilot}/_live`, QoS 0, at most twice a second, changed series alone. Series go by their ids,
which are those of the shared operational database. Who has just come, or may have missed something, asks on `ASK`
for everything; names that begin with `_` belong to the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping

import aiomqtt
import msgspec
import numpy as np
import structlog

from ingest.session import SessionSettings
from service.series_book import SeriesBook
from storage.operational import Settled
from telemetry.columns import I32, Readings, Windows
from telemetry.ports import Resolution

log = structlog.get_logger("service.bus")

ASK = "city/v1/_ask"
LIVE = "city/v1/{pilot}/_live"
_EVERY_S = 0.5
_ASK_EVERY_S = 60.0
_RETRY_S = 2.0
#: rows of one message, which then stays below the size limit of brokers
_ROWS = 4_000
_WINDOW_ROWS = 1_000
#: a backfill publishes windows by the hundred thousand; nobody reads those on a screen
_MOST_WINDOWS = 2_000


class Frame(msgspec.Struct, array_like=True):
    """One message of the bus: packed columns."""

    latest: bytes = b""
    windows: dict[Resolution, bytes] = {}


_decoder = msgspec.msgpack.Decoder(Frame)
Sink = Callable[[Readings, Mapping[Resolution, Windows]], None]


def client_of(settings: SessionSettings, role: str) -> aiomqtt.Client:
    """Make a client of the bus with the credentials of the session."""
    return aiomqtt.Client(
        settings.host, settings.port, username=settings.username, password=settings.password,
        tls_context=settings.tls, identifier=f"{settings.client_id}-{role}-{os.urandom(4).hex()}",
        protocol=aiomqtt.ProtocolVersion.V5,
    )  # fmt: skip


class LivePublisher:
    """The worker's side: told in the event loop what changed, publishes it twice a second."""

    def __init__(self, book: SeriesBook) -> None:
        self._book = book
        self._changed: list[I32] = []
        self._windows: dict[Resolution, list[Windows]] = {}
        self._connected = False

    def changed(self, series: I32) -> None:
        """Take series whose newest reading changed."""
        if self._connected:
            self._changed.append(series)

    def settled(self, settled: Settled) -> None:
        """Take the windows of a settling."""
        if self._connected:
            for resolution, rows in settled.batch.windows.items():
                if len(rows):
                    self._windows.setdefault(resolution, []).append(rows.take(slice(-_MOST_WINDOWS, None)))

    async def run(self, settings: SessionSettings) -> None:
        """Publish until cancelled; without broker nothing is kept, for whoever comes back asks for everything."""
        while True:
            try:
                async with client_of(settings, "bus") as client:
                    await client.subscribe(ASK)
                    self._connected = True
                    self._all()
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._listen(client))
                        both.create_task(self._publish(client))
            except* aiomqtt.MqttError as errors:
                log.warning("bus away", why=str(errors.exceptions[0]))
            self._connected = False
            self._changed, self._windows = [], {}
            await asyncio.sleep(_RETRY_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for _ in client.messages:
            self._all()

    def _all(self) -> None:
        self._changed = [np.flatnonzero(self._book.latest.rows.time_ns).astype(np.int32)]

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            for pilot, frame in self._frames():
                await client.publish(LIVE.format(pilot=pilot), msgspec.msgpack.encode(frame), qos=0)
            await asyncio.sleep(_EVERY_S)

    def _frames(self) -> Iterator[tuple[str, Frame]]:
        changed, self._changed = self._changed, []
        windows, self._windows = self._windows, {}
        if changed:
            ids = np.unique(np.concatenate(changed)).astype(np.int32)
            for pilot, part in self._by_pilot(ids, _ROWS):
                rows = self._book.latest.rows.take(ids[part])
                rows.series = ids[part]
                yield pilot, Frame(latest=rows.to_bytes())
        for resolution, parts in windows.items():
            every = Windows.concat(parts).take(slice(-_MOST_WINDOWS, None))
            for pilot, part in self._by_pilot(every.series, _WINDOW_ROWS):
                yield pilot, Frame(windows={resolution: every.take(part).to_bytes()})

    def _by_pilot(self, series: I32, most: int) -> Iterator[tuple[str, np.ndarray[tuple[int], np.dtype[np.intp]]]]:
        owners = self._book.pilot_of[series]
        for owner in np.unique(owners).tolist():
            where = np.flatnonzero(owners == owner)
            for at in range(0, len(where), most):
                yield self._book.pilot_ids[owner], where[at : at + most]


class LiveReader:
    """The other side: gives every frame to `sink` in the event loop; `connected` says whether values move."""

    def __init__(self, settings: SessionSettings, sink: Sink) -> None:
        self._settings, self._sink = settings, sink
        self.connected = False
        self.frames = 0
        self.last_error = "connecting"

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                async with client_of(self._settings, "api") as client:
                    await client.subscribe(LIVE.format(pilot="+"))
                    self.connected = True
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._ask(client))
                        both.create_task(self._listen(client))
            except* aiomqtt.MqttError as errors:
                self.last_error = str(errors.exceptions[0])
                log.warning("bus away", why=self.last_error)
            self.connected = False
            await asyncio.sleep(_RETRY_S)

    async def _ask(self, client: aiomqtt.Client) -> None:
        while True:
            await client.publish(ASK, b"", qos=1)
            await asyncio.sleep(_ASK_EVERY_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            # a frame that cannot be read is not of our version; values then come with the next ones
            with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError, ValueError):
                frame = _decoder.decode(bytes(message.payload))
                latest = Readings.from_bytes(frame.latest) if frame.latest else Readings.empty()
                self._sink(latest, {name: Windows.from_bytes(rows) for name, rows in frame.windows.items()})
                self.frames += 1
