"""Mosquitto as a child that never outlives us: configured for loopback, stopped with us, also when we are killed."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import structlog

from telemetry.errors import Mistake, RasadError, SettingsError

log = structlog.get_logger("service.broker")

_PR_SET_PDEATHSIG = 1

#: the broker itself never holds a backlog for us (the journal does), but a burst while we restart must fit
_CONFIG = """\
# written by rasad up at every start
user {user}
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {data}/
autosave_interval 30
max_inflight_messages 0
max_queued_messages 1000000
max_queued_bytes 1073741824
max_packet_size 8388608
persistent_client_expiration 30d
set_tcp_nodelay true
sys_interval 5
log_type error
log_type warning
log_dest stderr
"""


class ChildBroker:
    """One Mosquitto on `host:port`, with its state in `data`."""

    def __init__(self, data: Path, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it listens; RasadError when it does not."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise RasadError("mosquitto is not installed; run `make setup`, or give --mqtt URL of a broker that runs")
        if self.host not in ("127.0.0.1", "::1", "localhost"):
            what = f"{self.host} is not loopback, and this broker asks nobody for credentials"
            cure = "Use 127.0.0.1, or run a broker with credentials and give its --mqtt URL"
            raise SettingsError([Mistake("settings", 0, "broker.host", what, cure)])
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self._data / "mosquitto.conf"
        user = pwd.getpwuid(os.geteuid()).pw_name
        config.write_text(_CONFIG.format(user=user, host=self.host, port=self.port, data=self._data.resolve()))
        with (self._data / "mosquitto.log").open("ab") as output:
            # a session of its own: Ctrl-C is for us, who stop it when all is drained
            # die_with_parent holds for the thread that forks: this must be the main thread, which lives to the end
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  it only forks; nothing comes from outside
                [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  one call of prctl
            )  # fmt: skip
        await self._until_it_listens()

    async def _until_it_listens(self) -> None:
        assert self._process is not None
        for _ in range(200):
            if self._process.poll() is not None:
                tail = (self._data / "mosquitto.log").read_text(errors="replace")[-300:].strip()
                raise RasadError(f"mosquitto stopped at once (exit {self._process.returncode}): {tail}")
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            return
        raise RasadError(f"mosquitto does not listen on {self.host}:{self.port} after 2 s")

    async def watch(self) -> None:
        """Start it again whenever it stops, until cancelled."""
        while self._process is not None:
            if self._process.poll() is not None:
                log.error("mosquitto stopped; starting it again", exit_code=self._process.returncode)
                try:
                    await self.start()
                except RasadError as error:
                    log.error("mosquitto does not start", why=str(error))  # noqa: TRY400  the text says it all
            await asyncio.sleep(0.5)

    def stop(self) -> None:
        """Stop it; it writes its state to disk."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def die_with_parent(parent: int) -> Callable[[], None]:
    """Make the hook for a child that must not outlive process `parent`, whatever ends that."""
    libc = ctypes.CDLL(None, use_errno=True)

    def hook() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return hook


def free_port(host: str, wanted: int) -> int:
    """Give `wanted` when nobody listens there, else the next free one above it (0: any)."""
    for port in range(wanted, wanted + 200) if wanted else [0]:
        found = try_port(host, port)
        if found:
            return found
    raise RasadError(f"no free port on {host} from {wanted} to {wanted + 199}")


def try_port(host: str, port: int) -> int:
    """Give the port when it can be listened on, 0 when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return 0
        return int(probe.getsockname()[1])
