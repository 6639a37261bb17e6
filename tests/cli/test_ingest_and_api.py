"""Production's shape: `rasad ingest` and `rasad api` as processes of their own, on Mosquitto and InfluxDB."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.cli.shell import ONLY_QUAY, Running, answer, eventually, rasad, ready, running, starting
from tests.servers.influx import influxdb
from tests.servers.mosquitto import Broker, mosquitto
from tests.servers.process import wait_until


@dataclass
class Pair:
    broker: Broker
    ingest: Running
    api: Running
    store: tuple[str, ...]

    def publish(self, device: str, value: float, ts_ms: int) -> None:
        payload = json.dumps({"ts": ts_ms, "values": {"speed": value}})
        topic = f"city/v1/quay/{device}/telemetry"
        subprocess.run(
            ["mosquitto_pub", "-p", str(self.broker.port), "-q", "1", "-t", topic, "-m", payload], check=True
        )

    def latest(self) -> float | None:
        found = self.api.get("/api/v1/devices/quay/north")["latest"].get("speed")
        return found["value"] if found else None


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    data = tmp_path_factory.mktemp("pair") / "data"
    with ExitStack() as stack:
        broker, influx = stack.enter_context(mosquitto()), stack.enter_context(influxdb())
        store = ("--store", f"influxdb+{influx.url}/?bucket=rasad")
        words = ["--mqtt", broker.url, *store, *ONLY_QUAY]
        # the API comes first and waits for the worker to begin the directory
        waiting = stack.enter_context(starting("api", data, *words))
        ingest = stack.enter_context(running("ingest", data, *words))
        yield Pair(broker, ingest, ready(waiting, data), store)


def now_ms() -> int:
    return time.time_ns() // 10**6


def test_live_values_windows_and_history_reach_the_api(pair: Pair) -> None:
    with httpx.stream(
        "GET", f"{pair.api.url}/api/v1/stream?events=latest,window", timeout=30,
        headers={"Authorization": f"Bearer {(pair.api.data / 'admin.token').read_text().strip()}"},
    ) as stream:  # fmt: skip
        at_ms = now_ms() - 20_000
        pair.publish("north", 41.5, at_ms)
        seen: set[str] = set()
        for line in stream.iter_lines():
            seen |= {line} if line.startswith("event: ") else set()
            if {"event: latest", "event: window"} <= seen:
                break
    assert pair.latest() == 41.5
    query = {"pilot": "quay", "device": "north", "metric": "speed", "from": at_ms, "to": at_ms + 1}
    eventually(lambda: pair.api.get("/api/v1/readings", **query)["value"] == [41.5], "in the store")
    assert pair.api.get("/api/v1/devices/quay/north")["state"] == "online"
    assert pair.api.get("/api/v1/ledger")["balanced"]


def test_the_worker_answers_health_metrics_and_ledger_and_nothing_else(pair: Pair) -> None:
    assert httpx.get(f"{pair.ingest.url}/healthz").json()["status"] == "ok"
    assert httpx.get(f"{pair.ingest.url}/readyz").status_code == 200
    assert httpx.get(f"{pair.ingest.url}/metrics").status_code == 401
    assert httpx.get(f"{pair.ingest.url}/api/v1/ledger").status_code == 401
    assert pair.ingest.get("/api/v1/ledger")["balanced"]
    for path in ("/", "/api/v1/devices", "/api/v1/quarantine", "/openapi.json"):
        assert httpx.get(f"{pair.ingest.url}{path}").status_code == 404, path


def test_quarantine_is_requeued_through_the_shared_file(pair: Pair) -> None:
    pair.publish("west", 1.0, now_ms())
    eventually(lambda: len(answer("quarantine", "list", "--data", pair.api.data)["items"]) == 1, "set aside")
    [first] = answer("quarantine", "list", "--data", pair.api.data)["items"]
    rasad("quarantine", "requeue", str(first["id"]), "--data", pair.api.data)

    def again() -> bool:
        rows = pair.api.get("/api/v1/quarantine")["items"]
        return [row["id"] != first["id"] for row in rows] == [True]

    eventually(again, "taken by the worker and set aside again")
    ledger = pair.api.get("/api/v1/ledger")
    assert ledger["balanced"]
    assert ledger["by_reason"]["quarantined"] == {"unknown_device": 1}
    rasad("quarantine", "drop", "--reason", "unknown_device", "--data", pair.api.data)
    after = pair.api.get("/api/v1/ledger")
    assert after["balanced"]
    assert after["by_reason"]["rejected"] == {"dropped_by_operator": 1}
    assert after["received"] == ledger["received"]


def test_an_api_that_comes_late_knows_every_latest_value(pair: Pair) -> None:
    value = now_ms() % 100 / 2
    pair.publish("north", value, now_ms())
    eventually(lambda: pair.latest() == value, "in the first API")
    with running("api", pair.api.data, "--mqtt", pair.broker.url, *pair.store, *ONLY_QUAY) as late:
        eventually(
            lambda: late.get("/api/v1/devices/quay/north")["latest"].get("speed", {}).get("value") == value, "asked for"
        )


def test_a_broker_that_restarts_is_found_again(pair: Pair) -> None:
    pair.broker.restart()
    wait_until(lambda: httpx.get(f"{pair.ingest.url}/readyz").json()["status"] == "ok", "worker connected again")

    def bus() -> bool:
        checks = httpx.get(f"{pair.api.url}/readyz").json()["checks"]
        return any(check["name"] == "bus" and check["state"] == "ok" for check in checks)

    eventually(bus, "bus connected again")
    pair.publish("north", 99.5, now_ms())
    eventually(lambda: pair.latest() == 99.5, "live values move again")


def test_history_and_exports_find_their_way(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    at_ms = (now_ms() - 10 * 86_400_000) // 1000 * 1000
    file.write_text(json.dumps({"device": "-south", "ts": at_ms, "speed": 12.5}) + "\n")
    data = pair.api.data
    done = answer("backfill", file, "--pilot", "quay", "--data", data, *ONLY_QUAY, *pair.store)
    assert done["stored"] == 1
    rasad(
        "export",
        "--data",
        data,
        "--pilot",
        "quay",
        "--device=-south",
        "-o",
        tmp_path / "x.csv",
        *ONLY_QUAY,
        *pair.store,
    )
    written = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert f"'-south,speed,km/h,{written},12.5,1," in (tmp_path / "x.csv").read_text()


def test_the_ends_are_clean(pair: Pair) -> None:
    assert pair.api.stop() == 0
    assert pair.ingest.stop() == 0
    assert sorted(file.name for file in pair.api.data.glob("endpoints*")) == []
