"""A Mosquitto of our own on a free loopback port; each run gets a fresh one, so that none inherits another's queues."""

from __future__ import annotations

import getpass
import shutil
import socket
from pathlib import Path
from typing import Final

from benchmarks.process_cost import BenchFailed, Measured, wait_until

_CONFIG: Final = """\
user {user}
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 0
persistence true
persistence_location {folder}/
set_tcp_nodelay true
log_dest stderr
log_type error
log_type subscribe
"""


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker(Measured):
    """Running Mosquitto. Queues are unlimited, so that a slow reader loses nothing here."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise BenchFailed("mosquitto is not installed; run `make setup`")
        folder.mkdir()
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(_CONFIG.format(user=getpass.getuser(), port=self.port, folder=folder))
        super().__init__([program, "-c", str(config)], folder / "mosquitto.log")
        wait_until(self._listens, "mosquitto listens", 10)

    def _listens(self) -> bool:
        if self.ended():
            raise BenchFailed(f"mosquitto stopped at once: {self.tail()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def wait_for_subscriber(self, subscriptions: int = 1) -> None:
        """Return when the broker has logged that many subscriptions under `city/v1/`."""
        wait_until(lambda: self.log.read_text().count("city/v1/") >= subscriptions, "a subscription", 30)
