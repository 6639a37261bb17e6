"""Writes down what a broker carries: subscribes, and appends each message to a recording as it comes."""

# ruff: noqa: ARG002 - paho gives its callbacks more than they need
from __future__ import annotations

import secrets
import threading
import time
from typing import IO, Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulators.broker import BrokerAddress
from simulators.link import BrokerRefused, Notice
from simulators.message import Message
from simulators.recording import line_of

TOPICS: Final = "city/v1/#"
_KEEPALIVE_S: Final = 30


class Recorder:
    """Records everything under `city/v1/` into an open file until told to stop; a context manager.

    Messages are at QoS 1; what the broker delivers twice is written twice. After a lost connection it subscribes again,
    and retained messages come again with it.
    """

    def __init__(self, address: BrokerAddress, file: IO[bytes], notice: Notice) -> None:
        self.count = 0
        self.subscribed = threading.Event()
        self._address, self._file, self._notice = address, file, notice
        self._failure: Exception | None = None
        self._client = self._make()

    def _make(self) -> Client:
        name = f"record-{secrets.token_hex(4)}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = 3.0
        client.reconnect_delay_set(1, 20)
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            client.tls_set(ca_certs=None if self._address.ca_file is None else str(self._address.ca_file))
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message, client.on_disconnect = self._on_message, self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        return client

    def __enter__(self) -> Recorder:
        self._client.connect_async(self._address.host, self._address.port, _KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def run(self, stop: threading.Event, duration_s: float | None) -> None:
        """Record until `stop` is set or the duration, counted from the subscription, has passed.

        The file is flushed every second. `BrokerRefused` when the broker does not let it in, OSError when the file
        cannot be written.
        """
        deadline: float | None = None
        while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
            if duration_s is not None and deadline is None and self.subscribed.is_set():
                deadline = time.monotonic() + duration_s
            left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
            stop.wait(left if self.subscribed.is_set() else 0.05)
            self._raise_failure()
            self._file.flush()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            cure = "give user and password in --mqtt mqtt://USER:PASSWORD@HOST:PORT or the password by --password-file"
            self._failure = BrokerRefused(f"broker {self._address} refuses: {reason}; {cure}")
            return
        client.subscribe(TOPICS, options=SubscribeOptions(qos=1, retainAsPublished=True))

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._failure = BrokerRefused(
                f"broker {self._address} does not let this client read {TOPICS}: {reasons[0]}"
            )
        self.subscribed.set()

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if self._failure is not None:
            return
        at_ms = int(time.time() * 1000)
        try:
            self._file.write(line_of(Message(message.topic, bytes(message.payload), at_ms, message.retain)))
            self.count += 1
        except OSError as error:
            self._failure = error

    def _on_connect_fail(self, client: Client, userdata: Any) -> None:
        self._notice(f"broker {self._address} cannot be reached; trying again with back-off")

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._notice(f"broker {self._address} is away: {reason}; messages meanwhile are missing in the recording")
