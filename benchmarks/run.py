"""One run of `rasad bench`: the parts of a plan, one after another, into one object."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import cost, idle, latency, queries, series
from benchmarks.contenders import CONTENDERS
from benchmarks.cost import Advance
from benchmarks.plan import Plan
from benchmarks.stream import METRICS, History, Stream, payload


def run(plan: Plan, advance: Advance) -> dict[str, Any]:
    """Measure; `advance(what)` is called at each step. All state is in a temporary folder that goes away again."""
    stream = Stream(messages=plan.messages)
    parts: dict[str, Callable[[Path, Advance], Any]] = {
        "cost": lambda home, tell: cost.run(stream, plan.rounds, plan.idle_s, home, tell),
        "latency": lambda home, tell: latency.run(plan.rate, plan.latency_s, home, tell),
        "queries": lambda home, tell: queries.run(
            History(plan.history_devices, plan.history_days), plan.rate, plan.queries, home, tell
        ),
        "series": lambda home, tell: series.run(plan.series, plan.messages, plan.rounds, plan.idle_s, home, tell),
        "idle": lambda home, tell: idle.run(stream.devices, plan.rounds, plan.long_idle_s, home, tell),
    }
    with tempfile.TemporaryDirectory(prefix="rasad-bench-") as name:
        answer: dict[str, Any] = {"machine": machine(Path(name)), "stream": described(stream, plan.rounds)}
        for part in plan.parts:
            answer[part] = parts[part](Path(name) / part, _prefixed(part, advance))
    answer["machine"]["load_average_after"] = round(os.getloadavg()[0], 2)
    return answer


def steps(plan: Plan) -> int:
    """How often `run` will call `advance`."""
    counts = {
        "cost": plan.rounds * len(CONTENDERS),
        "latency": 2,
        "queries": 3,
        "series": plan.rounds * len(plan.series),
        "idle": plan.rounds,
    }
    return sum(counts[part] for part in plan.parts)


def _prefixed(part: str, advance: Advance) -> Advance:
    return lambda what: advance(f"{part}: {what}")


def described(stream: Stream, rounds: int) -> dict[str, Any]:
    """The stream in figures."""
    size = len(payload(time.time_ns() // 1_000_000, 0, 0))
    return {
        "messages": stream.messages, "devices": stream.devices, "metrics_per_message": len(METRICS), "qos": 1,
        "interval_ms": stream.interval_ms, "payload_bytes": size, "rounds": rounds,
    }  # fmt: skip


def machine(folder: Path) -> dict[str, Any]:
    """Where this was measured; a high load average at the beginning spoils the figures."""
    usage = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout
    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "mosquitto": usage.split("\n", 1)[0].rpartition(" ")[2],
        "filesystem": filesystem(folder),
        "load_average_before": round(os.getloadavg()[0], 2),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def filesystem(folder: Path) -> str:
    """Type of the file system of a folder: on tmpfs an fsync is free, which would flatter Rasad."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(m[1]), m[2]) for m in mounts if folder.is_relative_to(m[1])]
    return max(above)[1] if above else "unknown"
