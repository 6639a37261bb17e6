"""kill -9 at random points (P1, P2): nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import json
import random

from tests.faults.publisher import Publisher, publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.truth import Feed, assert_true
from tests.servers.mosquitto import Broker
from tests.servers.process import wait_until

KILLS = 5


def test_kills_at_random_points_lose_nothing(broker: Broker, rasad: RasadProcess) -> None:
    feed, draw = Feed(per_device=3000), random.Random(7)
    rasad.start()
    publisher = Publisher(broker.port, feed.messages, rate=2500)
    publisher.start()
    for kill in range(1, KILLS + 1):
        upto = int(len(feed.messages) * (kill - draw.random()) / KILLS * 0.9)
        wait_until(lambda upto=upto: publisher.sent >= upto, "the next part of the feed")  # type: ignore[misc]
        rasad.kill9()
        rasad.start()
    publisher.finish()
    assert_true(rasad, feed)


def test_three_deliveries_in_random_order_with_a_kill(broker: Broker, rasad: RasadProcess) -> None:
    feed = Feed(per_device=500)
    copies = feed.shuffled(times=3)
    rasad.start()
    publish(broker.port, copies[: len(copies) // 2])
    rasad.kill9()
    publish(broker.port, copies[len(copies) // 2 :])
    rasad.start()
    row = assert_true(rasad, feed, received=3 * feed.readings)
    assert row["duplicate"] >= 2 * feed.readings, row


def test_repetitions_and_contradictions_are_known_after_a_restart_and_after_months(
    broker: Broker, rasad: RasadProcess
) -> None:
    feed, old = Feed(per_device=150), Feed(per_device=150, ends_s_ago=90 * 86_400, first_device=10)
    rasad.start()
    publish(broker.port, [*feed.messages, *old.messages])
    assert_true(rasad, feed, old)
    rasad.restart()
    contradictions = [(topic, contradict(payload)) for topic, payload in (*feed.messages[:100], *old.messages[:100])]
    publish(broker.port, [*feed.shuffled(), *old.shuffled(), *contradictions])
    row = assert_true(rasad, feed, old, received=2 * (feed.readings + old.readings) + 400)
    assert row["by_reason"]["quarantined"] == {"conflict": 200}
    assert row["duplicate"] == feed.readings + old.readings + 200


def contradict(payload: bytes) -> bytes:
    """The same message with another level."""
    body = json.loads(payload)
    body["values"]["level"] += 1
    return json.dumps(body).encode()
