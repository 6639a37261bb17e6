"""A connection of the outside world to the broker: MQTT 5 on paho, QoS 1, reconnecting by itself with back-off.

paho runs one thread a connection. What was handed over and not acknowledged is sent again after a reconnect, in order.
"""

# ruff: noqa: ARG002 - paho gives its callbacks more than they need
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.broker import BrokerAddress
from simulators.message import Message

Notice = Callable[[str], None]
_KEEPALIVE_S: Final = 30
_CONNECT_TIMEOUT_S: Final = 3.0
_BACKOFF_LEAST_S, _BACKOFF_MOST_S = 1, 20
_INFLIGHT_MOST: Final = 20  # paho does not obey Receive Maximum; 20 is what Mosquitto allows when nothing is set
_CREDENTIALS: Final = {"Bad user name or password", "Not authorized", "Banned", "Bad authentication method"}


class BrokerRefused(Exception):
    """The broker does not let this client in: trying again will not help before somebody mends the credentials."""


class Window:
    """How many messages may be unacknowledged at once over all connections; whoever publishes waits for room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._changed = threading.Condition()

    def enter(self, stop: threading.Event, within_s: float) -> bool:
        """Take a place; False when there was none in time or `stop` was set."""
        return self._wait(lambda: self._open < self._most, stop, within_s) and self._add(1)

    def leave(self) -> None:
        """Give a place back: a message was acknowledged."""
        self._add(-1)

    def drained(self, stop: threading.Event, within_s: float) -> bool:
        """Wait until everything is acknowledged; False when stopped or too late."""
        return self._wait(lambda: self._open == 0, stop, within_s)

    @property
    def unacknowledged(self) -> int:
        """Messages handed over and not yet acknowledged."""
        return self._open

    def _add(self, change: int) -> bool:
        with self._changed:
            self._open += change
            self._changed.notify_all()
        return True

    def _wait(self, condition: Callable[[], bool], stop: threading.Event, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        with self._changed:
            while not condition():
                if stop.is_set() or time.monotonic() >= deadline:
                    return False
                self._changed.wait(0.1)
        return True


class Link:
    """One connection, which speaks for the devices of `statuses`.

    Their retained `online` is sent at each connect, their `offline` at a stop; the Will carries that of the first.
    """

    def __init__(
        self, address: BrokerAddress, client_id: str, window: Window, notice: Notice, statuses: Sequence[Message] = ()
    ) -> None:
        self.refused: str | None = None
        self.connected = threading.Event()
        self._address, self._window, self._notice = address, window, notice
        self._statuses = list(statuses)
        self._said_away = False
        self._status_ids: set[int] = set()  # touched by paho's thread alone
        self.client = self._make(client_id)

    def _make(self, client_id: str) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(_INFLIGHT_MOST)
        client.reconnect_delay_set(_BACKOFF_LEAST_S, _BACKOFF_MOST_S)
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            client.tls_set(ca_certs=None if self._address.ca_file is None else str(self._address.ca_file))
        if self._statuses:
            client.will_set(self._statuses[0].topic, b"offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        return client

    def start(self) -> None:
        """Connect in the background and stay connected."""
        self.client.connect_async(self._address.host, self._address.port, _KEEPALIVE_S)
        self.client.loop_start()

    def publish(self, message: Message, stop: threading.Event, within_s: float) -> bool:
        """Hand a message over once the window has room; False when there was none in time or `stop` was set."""
        if not self._window.enter(stop, within_s):
            return False
        info = self.client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise RuntimeError(f"paho cannot queue a message for {message.topic}: {info.rc.name}")
        return True

    def stop(self) -> None:
        """Say `offline` for its devices and disconnect, without waiting: threads of paho end by themselves."""
        if self.connected.is_set():
            for status in self._statuses:
                self.client.publish(status.topic, b"offline", qos=1, retain=True)
        self.client.disconnect()

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            if str(reason) in _CREDENTIALS:
                self.refused = str(reason)
            self._away(f"refuses: {reason}")
            return
        if self._said_away:
            self._notice(f"broker {self._address} is back")
        self.refused, self._said_away = None, False
        for status in self._statuses:
            self._status_ids.add(client.publish(status.topic, status.payload, qos=1, retain=True).mid)
        self.connected.set()

    def _on_connect_fail(self, client: Client, userdata: Any) -> None:
        self._away("cannot be reached")

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.connected.clear()
        if reason.is_failure and self.refused is None:
            self._away(f"is away: {reason}")

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties) -> None:
        if reason.is_failure:
            self._notice(f"broker {self._address} refuses a message: {reason}; look at its access control list")
        if mid in self._status_ids:
            self._status_ids.discard(mid)
        else:
            self._window.leave()

    def _away(self, what: str) -> None:
        if not self._said_away:
            self._said_away = True
            self._notice(f"broker {self._address} {what}; trying again with back-off")
