"""A tap on the line between broker and Rasad: when each PUBLISH passed, and when its PUBACK came back.

A process of its own, so that it takes no time from the publisher that measures beside it.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Self


class AckTap:
    """Listens on `port`, passes everything on to the broker, and remembers times."""

    def __init__(self, broker_port: int) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_tap, args=(broker_port, theirs), daemon=True
        )
        self._samples: list[tuple[bytes, float]] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("stop")
        self._samples = self._ours.recv()
        self._process.join(10)

    def latencies_ms(self, which: Callable[[bytes], bool]) -> list[float]:
        """Milliseconds from PUBLISH to PUBACK of the payloads that `which` picks, after the tap has ended."""
        return [ms for payload, ms in self._samples or [] if which(payload)]


def _tap(broker_port: int, control: Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    control.send(listener.getsockname()[1])
    under_way: dict[int, tuple[bytes, float]] = {}
    samples: list[tuple[bytes, float]] = []

    def serve() -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", broker_port))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_to_rasad, args=(far, near, under_way), daemon=True).start()
            threading.Thread(target=_to_broker, args=(near, far, under_way, samples), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    control.recv()
    control.send(samples)


def _to_rasad(far: socket.socket, near: socket.socket, under_way: dict[int, tuple[bytes, float]]) -> None:
    rest = b""
    while data := far.recv(262_144):
        now = time.perf_counter()
        rest += data
        at = 0
        while (packet := _packet(rest, at)) is not None:
            start, end = packet
            if rest[at] >> 4 == 3 and rest[at] & 6:
                topic = int.from_bytes(rest[start : start + 2], "big")
                packet_id = int.from_bytes(rest[start + 2 + topic : start + 4 + topic], "big")
                under_way[packet_id] = (rest[start + 5 + topic : end], now)
            at = end
        rest = rest[at:]
        near.sendall(data)


def _packet(data: bytes, at: int) -> tuple[int, int] | None:
    length, shift = 0, 0
    for i in range(at + 1, min(at + 5, len(data))):
        length |= (data[i] & 0x7F) << shift
        shift += 7
        if not data[i] & 0x80:
            return (i + 1, i + 1 + length) if i + 1 + length <= len(data) else None
    return None


def _to_broker(
    near: socket.socket,
    far: socket.socket,
    under_way: dict[int, tuple[bytes, float]],
    samples: list[tuple[bytes, float]],
) -> None:
    while data := near.recv(262_144):
        now = time.perf_counter()
        if data[0] == 0x40 and len(data) % 4 == 0:
            for at in range(2, len(data), 4):
                payload, began = under_way.pop(int.from_bytes(data[at : at + 2], "big"), (b"", 0.0))
                if began:
                    samples.append((payload[:64] + payload[-32:], (now - began) * 1000))
        far.sendall(data)
