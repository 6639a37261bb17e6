"""A real VictoriaMetrics for a test: a second server that takes InfluxDB's writes.

with victoria_metrics() as server:
    ...  # server.url
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, free_port


class VictoriaServer(ServerProcess):
    """A running single-node VictoriaMetrics."""

    @property
    def url(self) -> str:
        """Address of its HTTP interface."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def victoria_metrics(*flags: str) -> Iterator[VictoriaServer]:
    """Run VictoriaMetrics on a free loopback port, in a temporary folder; `flags` are added to its command line."""
    with tempfile.TemporaryDirectory(prefix="rasad-victoria-") as name:
        folder, port = Path(name), free_port()
        argv = [
            "victoria-metrics",
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-storageDataPath={folder / 'data'}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=256MB",
            *flags,
        ]
        with VictoriaServer(argv, port, folder) as server:
            yield server
