"""The publisher: MQTT 3.1.1, QoS 1, pipelined over one raw socket, in a process of its own.

    python -m benchmarks.publisher PORT '{"kind": "backlog", …}'

It says `ready` when it is connected and everything is encoded, waits for a line on stdin, publishes, and ends with one
JSON line: {"messages", "began_s", "ended_s"} (monotonic clock, which all processes of a machine share). On SIGTERM it
stops early, waits for the acknowledgements that are due, and reports as usual.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType
from typing import Any, Final

from benchmarks.stream import History, Stream, payload, topic

#: messages under way without an acknowledgement of the broker
WINDOW: Final = 16_000
#: messages in one write of a backlog
_CHUNK: Final = 256
_TICK_S: Final = 0.004
_CONNECT_WITHIN_S: Final = 10


def remaining_length(length: int) -> bytes:
    """Write a length as MQTT does, seven bits a byte.

    >>> remaining_length(127).hex(), remaining_length(128).hex()
    ('7f', '8001')
    """
    out = bytearray()
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    out.append(length)
    return bytes(out)


def publish_frame(topic_bytes: bytes, number: int, body: bytes) -> bytes:
    """One QoS 1 PUBLISH; the packet id follows from the number of the message.

    >>> publish_frame(b"a", 0, b"x").hex(" ")
    '32 06 00 01 61 00 01 78'
    """
    tail = struct.pack(">H", len(topic_bytes)) + topic_bytes + struct.pack(">H", number % 65_535 + 1) + body
    return b"\x32" + remaining_length(len(tail)) + tail


class Link:
    """A connection that counts what it sent and what was acknowledged. Mosquitto answers in order, 4 bytes each."""

    def __init__(self, port: int) -> None:
        self.sent = self.acknowledged = 0
        self._rest = memoryview(b"")
        self._bytes = 0
        self._socket = socket.create_connection(("127.0.0.1", port), _CONNECT_WITHIN_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = b"bench-publisher-%d" % os.getpid()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(client)) + client
        self._socket.sendall(b"\x10" + remaining_length(len(body)) + body)
        if self._socket.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker refused the publisher")
        self._socket.setblocking(False)

    @property
    def room(self) -> int:
        """How many messages may be sent now."""
        return 0 if self._rest else WINDOW - (self.sent - self.acknowledged)

    @property
    def done(self) -> bool:
        """Everything is sent and acknowledged."""
        return not self._rest and self.acknowledged >= self.sent

    def send(self, frames: bytes, messages: int) -> None:
        """Begin to send; there must be room."""
        self._rest = memoryview(frames)
        self.sent += messages
        self._push()

    def wait(self, seconds: float) -> None:
        """Move bytes both ways until something moved or the time is over."""
        readable, writable, _ = select.select([self._socket], [self._socket] if self._rest else [], [], seconds)
        if writable:
            self._push()
        if readable:
            data = self._socket.recv(1 << 18)
            if not data:
                raise ConnectionError("the broker closed the publisher's connection")
            self._bytes += len(data)
            self.acknowledged = self._bytes // 4

    def _push(self) -> None:
        try:
            self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            return


class Stop:
    """Whether SIGTERM came."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def backlog(stream: Stream, now_ms: int) -> list[tuple[bytes, int]]:
    """The whole stream, encoded: chunks of frames and how many messages are in each."""
    topics = [topic(name).encode() for name in stream.names()]
    frames: list[bytes] = []
    for number in range(stream.messages):
        sender = stream.sender(number)
        body = payload(stream.time_ms(number, now_ms), sender, number // stream.devices)
        frames.append(publish_frame(topics[sender], number, body))
    return list(_chunks(frames))


def _chunks(frames: Iterable[bytes], size: int = _CHUNK) -> Iterator[tuple[bytes, int]]:
    source = iter(frames)
    while chunk := list(islice(source, size)):
        yield b"".join(chunk), len(chunk)


def history(past: History, now_ms: int) -> Iterator[tuple[bytes, int]]:
    """The history, message by message, encoded as it goes."""
    for number, (name, body) in enumerate(past.messages(now_ms)):
        yield publish_frame(name.encode(), number, body), 1


def pour(link: Link, chunks: Iterable[tuple[bytes, int]], window: int, stop: Stop) -> None:
    """Send chunks as fast as the broker takes them, with at most `window` messages without an acknowledgement."""
    for frames, messages in chunks:
        while link.room < messages or link.sent - link.acknowledged > window:
            link.wait(1.0)
        if stop.asked:
            break
        link.send(frames, messages)


def pace(link: Link, stream: Stream, rate: float, stop: Stop) -> None:
    """Send `rate` messages a second with the time of sending as their event time, until all are sent or SIGTERM."""
    topics = [topic(name).encode() for name in stream.names()]
    began_s = time.monotonic()
    while link.sent < stream.messages and not stop.asked:
        due = min(int((time.monotonic() - began_s) * rate), stream.messages) - link.sent
        if due > 0 and link.room > 0:
            now_ms = time.time_ns() // 1_000_000
            # no device twice in one go: after a stall it would contradict itself at one time stamp
            numbers = range(link.sent, link.sent + min(due, link.room, stream.devices))
            senders = [(number, stream.sender(number)) for number in numbers]
            frames = [
                publish_frame(topics[who], number, payload(now_ms, who, number // stream.devices))
                for number, who in senders
            ]
            link.send(b"".join(frames), len(frames))
        link.wait(_TICK_S)
        if link.done:
            time.sleep(_TICK_S)  # what the next tick sends is not due yet


def drain(link: Link) -> None:
    """Wait until the broker has acknowledged everything."""
    while not link.done:
        link.wait(1.0)


def main(port: int, task: dict[str, Any]) -> None:
    """Do one task; see the top of this file."""
    kind, now_ms, stop = task.pop("kind"), time.time_ns() // 1_000_000, Stop()
    link = Link(port)
    rate = float(task.pop("rate", 0))
    ready = backlog(Stream(**task), now_ms) if kind == "backlog" else []
    print("ready", flush=True)
    sys.stdin.readline()
    began_s = time.monotonic()
    if kind == "backlog":
        pour(link, ready, WINDOW, stop)
    elif kind == "history":
        pour(link, history(History(**task), now_ms), 8, stop)
    else:
        pace(link, Stream(**task), rate, stop)
    drain(link)
    print(json.dumps({"messages": link.sent, "began_s": began_s, "ended_s": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
