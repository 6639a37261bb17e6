"""What a device can send to hurt the others (P9): nothing stops, everything is counted, each reason is its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.publisher import publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true
from tests.servers.influx import influxdb
from tests.servers.mosquitto import Broker

_HUGE = "1" + "0" * 400
#: payload, readings set aside, reason
POISON: list[tuple[bytes, int, str]] = [
    (f'{{"ts": {_HUGE}, "values": {{"level": 1, "flow": 1}}}}'.encode(), 2, "future"),
    (b'{"ts": 1e308, "values": {"level": 1}}', 1, "future"),
    (b'{"ts": -9, "values": {"level": 1}}', 1, "too_old"),
    (b'{"ts": true, "values": {"level": 1}}', 1, "bad_time"),
    (b'{"level": NaN}', 1, "bad_value"),
    (b'{"depth": 1}', 1, "unknown_metric"),
    (b"[" * 50_000, 1, "undecodable"),
    (b"\xff\xfe\xfd", 1, "undecodable"),
    (b"7", 1, "bad_shape"),
    (b"[" + b",".join([b"{}"] * 10_001) + b"]", 1, "too_many_readings"),
]


def hostile(rounds: int) -> list[tuple[str, bytes]]:
    """Poison on every channel; readings of g18 and g19 among it are good ones, at the edges of what a float holds."""
    messages = [("city/v1/quay/g17/telemetry", payload) for payload, _, _ in POISON for _ in range(rounds)]
    now_ms = int(time.time() * 1000) - 20_000
    for i in range(rounds):
        big = [1.7e308, -1.7e308, 1e200, -1e200][i % 4]
        seq = [2**63, 2**64, 10**30, 2**53 - 1, 0][i % 5]
        good = {"ts": now_ms + i, "values": {"raw": big}, "seq": seq}
        messages.append(("city/v1/quay/g18/telemetry", json.dumps(good).encode()))
        messages.append(("city/v1/quay/g19/event", json.dumps({"id": f"e\n{i}\\", "ts": now_ms + i}).encode()))
        messages += [("city/v1/quay/g\u202e17/telemetry", b'{"level": 1}'), ("city/v1/quay/g17/status", b"dancing")]
    return messages


@pytest.mark.parametrize("store", ["duckdb", "influxdb"])
def test_poison_stops_nothing_and_is_counted_by_reason(tmp_path: Path, broker: Broker, store: str) -> None:
    rounds, feed = 12, Feed(per_device=150)
    if store == "duckdb":
        rasad = RasadProcess(tmp_path, broker.url)
        _check(rasad, broker, rounds, feed)
    else:
        with influxdb() as influx:
            rasad = RasadProcess(tmp_path, broker.url, "--store", f"influxdb+{influx.url}/?bucket=quay")
            _check(rasad, broker, rounds, feed)


def _check(rasad: RasadProcess, broker: Broker, rounds: int, feed: Feed) -> None:
    poison = hostile(rounds)
    half = len(feed.messages) // 2
    expected: dict[str, int] = {"bad_status": rounds}
    for _, readings, reason in POISON:
        expected[reason] = expected.get(reason, 0) + readings * rounds
    feed.expected["g18", "raw"] = {
        body["ts"]: body["values"]["raw"] for body in map(_json, (p for t, p in poison if "/g18/" in t))
    }
    try:
        rasad.start()
        publish(broker.port, [*feed.messages[:half], *poison, *feed.messages[half:]])
        row = assert_true(rasad, feed, events=rounds)
        assert row["by_reason"]["quarantined"] == expected
        assert rasad.api("/ledger")["by_reason"]["quarantined"]["bad_topic"] == rounds
        assert rasad.health()[0] == 200
        assert "internal_error" not in row["by_reason"]["quarantined"]
    finally:
        rasad.stop()


def _json(payload: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(payload)
    return body
