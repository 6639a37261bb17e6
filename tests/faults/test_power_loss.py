"""A simulated power cut at any instant (P1): what was acknowledged is recovered, and nothing is there twice."""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.power_loss import record, survives

HISTORIES = 150


def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    steps, draw = record(tmp_path), random.Random(1)
    for history in range(HISTORIES):
        survives(steps, draw, tmp_path / f"history-{history % 8}")
