"""A bare paho reader, QoS 1, that only counts: `python -m benchmarks.paho_reader PORT MESSAGES`."""

from __future__ import annotations

import signal
import sys
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.stream import TOPICS


class _Count:
    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.count = 0

    def on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(TOPICS, qos=1)

    def on_message(self, client: Client, _user: Any, _message: MQTTMessage) -> None:
        self.count += 1
        if self.count >= self.messages:
            client.disconnect()


def read(port: int, messages: int) -> int:
    """Count messages until all came or SIGTERM."""
    counter = _Count(messages)
    client = Client(CallbackAPIVersion.VERSION2, client_id="bench-paho")
    client.on_connect = counter.on_connect
    client.on_message = counter.on_message
    signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
    client.connect("127.0.0.1", port)
    client.loop_forever()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return counter.count


if __name__ == "__main__":
    print(read(int(sys.argv[1]), int(sys.argv[2])), flush=True)
    sys.stdin.readline()
