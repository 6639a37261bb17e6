"""A full disk: acknowledgements stop, readiness says why, and it resumes by itself when there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.publisher import Publisher
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until

DISK_MB = 96


@pytest.fixture
def cramped(tmp_path: Path, broker: Broker) -> Iterator[RasadProcess]:
    """Rasad on a small tmpfs, in a mount namespace of its own."""
    data = tmp_path / "data"
    own_root = () if os.geteuid() == 0 else ("-r",)
    script = f'mount -t tmpfs -o size={DISK_MB}m tmpfs "$0" && exec "$@"'
    before = ("unshare", *own_root, "-m", "sh", "-c", script, str(data))
    process = RasadProcess(tmp_path, broker.url, before=before)
    try:
        yield process
    finally:
        process.stop()


def fill(file: Path) -> None:
    """Take every byte that is left."""
    with file.open("wb", buffering=0) as filler:
        try:
            while filler.write(b"\0" * 65_536):
                pass
        except OSError:
            pass


def test_full_disk_stops_acknowledgements_and_resumes_by_itself(broker: Broker, cramped: RasadProcess) -> None:
    feed = Feed(per_device=1000)
    cramped.start()
    publisher = Publisher(broker.port, feed.messages, rate=1000)
    publisher.start()
    wait_until(lambda: ledger(cramped)["stored"] > 500, "the first readings in the store")
    filler = cramped.state / "filler"
    fill(filler)
    wait_until(lambda: cramped.health()[0] == 503, "readiness that fails")
    checks = cramped.health()[1]
    assert "make room" in checks["disk"]["why"], checks
    publisher.finish()
    wait_until(lambda: checks_of(cramped, "journal") == "failed", "the journal refusing")
    stopped = ledger(cramped)["received"]
    assert stopped < feed.readings
    assert httpx.get(f"http://127.0.0.1:{cramped.port}/healthz").status_code == 200
    assert ledger(cramped)["received"] == stopped
    assert cramped.rss_mb() < 400
    filler.unlink()
    cramped.wait_ready()
    assert_true(cramped, feed)


def checks_of(rasad: RasadProcess, name: str) -> str:
    """State of one check."""
    return str(rasad.health()[1][name]["state"])
