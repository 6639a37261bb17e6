"""A broker that comes and goes, and a link that is worse: reconnects, no loss at QoS 1, and losses that show."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.publisher import Publisher, publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true, ledger
from tests.servers.flaky_proxy import FlakyLink, flaky_proxy
from tests.servers.mosquitto import Broker, mosquitto
from tests.servers.process import wait_until

_QUICK = {"RASAD_MQTT__KEEP_ALIVE_S": "5", "RASAD_MQTT__BACKOFF_CAP_S": "1"}


def test_broker_restarts_lose_nothing(tmp_path: Path, broker: Broker) -> None:
    feed = Feed(per_device=800)
    rasad = RasadProcess(tmp_path, broker.url, environment=_QUICK)
    try:
        rasad.start()
        publisher = Publisher(broker.port, feed.messages, rate=1500)
        publisher.start()
        for part in (0.25, 0.6):
            wait_until(lambda part=part: publisher.sent > part * len(feed.messages), "a part of the feed")  # type: ignore[misc]
            broker.restart()
        publisher.finish()
        assert_true(rasad, feed)
        assert rasad.metric("rasad_mqtt_connects_total") >= 3
    finally:
        rasad.stop()


def test_killed_broker_loses_only_what_shows_as_gaps(tmp_path: Path, broker: Broker) -> None:
    feed = Feed(per_device=600)
    rasad = RasadProcess(tmp_path, broker.url, environment=_QUICK)
    try:
        rasad.start()
        publisher = Publisher(broker.port, feed.messages, rate=1500)
        publisher.start()
        wait_until(lambda: publisher.sent > 0.4 * len(feed.messages), "a part of the feed")
        broker.kill9()
        broker.start()
        publisher.finish()
        row: dict[str, int] = {}

        def accounted() -> bool:
            row.update(ledger(rasad))
            return row["pending"] == 0 and row["stored"] // 2 + row["sequence_gaps"] == len(feed.messages)

        wait_until(accounted, "every message stored or named as a gap")
        assert row["balanced"]
    finally:
        rasad.stop()


@pytest.fixture
def link(broker: Broker) -> Iterator[FlakyLink]:
    """A bad link to the broker."""
    with flaky_proxy(broker.port) as proxy:
        yield proxy


def test_flapping_black_hole_slow_and_late_links_lose_nothing(tmp_path: Path, broker: Broker, link: FlakyLink) -> None:
    feed, draw = Feed(per_device=1500), random.Random(3)
    rasad = RasadProcess(tmp_path, f"mqtt://127.0.0.1:{link.port}", environment=_QUICK)
    try:
        rasad.start()
        publisher = Publisher(broker.port, feed.messages, rate=1200)
        publisher.start()
        for _ in range(6):
            seen = rasad.metric("rasad_mqtt_messages_total") + draw.randrange(100, 400)
            wait_until(lambda seen=seen: rasad.metric("rasad_mqtt_messages_total") >= seen, "messages")  # type: ignore[misc]
            link.cut()
        link.delay_s = 0.2
        _wait_for_more(rasad, 300)
        link.delay_s, link.bytes_per_s = 0.0, 60_000.0
        _wait_for_more(rasad, 300)
        link.bytes_per_s = 0.0
        link.swallow = True
        wait_until(lambda: rasad.health()[1]["broker"]["state"] == "failed", "a black hole noticed", 20)
        link.swallow = False
        link.cut()
        publisher.finish()
        assert_true(rasad, feed)
        assert rasad.metric("rasad_mqtt_connects_total") >= 7
    finally:
        rasad.stop()


def _wait_for_more(rasad: RasadProcess, messages: int) -> None:
    seen = rasad.metric("rasad_mqtt_messages_total") + messages
    wait_until(lambda: rasad.metric("rasad_mqtt_messages_total") >= seen, f"{messages} more messages")


def test_a_broker_that_sends_twenty_ahead_still_gives_two_thousand_a_second(tmp_path: Path) -> None:
    feed = Feed(per_device=1250)
    with mosquitto(max_inflight_messages=20) as stingy:
        rasad = RasadProcess(tmp_path, stingy.url)
        try:
            rasad.start()
            publisher = Publisher(stingy.port, feed.messages)
            publisher.start()
            began = time.monotonic()
            wait_until(lambda: rasad.metric("rasad_mqtt_messages_total") >= len(feed.messages), "all messages")
            rate = len(feed.messages) / (time.monotonic() - began)
            publisher.finish()
            assert_true(rasad, feed)
        finally:
            rasad.stop()
    assert rate >= 2000, f"{rate:.0f} messages/s"


def test_messages_that_the_broker_drops_are_seen(tmp_path: Path) -> None:
    # Debian's Mosquitto sends a client of ours its receive maximum, 4096, ahead, whatever its own limits
    feed = Feed(per_device=1000)
    with mosquitto(max_queued_messages=50, max_inflight_messages=20) as small:
        rasad = RasadProcess(tmp_path, small.url)
        try:
            rasad.start()
            publish(small.port, feed.messages[:80], rate=200)
            wait_until(lambda: ledger(rasad)["stored"] == 160, "the first messages")
            wait_until(lambda: rasad.metric("rasad_broker_watched") == 1, "the broker's count known")
            rasad.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
            publish(small.port, feed.messages[80:7500])
            rasad.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
            wait_until(lambda: "broker queue" in rasad.health()[1], "the loss in readiness")
            check = rasad.health()[1]["broker queue"]
            assert check["state"] == "warn"
            assert "max_queued_messages" in check["why"]
            assert rasad.metric("rasad_broker_dropped_messages_total") > 1000
            publish(small.port, feed.messages[7500:], rate=500)
            wait_until(lambda: ledger(rasad)["sequence_gaps"] > 1000, "the loss as gaps")
        finally:
            rasad.stop()
