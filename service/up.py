"""The life of a process that ingests and serves: start in order, announce readiness, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from api.app import create_app
from api.live import Hub
from api.options import ApiOptions
from ingest.group_commit import GroupCommit
from ingest.session import MqttSession
from service import broker_watch, retention, wiring
from service.backend import WorkerBackend
from service.broker import ChildBroker, die_with_parent, free_port, try_port
from service.health import Vitals
from service.settings import Settings
from service.window_feed import WindowFeed
from storage.tokens import first_admin_token
from telemetry.clock import ReceiveClock
from telemetry.errors import Mistake, SettingsError

log = structlog.get_logger("service.up")


@dataclass(frozen=True, slots=True)
class Simulation:
    """What `--simulate` plays."""

    speed: float = 1.0


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers: ours decide when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class DataLock:
    """The data directory belongs to one process at a time."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            data.chmod(0o700)
        self._file = (data / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            raise SettingsError(
                [Mistake(str(data), 0, "--data", f"is in use by process {owner}", "Stop it, or give another folder")]
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()


async def run(settings: Settings, simulation: Simulation | None, serve_console: bool = True) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    data = settings.service.data
    lock = DataLock(data)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(_release, lock)
        http = _listen(settings)
        stack.callback(http.close)
        parts = wiring.build(settings)
        stack.callback(parts.operational.close)
        process = Process(settings, parts, data)
        await process.start_broker(stack)
        await process.start(stack)
        await process.serve(http, stack, stop)
        if simulation:
            process.simulate(simulation, stack)
        await process.announce(http, stop)
        await stop.wait()
        log.info("stopping")
        await process.drain()


async def _release(lock: DataLock) -> None:
    del lock


class Process:
    """The running parts."""

    def __init__(self, settings: Settings, parts: wiring.Parts, data: Path) -> None:
        self.settings, self.parts, self.data = settings, parts, data
        self.broker_url = settings.mqtt.url or ""
        worker = parts.worker
        self.journal = GroupCommit(
            self._append, worker.tick, worker.decoder.count_pilots,
            settings.journal.max_delay_ms, self._on_pressure,
        )  # fmt: skip
        self._client_id = parts.operational.meta("client_id", f"{settings.service.site}-{os.urandom(6).hex()}")
        self.session: MqttSession
        self.vitals: Vitals
        self.backend: WorkerBackend
        self.hub = Hub(epoch=_epoch_ms())
        self._tasks: list[asyncio.Task[Any]] = []

    async def _append(self, blob: bytes, pilots: dict[str, int]) -> int:
        self.vitals.demand_room()
        return await self.parts.worker.append_group(blob, pilots)

    def _on_pressure(self, full: bool) -> None:
        if full:
            self.session.pause()
        else:
            self.session.resume()

    async def start_broker(self, stack: contextlib.AsyncExitStack) -> None:
        """Start Mosquitto unless settings name a broker."""
        if self.broker_url:
            return
        chosen = self.settings.broker
        port = _port("broker.port", chosen.host, chosen.port, "port" in chosen.model_fields_set)
        broker = ChildBroker(self.data / "broker", chosen.host, port)
        stack.callback(broker.stop)
        await broker.start()
        self._spawn(broker.watch(), stack)
        self.broker_url = f"mqtt://{chosen.host}:{port}"

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        """Open the store, restore the worker, and begin to take messages."""
        worker, settings = self.parts.worker, self.settings
        self.session = MqttSession(
            wiring.session_settings(settings, self.broker_url, self._client_id), self.journal.take, ReceiveClock()
        )
        self.vitals = Vitals(worker, self.session, self.journal, self.data, settings.journal.min_free_disk_bytes)
        await open_store(self.parts)
        stack.push_async_callback(self.parts.store.close)
        await worker.restore()
        self._spawn(worker.writer.run(), stack)
        replayed = await worker.replay_journal()
        if replayed:
            log.info("taken from the journal", messages=replayed)
            await worker.settle()
        worker.on_latest.append(self.hub.changed)
        worker.on_settled.append(WindowFeed(self.hub, self.parts.book).publish)
        self._spawn(worker.run(), stack)
        self._spawn(self.journal.run(), stack)
        self._spawn(self.session.run(), stack)
        self._spawn(broker_watch.watch(self.session.settings, self.vitals), stack)
        self._spawn(retention.keep(self.parts.store, settings.retention), stack)

    def _spawn(self, work: Any, stack: contextlib.AsyncExitStack) -> None:
        task = asyncio.create_task(work)
        stack.push_async_callback(_cancel, task)
        self._tasks.append(task)

    async def serve(self, http: socket.socket, stack: contextlib.AsyncExitStack, stop: asyncio.Event) -> None:
        """Start the API and the console."""
        self.backend = WorkerBackend(self.parts.worker, self.data, self.hub, self.vitals.registry, self.vitals.checks)
        self.admin = first_admin_token(self.backend.tokens, self.data / "admin.token", self.backend.clock_ns())
        stack.callback(self.backend.close)
        secure = self.settings.http
        config = uvicorn.Config(
            create_app(self.backend, ApiOptions(https=bool(secure.cert_file))),
            log_config=None, access_log=False, loop="none", lifespan="on", timeout_graceful_shutdown=1,
            ssl_certfile=secure.cert_file, ssl_keyfile=secure.key_file, server_header=False,
        )  # fmt: skip
        server = Server(config)
        task = asyncio.create_task(server.serve(sockets=[http]))
        task.add_done_callback(lambda _: stop.set())

        async def shut() -> None:
            server.should_exit = True
            await task

        stack.push_async_callback(shut)

    def simulate(self, simulation: Simulation, stack: contextlib.AsyncExitStack) -> None:
        """Start the simulators, the outside world, as a child."""
        command = [sys.executable, "-m", "service", "simulate", *self.parts.book.pilots, "--mqtt", self.broker_url,
                   "--speed", f"{simulation.speed:g}"]  # fmt: skip
        for folder in self.settings.pilots.dirs:
            command += ["--pilots-dir", str(folder)]
        with (self.data / "simulate.log").open("ab") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=die_with_parent(os.getpid()),
            )  # fmt: skip
        stack.callback(_end, child)

    async def announce(self, http: socket.socket, stop: asyncio.Event) -> None:
        """Say that all is ready once it is."""
        while not stop.is_set() and any(check.state == "failed" for check in self.vitals.checks()):
            await asyncio.sleep(0.02)
        if stop.is_set():
            return
        host, port = http.getsockname()[:2]
        scheme = "https" if self.settings.http.cert_file else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        print(f"rasad ready {address}", flush=True)
        code = self.backend.sessions.one_time_code(self.admin.prefix, self.backend.clock_ns())
        print(
            f"console: {address}/signin#{code} (once, within ten minutes; later with the token in {self.data}/admin.token)",
            file=sys.stderr,
            flush=True,
        )

    async def drain(self) -> None:
        """Take what is under way to its end: journaled, settled, stored."""
        await self.session.disconnect()
        worker = self.parts.worker
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while not self.journal.idle:
                    await asyncio.sleep(0.01)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4):
                await worker.settle(final=True)
                await worker.writer.caught_up(2.0)


async def open_store(parts: wiring.Parts) -> None:
    """Open the store; one that is away now is opened by its first use."""
    from telemetry.errors import StoreAway

    try:
        await parts.store.open()
    except StoreAway as error:
        log.warning("the store is away; the outbox keeps what it must take", why=str(error))


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(2)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _listen(settings: Settings) -> socket.socket:
    http = settings.http
    port = _port("http.port", http.host, http.port, "port" in http.model_fields_set)
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((http.host, port))
    return listener


def _port(key: str, host: str, wanted: int, asked: bool) -> int:
    if not asked or not wanted:
        port = free_port(host, wanted)
        if port != wanted and wanted:
            log.warning("port taken, using the next free one", key=key, wanted=wanted, using=port)
        return port
    if not try_port(host, wanted):
        from service.port_owner import owner_of

        who = owner_of(wanted) or "another process"
        raise SettingsError(
            [Mistake("command line", 0, key, f"port {wanted} on {host} is taken by {who}", "Stop it, or choose another port")]
        )
    return wanted


def _epoch_ms() -> int:
    import time

    return time.time_ns() // 10**6
