"""The store away under load (P5): what is lost, what it costs in memory, and how fast the outbox drains."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.faults.publisher import Publisher
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.influx import influxdb
from tests.servers.mosquitto import mosquitto
from tests.servers.process import wait_until

RATE = 1000
AWAY_S = 60.0


def store_away(folder: Path) -> dict[str, Any]:
    """InfluxDB killed for a minute at 1,000 messages/s, started again while the load goes on."""
    feed = Feed(per_device=12_000, step_ms=50)
    with mosquitto() as broker, influxdb() as influx:
        rasad = RasadProcess(folder, broker.url, "--store", f"influxdb+{influx.url}/?bucket=soak")
        rasad.start()
        publisher = Publisher(broker.port, feed.messages, rate=RATE)
        publisher.start()
        wait_until(lambda: ledger(rasad)["stored"] > 5 * RATE, "a steady beginning")
        influx.kill9()
        left, most_mb = time.monotonic(), 0.0
        while time.monotonic() - left < AWAY_S:
            most_mb = max(most_mb, rasad.rss_mb())
            time.sleep(0.5)
        behind, stored = ledger(rasad)["pending"], ledger(rasad)["stored"]
        influx.start()
        back = time.monotonic()
        wait_until(lambda: ledger(rasad)["stored"] > stored, "the first batch after the outage", 60)
        draining = time.monotonic()
        wait_until(lambda: ledger(rasad)["pending"] < 4 * RATE * 2, "an empty outbox", 240)
        took_s = time.monotonic() - draining
        drained = ledger(rasad)["stored"] - stored
        publisher.finish(240)
        row = assert_true(rasad, feed, within_s=120)
        rasad.stop()
    return {
        "away_s": AWAY_S, "live_readings_per_s": 2 * RATE, "pending_at_return": behind, "rss_mb": round(most_mb),
        "noticed_after_s": round(draining - back, 1), "drained_readings_per_s": round(drained / max(took_s, 0.1)),
        "times_live": round(drained / max(took_s, 0.1) / (2 * RATE), 1), "ledger": row,
    }  # fmt: skip
