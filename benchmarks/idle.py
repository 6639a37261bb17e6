"""What Rasad costs when nothing happens: start-up seconds, idle CPU, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.broker import Broker
from benchmarks.contenders import RasadContender
from benchmarks.cost import Advance, idle_share
from benchmarks.figures import median, span
from benchmarks.rasad_process import Rasad
from benchmarks.stream import Stream


def run(devices: int, rounds: int, idle_s: float, folder: Path, advance: Advance) -> dict[str, Any]:
    """Start Rasad `rounds` times with a pilot of `devices` and watch it do nothing."""
    folder.mkdir(parents=True)
    names = Stream(devices=devices).names()
    ready, shares, rss = [], [], []
    for number in range(rounds):
        advance(f"start {number + 1} of {rounds}")
        home = folder / str(number)
        home.mkdir()
        with Broker(home / "broker") as broker, Rasad(home / "rasad", broker.port, names) as rasad:
            ready.append(rasad.ready_s)
            shares.append(idle_share(RasadContender(rasad), idle_s) * 100)
            rss.append(rasad.rss_bytes() / 1e6)
    return {
        "devices": devices,
        "ready_s": median(ready),
        "ready_s_range": span(ready),
        "idle_cpu_percent": median(shares),
        "idle_cpu_percent_range": span(shares),
        "rss_mb": median(rss, 1),
    }
