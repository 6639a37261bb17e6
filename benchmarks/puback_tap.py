"""A tap on the line between the broker and Rasad: passes every byte on and notes when which PUBLISH was acknowledged.

    python -m benchmarks.puback_tap BROKER_PORT

Prints the port that it listens on. When a line comes on stdin it prints the latencies so far in seconds, as a JSON
list, and forgets them: from the time of sending, which stands in the payload as whole ms, to Rasad's PUBACK passing by.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Final

_TS: Final = b'{"ts":'


class Frames:
    """Cuts a byte stream into MQTT frames: (first byte, body) of each that is complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        r"""Take bytes, give frames.

        >>> frames = Frames(); frames.feed(bytes([0x40, 2, 0])), frames.feed(bytes([7, 0xD0, 0]))
        ([], [(64, b'\x00\x07'), (208, b'')])
        """
        data, at, found = self._rest + data, 0, []
        while (head := _head(data, at)) is not None and head[1] + head[0] <= len(data):
            length, start = head
            found.append((data[at], data[start : start + length]))
            at = start + length
        self._rest = data[at:]
        return found


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    length = 0
    for i in range(4):
        if at + 1 + i >= len(data):
            return None
        byte = data[at + 1 + i]
        length |= (byte & 127) << (7 * i)
        if byte < 128:
            return length, at + 2 + i
    raise ValueError("a remaining length of more than four bytes: this is no MQTT")


class Exchange:
    """One connection's PUBLISHes under way and the latencies of those that were acknowledged."""

    def __init__(self, latencies_s: list[float]) -> None:
        self._latencies_s = latencies_s
        self._sent_s: dict[bytes, float] = {}

    def from_broker(self, kind: int, body: bytes) -> None:
        """Note a QoS 1 PUBLISH whose payload begins with its time."""
        if kind >> 4 != 3 or not kind & 2:
            return
        topic_end = 2 + int.from_bytes(body[:2], "big")
        ts = body.find(_TS, topic_end + 2)
        if ts >= 0:
            text = body[ts + len(_TS) : body.index(b",", ts)]
            self._sent_s[body[topic_end : topic_end + 2]] = int(text) / 1000

    def from_client(self, kind: int, body: bytes) -> None:
        """Note the PUBACK."""
        sent_s = self._sent_s.pop(body[:2], None) if kind == 0x40 else None
        if sent_s is not None:
            self._latencies_s.append(time.time() - sent_s)


async def serve(broker_port: int) -> None:
    """Listen, pass on, answer the questions on stdin, until stdin ends."""
    latencies_s: list[float] = []

    async def passing(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        broker_in, broker_out = await asyncio.open_connection("127.0.0.1", broker_port)
        exchange = Exchange(latencies_s)
        await asyncio.gather(
            _pass(broker_in, client_out, exchange.from_broker), _pass(client_in, broker_out, exchange.from_client)
        )

    server = await asyncio.start_server(passing, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        found, latencies_s[:] = latencies_s[:], []
        print(json.dumps(found), flush=True)


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, note: Callable[[int, bytes], None]) -> None:
    frames = Frames()
    while data := await source.read(1 << 16):
        target.write(data)
        for kind, body in frames.feed(data):
            note(kind, body)
    target.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
