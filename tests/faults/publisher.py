"""A device side of our own: MQTT 3.1.1 at QoS 1, pipelined, that resends what was not acknowledged. Shares no code."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable
from itertools import islice

Message = tuple[str, bytes]


def frame(first: int, body: bytes) -> bytes:
    """Write an MQTT packet."""
    size, length = len(body), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def text(value: bytes) -> bytes:
    """Write a counted string."""
    return struct.pack(">H", len(value)) + value


class Publisher(threading.Thread):
    """Publishes `messages` in their order, `rate` a second (0: as fast as it goes), until the broker has taken all.

    `window` bounds what is sent ahead of the broker's acknowledgements. `retained` sets the retain flag of all.
    """

    def __init__(
        self, port: int, messages: Iterable[Message], rate: float = 0, window: int = 500, retained: bool = False
    ) -> None:
        super().__init__(daemon=True)
        self._port, self._window = port, window
        self._messages = iter(messages)
        self._rate = rate
        self._first = 0x33 if retained else 0x32
        self._unacked: dict[int, bytes] = {}
        self._next = 0
        self._done = False
        self._tail = b""
        self.sent = 0
        self.acked = 0
        self.error: Exception | None = None
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Publish; errors of ours are kept for `finish`."""
        try:
            self._publish()
        except Exception as error:  # noqa: BLE001  kept for whoever waits
            self.error = error

    def finish(self, within_s: float = 60.0) -> None:
        """Wait until all is published and acknowledged by the broker."""
        self.join(within_s)
        if self.error:
            raise self.error
        if self.is_alive():
            raise TimeoutError(f"{self.sent} sent, {self.acked} acknowledged, {len(self._unacked)} under way")

    def _publish(self) -> None:
        began = time.monotonic()
        while not self._done or self._unacked:
            try:
                self._connect()
                self._send_some(began)
                self._take_acks()
            except OSError:
                self._drop()
                time.sleep(0.05)
        if self._socket:
            self._socket.sendall(b"\xe0\x00")
        self._drop()

    def _send_some(self, began: float) -> None:
        assert self._socket is not None
        room = self._window - len(self._unacked)
        if self._rate:
            room = min(room, int((time.monotonic() - began) * self._rate) - self.sent)
        batch = list(islice(self._messages, max(min(room, 200), 0)))
        self._done = self._done or (room > 0 and not batch)
        frames = []
        for topic, payload in batch:
            self._next = self._next % 65535 + 1
            body = text(topic.encode()) + struct.pack(">H", self._next) + payload
            frames.append(frame(self._first, body))
            self._unacked[self._next] = frames[-1]
        self.sent += len(batch)
        if frames:
            self._socket.sendall(b"".join(frames))

    def _take_acks(self) -> None:
        assert self._socket is not None
        if not select.select([self._socket], [], [], 0.002)[0]:
            return
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        data = self._tail + data
        whole = len(data) // 4 * 4
        for at in range(0, whole, 4):
            if data[at] == 0x40 and self._unacked.pop(int.from_bytes(data[at + 2 : at + 4], "big"), b""):
                self.acked += 1
        self._tail = data[whole:]

    def _connect(self) -> None:
        if self._socket:
            return
        connection = socket.create_connection(("127.0.0.1", self._port), 5)
        self._socket, self._tail = connection, b""
        client = f"device-{secrets.token_hex(6)}".encode()
        connection.sendall(frame(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + text(client)))
        if connection.recv(4)[3:] != b"\x00":
            raise ConnectionError("the broker refused")
        for packet in list(self._unacked.values()):
            connection.sendall(bytes([packet[0] | 8]) + packet[1:])

    def _drop(self) -> None:
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None


def publish(port: int, messages: Iterable[Message], rate: float = 0, within_s: float = 60.0) -> None:
    """Publish and wait until the broker has taken all."""
    publisher = Publisher(port, messages, rate)
    publisher.start()
    publisher.finish(within_s)
