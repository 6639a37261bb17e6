"""InfluxDB away under load (P5): readings go on being acknowledged, late ones wait, and all is stored exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.publisher import publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.influx import InfluxServer, influxdb
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until


@pytest.fixture
def influx() -> Iterator[InfluxServer]:
    """A real InfluxDB behind its reverse proxy."""
    with influxdb() as server:
        yield server


@pytest.fixture
def on_influx(tmp_path: Path, broker: Broker, influx: InfluxServer) -> Iterator[RasadProcess]:
    """Rasad with InfluxDB as its store."""
    process = RasadProcess(tmp_path, broker.url, "--store", f"influxdb+{influx.url}/?bucket=quay")
    try:
        yield process
    finally:
        process.stop()


def test_store_away_under_load_with_late_readings_and_a_kill(
    broker: Broker, influx: InfluxServer, on_influx: RasadProcess
) -> None:
    feed = Feed(per_device=600)
    early, late = feed.messages[::2], feed.messages[1::2]
    on_influx.start()
    publish(broker.port, early)
    wait_until(lambda: ledger(on_influx)["stored"] == len(early) * 2, "the early half in the store")
    influx.kill9()
    after = Feed(per_device=400, first_device=10)
    publish(broker.port, [*late, *after.messages, *late[:500]], rate=3000)
    wait_until(lambda: on_influx.health()[1]["store"]["state"] == "warn", "readiness that names the store")
    everything = feed.readings + after.readings + 1000
    wait_until(lambda: ledger(on_influx)["received"] == everything, "all received while the store is away")
    row = ledger(on_influx)
    assert row["balanced"], row
    assert row["pending"] >= after.readings, row
    assert on_influx.health()[0] == 200
    assert on_influx.rss_mb() < 512
    on_influx.kill9()
    on_influx.start()
    influx.start()
    row = assert_true(on_influx, feed, after, received=everything)
    assert row["duplicate"] == 1000
