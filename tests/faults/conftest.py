"""Parts that most fault tests stand on: a broker that stays, and Rasad on its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rasad_process import RasadProcess
from tests.servers.mosquitto import Broker, mosquitto


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that keeps everything."""
    with mosquitto() as running:
        yield running


@pytest.fixture
def rasad(tmp_path: Path, broker: Broker) -> Iterator[RasadProcess]:
    """Rasad, not started yet; stopped at the end whatever happened."""
    process = RasadProcess(tmp_path, broker.url)
    try:
        yield process
    finally:
        process.stop()
