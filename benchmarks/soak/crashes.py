"""Kills: at random points, at every fsync of the start, at fsyncs of commits; and power cuts in simulation."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.power_loss import record, survives
from tests.faults.publisher import Publisher, publish
from tests.faults.rasad_process import RasadProcess
from tests.faults.test_fsync import strace
from tests.faults.truth import Feed, assert_true
from tests.servers.mosquitto import mosquitto
from tests.servers.process import wait_until

KILLS = 20
FSYNCS_OF_THE_START = 36
FSYNCS_OF_COMMITS = 60
HISTORIES = 2_500


def random_kills(folder: Path) -> dict[str, Any]:
    """20 SIGKILLs at random points of 100,000 messages (P1, P2)."""
    feed, draw = Feed(per_device=12_500, step_ms=100), random.Random(11)
    with mosquitto() as broker:
        rasad = RasadProcess(folder, broker.url)
        rasad.start()
        publisher = Publisher(broker.port, feed.messages, rate=3000)
        publisher.start()
        for kill in range(1, KILLS + 1):
            upto = int(len(feed.messages) * (kill - draw.random()) / KILLS * 0.95)
            wait_until(lambda upto=upto: publisher.sent >= upto, "the next part", 120)  # type: ignore[misc]
            rasad.kill9()
            rasad.start()
        publisher.finish(120)
        row = assert_true(rasad, feed, within_s=120)
        rasad.stop()
    return {"kills": KILLS, "messages": len(feed.messages), "lost": 0, "ledger": row}


def three_deliveries(folder: Path) -> dict[str, Any]:
    """Everything three times in random order, with five kills (P2)."""
    feed = Feed(per_device=3_000)
    copies = feed.shuffled(times=3)
    with mosquitto() as broker:
        rasad = RasadProcess(folder, broker.url)
        rasad.start()
        part = len(copies) // 6 + 1
        for at in range(0, len(copies), part):
            publish(broker.port, copies[at : at + part])
            rasad.kill9()
            rasad.start()
        row = assert_true(rasad, feed, received=3 * feed.readings, within_s=120)
        rasad.stop()
    return {"kills": 6, "deliveries": len(copies), "lost": 0, "ledger": row}


def kills_at_fsyncs_of_the_start(folder: Path) -> dict[str, Any]:
    """A kill at every fsync of each thread during a first start; the next start is whole."""
    with mosquitto() as broker:
        for nth in range(1, FSYNCS_OF_THE_START + 1):
            home = folder / str(nth)
            home.mkdir()
            doomed = RasadProcess(home, broker.url, before=strace(f"signal=SIGKILL:when={nth}"))
            doomed.start_unready()
            try:
                doomed.wait_ended(15)
                survived = False
            except subprocess.TimeoutExpired:  # there are fewer fsyncs than that
                survived = True
                doomed.kill9()
            doomed.without_strace()
            doomed.start()
            assert doomed.api("/ledger")["balanced"]
            doomed.stop()
            if survived:
                return {"points": nth - 1, "note": "every fsync of the start"}
    return {"points": FSYNCS_OF_THE_START}


def kills_at_fsyncs_of_commits(folder: Path) -> dict[str, Any]:
    """60 kills at the K-th fsync of a thread under load, K = 1 to 60, on the same data."""
    feed = Feed(per_device=12_000, step_ms=100)
    with mosquitto() as broker:
        rasad = RasadProcess(folder, broker.url)
        rasad.start()
        rasad.stop()
        publisher = Publisher(broker.port, feed.messages, rate=350)
        publisher.start()
        for nth in range(1, FSYNCS_OF_COMMITS + 1):
            doomed = RasadProcess(folder, broker.url, before=strace(f"signal=SIGKILL:when={nth}"))
            doomed.start_unready()
            doomed.wait_ended(60)
        publisher.finish(600)
        rasad.start()
        row = assert_true(rasad, feed, within_s=120)
        rasad.stop()
    return {"kills": FSYNCS_OF_COMMITS, "messages": len(feed.messages), "lost": 0, "ledger": row}


def power_loss(folder: Path) -> dict[str, Any]:
    """2,500 power cuts in simulation: what was acknowledged is a part of what is recovered (P1)."""
    trace = record(folder)
    draw = random.Random(5)
    for history in range(HISTORIES):
        survives(trace, draw, folder / f"history-{history % 8}")
    return {"histories": HISTORIES, "lost": 0}
