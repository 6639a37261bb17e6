"""Runs `rasad` as a process and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers.process import wait_until

PILOTS = Path(__file__).parent / "pilots"
ONLY_QUAY = ("--pilots-dir", str(PILOTS), "--pilots", "quay")
RASAD = [sys.executable, "-m", "service"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("RASAD_")}


def rasad(*words: str | Path, exit_code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end; the exit code must be as said, None for any."""
    argv = [*RASAD, *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=CLEAN | environment, check=False)
    assert exit_code in (None, done.returncode), (done.returncode, done.stdout, done.stderr)
    return done


def answer(*words: str | Path, exit_code: int | None = 0) -> Any:
    """Run a verb with --json and give what it says."""
    return json.loads(rasad(*words, "--json", exit_code=exit_code).stdout)


class Running:
    """A verb that goes on: where its HTTP answers, and requests with the admin token."""

    def __init__(self, process: subprocess.Popen[str], data: Path, url: str) -> None:
        self.process, self.data, self.url = process, data, url

    def get(self, path: str, **query: Any) -> Any:
        token = (self.data / "admin.token").read_text().strip()
        reply = httpx.get(f"{self.url}{path}", params=query, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


@contextmanager
def running(verb: str, data: Path, *words: str) -> Iterator[Running]:
    """Run `up`, `ingest` or `api` until the block ends, from `rasad ready` on."""
    with starting(verb, data, *words) as process:
        yield ready(process, data)


@contextmanager
def starting(verb: str, data: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a verb without waiting for it; it is ended with the block."""
    argv = ["setpriv", "--pdeathsig", "KILL", "--", *RASAD, verb, "--data", str(data), "--http", "127.0.0.1:0", *words]
    with (data.parent / f"{verb}.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, env=CLEAN)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def ready(process: subprocess.Popen[str], data: Path) -> Running:
    """Wait for `rasad ready`."""
    assert process.stdout is not None
    line = process.stdout.readline()
    log = "".join(file.read_text() for file in data.parent.glob("*.log"))
    assert line.startswith("rasad ready http://"), (line, log[-3000:])
    return Running(process, data, line.split()[-1])


def eventually(condition: Any, what: str, within_s: float = 20.0) -> None:
    """Poll until it holds."""
    wait_until(condition, what, within_s)
