"""A real Mosquitto broker for a test.

with mosquitto(max_queued_messages=0) as broker:
    ...  # broker.port, broker.url, broker.restart(), broker.kill9(), broker.pause()
"""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, free_port

Setting = str | int | bool | list[str]


class Broker(ServerProcess):
    """A running broker; `port` stays the same over restarts, and so do retained and queued messages."""

    @property
    def url(self) -> str:
        """Address as settings want it."""
        return f"mqtt://127.0.0.1:{self.port}"


def _line(key: str, value: Setting) -> str:
    if isinstance(value, list):
        return "\n".join(f"{key} {one}" for one in value)
    return f"{key} {str(value).lower() if isinstance(value, bool) else value}"


def _config(port: int, folder: Path, extra: dict[str, Setting]) -> str:
    settings: dict[str, Setting] = {
        "listener": f"{port} 127.0.0.1",
        "user": getpass.getuser(),
        "allow_anonymous": True,
        "max_queued_messages": 0,
        "max_queued_bytes": 0,
        "max_inflight_messages": 0,
        "persistence": True,
        "persistence_location": f"{folder}/",
        "set_tcp_nodelay": True,
        "sys_interval": 1,
    }
    return "\n".join(_line(key, value) for key, value in (settings | extra).items()) + "\n"


@contextmanager
def mosquitto(**config: Setting) -> Iterator[Broker]:
    """Run a broker on a free loopback port; `config` adds to or replaces lines of mosquitto.conf(5).

    Queues are unlimited and anonymous clients may do anything unless `config` says otherwise. A value that is a list
    gives one line an element.
    """
    with tempfile.TemporaryDirectory(prefix="rasad-mosquitto-") as name:
        folder, port = Path(name), free_port()
        (folder / "mosquitto.conf").write_text(_config(port, folder, config))
        with Broker(["mosquitto", "-c", str(folder / "mosquitto.conf")], port, folder) as broker:
            yield broker
