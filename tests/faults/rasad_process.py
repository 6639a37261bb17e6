"""`rasad up` as a process of a test: started, killed, frozen, stopped and asked over HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.servers.process import ServerProcess, free_port, wait_until

PILOTS = Path(__file__).parent / "pilots"
RASAD = Path(sys.executable).with_name("rasad")


class RasadProcess(ServerProcess):
    """One installation in `folder / "data"`; starting it again goes on with the same data and the same port."""

    def __init__(
        self,
        folder: Path,
        mqtt_url: str | None,
        *args: str,
        before: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        data: Path | None = None,
    ) -> None:
        port = free_port()
        self.data = data or folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        argv = [*before, str(RASAD), "up", "--data", str(self.data), "--http", f"127.0.0.1:{port}"]
        argv += ["--mqtt", mqtt_url] if mqtt_url else ["--mqtt-port", str(free_port())]
        argv += ["--pilots", "quay", "--pilots-dir", str(PILOTS), *args]
        if environment:
            argv = ["env", *(f"{key}={value}" for key, value in environment.items()), *argv]
        super().__init__(argv, port, folder)
        self._traced = before[:1] != () and before[0].endswith("strace")
        self._private = before[:1] == ("unshare",)
        self._http: httpx.Client | None = None

    def ready(self) -> bool:
        """Tell whether `/readyz` says so."""
        try:
            return self.health()[0] == 200
        except httpx.TransportError:
            return False

    def start_unready(self) -> None:
        """Start without waiting for anything: the process may be meant to die, or not to become ready."""
        with self.log.open("ab") as log:
            argv = ["setpriv", "--pdeathsig", "KILL", "--", *self.argv]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)

    def ended(self) -> bool:
        """Tell whether the process has ended by itself."""
        return self.process is None or self.process.poll() is not None

    def wait_ended(self, within_s: float = 30.0) -> int:
        """Wait until the process has ended by itself; gives its exit code."""
        assert self.process is not None
        code = self.process.wait(within_s)
        self.process = None
        return code

    @property
    def state(self) -> Path:
        """The data directory as the process sees it, also where its mounts are its own."""
        return Path(f"/proc/{self.pid}/root{self.data}") if self._private else self.data

    def without_strace(self) -> None:
        """Start it plainly from now on."""
        self.argv = self.argv[self.argv.index(str(RASAD)) :]
        self._traced = False

    def wait_ready(self, within_s: float = 30.0) -> None:
        """Wait until `/readyz` answers 200."""
        wait_until(self.ready, "readiness", within_s)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and checks by name, `{"journal": {"state": …, "detail": …}}`."""
        answer = self._client().get("/readyz")
        return answer.status_code, {check["name"]: check for check in answer.json()["checks"]}

    def log_text(self) -> str:
        """Everything that it has said so far."""
        return self.log.read_text(errors="replace")

    def api(self, path: str, **params: Any) -> Any:
        """GET below `/api/v1`; `from_` stands for `from`."""
        token = (self.state / "admin.token").read_text().strip()
        query = {key.rstrip("_"): value for key, value in params.items()}
        answer = self._client().get(f"/api/v1{path}", params=query, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metric(self, name: str) -> float:
        """Value of an unlabelled figure of `/metrics`."""
        token = (self.state / "admin.token").read_text().strip()
        text = self._client().get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def rss_mb(self) -> float:
        """Resident memory of the process, MB."""
        pages = int(Path(f"/proc/{self.worker_pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def worker_pid(self) -> int:
        """The process that runs Rasad itself, below strace where there is one."""
        below = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        traced = self._traced and below
        return int(below[0]) if traced else self.pid

    def _end(self, how: signal.Signals) -> None:
        # strace that is asked to end lets its process go on, so the process itself is asked
        process = self.process
        if process is not None and self._traced and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.worker_pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
        super()._end(signal.SIGKILL if self._traced else how)

    def _client(self) -> httpx.Client:
        if self._http is None:
            self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20.0)
        return self._http
