"""Child processes and what they cost: CPU time of a process tree in ns, resident memory at its highest.

CPU time is user and system time of all threads, read from the kernel's own clock of each process
(`man clock_getcpuclockid`), which is exact to the nanosecond where /proc counts in ticks of 10 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

from telemetry.errors import RasadError

_STOP_WITHIN_S = 20.0


class BenchFailed(RasadError):
    """A measurement cannot be made; the text says what failed and what to do."""


def wait_until(condition: Callable[[], bool], what: str, within_s: float, every_s: float = 0.02) -> None:
    """Poll until `condition` holds; BenchFailed when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise BenchFailed(
                f"{what}: not within {within_s:.0f} s; is the machine busy? Try --quick or fewer --messages"
            )
        time.sleep(every_s)


def cpu_clock_ns(pid: int) -> int:
    """User and system time of a process, all its threads, also of one that has ended and was not waited for."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def tree(pid: int) -> list[int]:
    """A process and all its descendants that live.

    >>> os.getpid() in tree(os.getpid())
    True
    """
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                todo += [int(child) for child in (thread / "children").read_text().split()]
    return found


def _status_bytes(pid: int, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


class Measured:
    """A child process, killed with us, and its meter; `quiet` sends its output to /dev/null."""

    def __init__(self, argv: list[str], log: Path, quiet: bool = False) -> None:
        self.name = Path(argv[0]).name
        self.log = log
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RASAD_")}
        here = str(Path(__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [environment.get("PYTHONPATH")])])
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, stderr=output,
                env=environment,
            )  # fmt: skip
        self._peaks: dict[int, int] = {}

    @classmethod
    def module(cls, module: str, arguments: list[str], log: Path) -> Measured:
        """Run one of our modules with this interpreter."""
        return cls([sys.executable, "-m", module, *arguments], log)

    @property
    def pid(self) -> int:
        """Process id; `setpriv` becomes the program, so it is the program's."""
        return self.process.pid

    def cpu_s(self) -> float:
        """CPU seconds of the process tree since its start."""
        total = 0
        for pid in tree(self.pid):
            with contextlib.suppress(OSError):
                total += cpu_clock_ns(pid)
        return total / 1e9

    def rss_bytes(self) -> int:
        """Resident memory of the tree now."""
        return sum(_status_bytes(pid, "VmRSS") for pid in tree(self.pid))

    def peak_rss_bytes(self) -> int:
        """Highest resident memory of each process of the tree as seen so far, added up."""
        for pid in tree(self.pid):
            self._peaks[pid] = max(self._peaks.get(pid, 0), _status_bytes(pid, "VmHWM"))
        return sum(self._peaks.values())

    def ended(self) -> bool:
        """Tell whether the process has ended, leaving it to be read and waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    @property
    def output(self) -> IO[bytes]:
        """What it prints."""
        assert self.process.stdout is not None
        return self.process.stdout

    def line(self, within_s: float) -> str:
        """The next line that it prints; BenchFailed with the end of its log when it ends instead."""
        ready, _, _ = select.select([self.output], [], [], within_s)
        text = self.output.readline().decode() if ready else ""
        if not text:
            raise BenchFailed(f"{self.name} said nothing for {within_s:.0f} s or ended: {self.tail()}")
        return text.strip()

    def tail(self) -> str:
        """End of its log."""
        return self.log.read_text(errors="replace")[-600:].strip().replace("\n", " | ")

    def say(self, text: str = "") -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def stop(self) -> None:
        """Ask it to end, then make it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
