"""A running API per test, empty at first."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.running import Running


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path) as running:
        yield running


@pytest.fixture
def viewer(api: Running) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client
