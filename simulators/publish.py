"""Plays a feed to a broker: each device on a connection of its own with its own Will, like the devices of a city.

Beyond `OWN_CONNECTIONS` devices, and for load and recordings, everything goes over one connection as through a gateway;
a gateway claims no device's status.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from simulators.broker import BrokerAddress
from simulators.link import BrokerRefused, Link, Notice, Window
from simulators.message import Message, status

OWN_CONNECTIONS: Final = 200
_UNACKNOWLEDGED_MOST: Final = 1_000
_STOP_WITHIN_S: Final = 1.5


class Timed(Protocol):
    """Whatever says when a message is due, as `Pace` does."""

    def due_ms(self, at_ms: int) -> float:
        """Wall-clock time at which a message of feed time `at_ms` is to be sent, ms."""


@dataclass(frozen=True)
class Played:
    """What became of a feed: messages handed over, and those of them that the broker has not acknowledged."""

    sent: int
    unacknowledged: int


class Fleet:
    """The connections over which a feed goes out; a context manager, stopped within two seconds."""

    def __init__(self, address: BrokerAddress, devices: Iterable[tuple[str, str]] = (), notice: Notice = print) -> None:
        """Make a connection for each (pilot, device), or one for everything when there are none or too many."""
        self.window = Window(_UNACKNOWLEDGED_MOST)
        self.stop_asked = threading.Event()
        self._address, once = address, _Once(notice)
        names = list(devices)
        self._speaks_for_devices = bool(names)
        own = names if len(names) <= OWN_CONNECTIONS else []
        self._own = {f"{pilot}/{device}": self._link(pilot, device, once) for pilot, device in own}
        self._gateway = None if own else Link(address, _client_id("gateway"), self.window, once)

    def _link(self, pilot: str, device: str, notice: Notice) -> Link:
        online = status(pilot, device, True, 0)
        return Link(self._address, _client_id(f"{pilot}-{device}"), self.window, notice, [online])

    @property
    def links(self) -> list[Link]:
        """Every connection."""
        return [*self._own.values()] if self._gateway is None else [self._gateway]

    def __enter__(self) -> Fleet:
        for link in self.links:
            link.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links:
            link.stop()
        deadline = time.monotonic() + _STOP_WITHIN_S
        while any(link.connected.is_set() for link in self.links) and time.monotonic() < deadline:
            time.sleep(0.01)

    def play(self, feed: Iterable[Message], pace: Timed) -> Played:
        """Send a feed at its pace until it ends or `stop_asked` is set, and await every acknowledgement.

        While the broker is away the feed waits and goes on where it was: nothing is dropped, nothing piles up.
        `BrokerRefused` when the broker does not let the devices in.
        """
        sent = 0
        for message in self._due(feed, pace):
            link = self._link_of(message)
            if link is not None and not self._hand_over(link, message):
                break
            sent += link is not None
        self._await_acknowledgements()
        return Played(sent, self.window.unacknowledged)

    def _due(self, feed: Iterable[Message], pace: Timed) -> Iterator[Message]:
        for message in feed:
            while (wait_s := pace.due_ms(message.at_ms) / 1000.0 - time.time()) > 0.001:
                if self.stop_asked.wait(min(wait_s, 1.0)):
                    return
                self._check_refused()
            if self.stop_asked.is_set():
                return
            yield message

    def _hand_over(self, link: Link, message: Message) -> bool:
        """Publish as soon as there is room; False when `stop_asked` came first."""
        while not link.publish(message, self.stop_asked, 1.0):
            if self.stop_asked.is_set():
                return False
            self._check_refused()
        return True

    def _link_of(self, message: Message) -> Link | None:
        """The connection of a message's device; None for a status, which connections send by themselves."""
        pilot, device, channel = message.topic.split("/")[2:5] if self._speaks_for_devices else ("", "", "")
        if channel == "status":
            return None
        return self._gateway or self._own[f"{pilot}/{device}"]

    def _await_acknowledgements(self) -> None:
        while not self.window.drained(self.stop_asked, 1.0):
            self._check_refused()
            if self.stop_asked.is_set():
                self.window.drained(threading.Event(), 0.4)
                return
        self._check_refused()

    def _check_refused(self) -> None:
        refused = next((link.refused for link in self.links if link.refused), None)
        if refused:
            cure = "give user and password in --mqtt mqtt://USER:PASSWORD@HOST:PORT or the password by --password-file"
            raise BrokerRefused(f"broker {self._address} refuses: {refused}; {cure}")


class _Once:
    """Says a thing once until something else is said: sixty devices lose their broker in one line."""

    def __init__(self, notice: Notice) -> None:
        self._notice, self._last = notice, ""
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        with self._lock:
            if text != self._last:
                self._last = text
                self._notice(text)


def _client_id(name: str) -> str:
    return f"sim-{name}-{secrets.token_hex(4)}"
