"""A TCP proxy that behaves badly on demand: cuts, swallows, delays and throttles what passes.

with flaky_proxy(broker.port) as link:
    ...  # link.port, link.cut(), link.refuse = True, link.swallow = True, link.delay_s, link.bytes_per_s
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class FlakyLink:
    """One listening port in front of another; its moods may be changed at any time from the test's thread."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.refuse = False  #: new connections are closed at once
        self.swallow = False  #: a black hole: connections stay open and nothing passes
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self.connections = 0
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def cut(self) -> None:
        """Break every connection without a word (RST where data is under way)."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def start(self) -> None:
        """Listen; returns when it does."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._abort_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def _abort_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuse:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(16_384):
                while self.swallow:  # noqa: ASYNC110  set from another thread
                    await asyncio.sleep(0.02)
                pause = self.delay_s + (len(data) / self.bytes_per_s if self.bytes_per_s else 0)
                if pause:
                    await asyncio.sleep(pause)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@contextmanager
def flaky_proxy(target_port: int) -> Iterator[FlakyLink]:
    """Run a proxy to a loopback port."""
    link = FlakyLink(target_port)
    link.start()
    try:
        yield link
    finally:
        link.stop()
