"""Rasad as a user runs it: `rasad up` in a process, a fresh data folder, a pilot that is one generated file."""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.broker import free_port
from benchmarks.process_cost import BenchFailed, Measured, wait_until
from benchmarks.stream import METRICS, PILOT, pilot_toml

_READY_WITHIN_S: Final = 300.0


class Rasad(Measured):
    """Running Rasad at full function on DuckDB; `ready_s` is the time from its start to `rasad ready`."""

    def __init__(self, folder: Path, mqtt_port: int, names: list[str]) -> None:
        pilots, self.data = folder / "pilots", folder / "data"
        (pilots / PILOT).mkdir(parents=True)
        self.data.mkdir(parents=True)
        (pilots / PILOT / "signals.toml").write_text(pilot_toml(names), encoding="utf-8")
        self.http_port = free_port()
        began_s = time.monotonic()
        super().__init__(
            [sys.executable, "-m", "service", "up", "--data", str(self.data), "--http", f"127.0.0.1:{self.http_port}",
             "--mqtt", f"mqtt://127.0.0.1:{mqtt_port}", "--pilots-dir", str(pilots), "--pilots", PILOT],
            folder / "rasad.log",
        )  # fmt: skip
        try:
            while not self.line(_READY_WITHIN_S).startswith("rasad ready"):
                pass
        except BaseException:
            self.stop()
            raise
        self.ready_s = time.monotonic() - began_s
        self.api = Api(self.http_port, (self.data / "admin.token").read_text().strip())

    def stored(self) -> int:
        """Readings that are in the store, by the ledger."""
        return int(self.api.get("/ledger", pilot=PILOT)["stored"])

    def wait_for_stored(self, readings: int, within_s: float) -> int:
        """Poll until so many readings are stored or the time is over; gives how many are."""
        deadline = time.monotonic() + within_s
        while (stored := self.stored()) < readings and time.monotonic() < deadline:
            self.peak_rss_bytes()
            time.sleep(0.2)
        return stored


class Api:
    """One keep-alive connection to the HTTP API."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"}

    def get_bytes(self, path: str, **query: Any) -> bytes:
        """Body of an answer; BenchFailed when it is no 200."""
        self._connection.request("GET", f"/api/v1{path}?{urlencode(query)}", headers=self.headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchFailed(f"GET {path} {query} answered {answer.status}: {body[:300].decode(errors='replace')}")
        return body

    def get(self, path: str, **query: Any) -> Any:
        """Answer as JSON."""
        return json.loads(self.get_bytes(path, **query))


def metrics_of(readings: int) -> float:
    """Messages that so many stored readings stand for."""
    return readings / len(METRICS)


def wait_quiet(rasad: Rasad, readings: int, within_s: float) -> None:
    """Wait until so many readings are stored and nothing is pending; BenchFailed with the ledger otherwise."""
    if rasad.wait_for_stored(readings, within_s) < readings:
        ledger = rasad.api.get("/ledger", pilot=PILOT)
        raise BenchFailed(f"not all is stored after {within_s:.0f} s: {ledger}; its log ends: {rasad.tail()}")
    wait_until(lambda: rasad.api.get("/ledger", pilot=PILOT)["pending"] == 0, "nothing pending", 30, 0.1)
