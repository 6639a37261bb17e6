"""A paho subscriber that keeps what it sees, for looking at what really went over a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.servers.process import wait_until


class Listener:
    """Everything under `city/v1/` that the broker delivered, in order."""

    def __init__(self, port: int) -> None:
        self.messages: list[MQTTMessage] = []
        self.subscribed = 0
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(
            "city/v1/#", options=SubscribeOptions(qos=1, retainAsPublished=True)
        )
        self.client.on_subscribe = lambda *_: self._count()
        self.client.on_message = lambda client, userdata, message: self.messages.append(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _count(self) -> None:
        self.subscribed += 1

    def of(self, channel: str) -> list[MQTTMessage]:
        """Messages of one channel: telemetry, event or status."""
        return [message for message in list(self.messages) if message.topic.endswith(f"/{channel}")]

    def statuses(self) -> dict[str, bytes]:
        """The last status of each device."""
        return {message.topic.split("/")[3]: bytes(message.payload) for message in self.of("status")}

    def wait(self, condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
        """Poll until the condition holds."""
        wait_until(condition, what, within_s)


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    """Subscribe, and return once the broker has confirmed it."""
    listener = Listener(port)
    try:
        listener.wait(lambda: listener.subscribed > 0, "subscription")
        yield listener
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()
