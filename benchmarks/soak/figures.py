"""Figures: readiness with an empty and with a full journal (P10), acknowledgement (P3), and poison beside it (P9)."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from benchmarks.soak.tap import AckTap
from ingest.message import pack
from storage.operational import Operational
from tests.faults.publisher import Message, Publisher
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.mosquitto import mosquitto
from tests.servers.process import wait_until

PENDING = 1_000_000
RATE = 5_000
SECONDS = 12
_POISON = [
    b"",
    b"[" * 5000,
    b"\xff\xfe",
    b'{"level": NaN}',
    b'{"depth": 1}',
    b'{"ts": true, "values": {"level": 1}}',
    b"7",
    b'{"ts": 1' + b"0" * 400 + b', "values": {"level": 1}}',
]


def ready_with_an_empty_journal(folder: Path) -> dict[str, Any]:
    """Seconds from exec to `/readyz` 200, the first time and again."""
    with mosquitto() as broker:
        rasad = RasadProcess(folder, broker.url)
        took = []
        for _ in range(3):
            began = time.monotonic()
            rasad.start()
            took.append(round(time.monotonic() - began, 2))
            rasad.stop()
    return {"first_s": took[0], "again_s": took[1:], "promise_s": 5}


def ready_with_a_million_pending(folder: Path) -> dict[str, Any]:
    """Journal a million messages as the ingest path does, and start."""
    feed = Feed(per_device=PENDING // 20, devices=20, step_ms=100)
    (folder / "data").mkdir()
    database = Operational(folder / "data" / "operational.sqlite")
    database.open()
    first_ns = time.time_ns() - 600 * 10**9
    for at in range(0, PENDING, 500):
        group = [
            (topic, payload, False, first_ns + (at + i) * 10_000)
            for i, (topic, payload) in enumerate(feed.messages[at : at + 500])
        ]
        database.append_group(pack(group), {"quay": len(group)})
    database.close()
    with mosquitto() as broker:
        rasad = RasadProcess(folder, broker.url)
        began = time.monotonic()
        rasad.start_unready()
        wait_until(rasad.ready, "readiness", 240)
        ready_s = time.monotonic() - began
        most_mb = rasad.rss_mb()
        row = assert_true(rasad, feed, within_s=240)
        rasad.stop()
    return {"pending": PENDING, "ready_s": round(ready_s, 1), "promise_s": 30, "rss_mb": round(most_mb), "ledger": row}


def acknowledgement_and_poison(folder: Path) -> dict[str, Any]:
    """PUBLISH to our PUBACK at 5,000 messages/s, without and with a tenth of poison."""
    clean = _acknowledged(folder / "clean", 0.0)
    poisoned = _acknowledged(folder / "poison", 0.1)
    return {
        "rate": RATE,
        "clean": clean,
        "poison": poisoned,
        "p99_ratio": round(poisoned["p99_ms"] / clean["p99_ms"], 2),
    }


def _acknowledged(folder: Path, poison: float) -> dict[str, Any]:
    folder.mkdir()
    feed, draw = Feed(per_device=RATE * SECONDS // 8, step_ms=20), random.Random(2)
    mixed: list[Message] = []
    for topic, payload in feed.messages:
        mixed.append((topic, payload))
        if draw.random() < poison / (1 - poison):
            mixed.append((topic, draw.choice(_POISON)))
    with mosquitto() as broker, AckTap(broker.port) as tap:
        rasad = RasadProcess(folder, f"mqtt://127.0.0.1:{tap.port}")
        rasad.start()
        publisher = Publisher(broker.port, mixed, rate=RATE)
        publisher.start()
        publisher.finish(120)
        wait_until(lambda: rasad.metric("rasad_mqtt_messages_total") >= len(mixed), "all messages", 60)
        lag_s = _until_settled(rasad)
        row = assert_true(rasad, feed, within_s=120)
        rasad.stop()
    good = tap.latencies_ms(lambda payload: payload.endswith(b"}") and b'"seq"' in payload)
    good.sort()
    return {
        "messages": len(mixed), "p50_ms": round(good[len(good) // 2], 1),
        "p99_ms": round(good[len(good) * 99 // 100], 1), "max_ms": round(good[-1], 1),
        "settled_after_s": round(lag_s, 1), "reasons": row["by_reason"]["quarantined"],
    }  # fmt: skip


def _until_settled(rasad: RasadProcess) -> float:
    began = time.monotonic()
    wait_until(lambda: ledger(rasad)["pending"] == 0, "an empty journal", 60)
    return time.monotonic() - began
