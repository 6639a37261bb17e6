"""One server process: started on a free port in a folder of its own, watched until ready, stopped for sure."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0


def free_port() -> int:
    """Give a loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether a loopback port accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], what: str, within_s: float = READY_WITHIN_S) -> None:
    """Poll `condition` until it holds; TimeoutError names `what` when it does not in `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {within_s:g} s")
        time.sleep(0.01)


class ServerProcess:
    """A server that can be stopped and started again on the same port and the same files.

    The kernel kills it when the thread that started it ends (`setpriv --pdeathsig`), so start servers from the main
    thread or from one that lives as long as they shall.
    """

    def __init__(self, argv: list[str], port: int, folder: Path) -> None:
        self.argv, self.port, self.folder = argv, port, folder
        self.log = folder / f"{Path(argv[0]).name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def ready(self) -> bool:
        """Tell whether the server answers; the port is enough unless a server says otherwise."""
        return listens(self.port)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self.process is None:
            raise RuntimeError(f"{self.argv[0]} is not running")
        return self.process.pid

    def start(self) -> None:
        """Start and return when the server is ready; RuntimeError with the end of its log when it dies instead."""
        if self.process is not None:
            raise RuntimeError(f"{self.argv[0]} runs already")
        with self.log.open("ab") as log:
            argv = ["setpriv", "--pdeathsig", "KILL", "--", *self.argv]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        wait_until(self._ready_or_dead, f"start of {self.argv[0]} on port {self.port}")

    def _ready_or_dead(self) -> bool:
        ready = self.ready()
        if self.process is None or self.process.poll() is not None:
            self.process = None
            raise RuntimeError(f"{self.argv[0]} ended at once: {self.log.read_text(errors='replace')[-2000:]}")
        return ready

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not; no change when it is not running."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """End it without warning, as a power cut would end the process."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again: same port, same files."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
