"""The life of a process that ingests and serves: start in order, announce readiness, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI

from api.app import create_app
from api.backend import Backend
from api.live import Hub
from api.options import ApiOptions
from ingest.group_commit import GroupCommit
from ingest.session import MqttSession
from service import broker_watch, endpoints, requests, retention, wiring
from service.access import admin_token
from service.backend import WorkerBackend
from service.broker import ChildBroker, die_with_parent
from service.data_lock import DataLock
from service.health import Vitals
from service.listening import address_of, http_socket, port_of, start_server
from service.settings import Settings
from service.window_feed import WindowFeed
from telemetry.clock import ReceiveClock
from telemetry.errors import RasadError, StoreAway

log = structlog.get_logger("service.up")
MakeApp = Callable[[Backend, ApiOptions], FastAPI]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What `--simulate` plays."""

    speed: float = 1.0


async def run(settings: Settings, simulation: Simulation | None) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    data = settings.service.data
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(DataLock(data))
        http = http_socket(settings)
        stack.callback(http.close)
        parts = wiring.build(settings)
        stack.callback(parts.operational.close)
        process = Process(settings, parts, data, stop)
        await process.start_broker(stack)
        await process.start(stack)
        await process.serve(http, stack)
        address = address_of(settings, http)
        stack.enter_context(endpoints.written(data, process.reachable("up", address, address)))
        if simulation:
            process.simulate(simulation, stack)
        await process.announce(address, stop)
        await stop.wait()
        if process.failure:
            raise RasadError(process.failure)
        log.info("stopping")
        await process.drain()


class Process:
    """The running parts."""

    def __init__(self, settings: Settings, parts: wiring.Parts, data: Path, stop: asyncio.Event) -> None:
        self.settings, self.parts, self.data = settings, parts, data
        self.failure = ""
        self._stop = stop
        self.broker_url = settings.mqtt.url or ""
        worker = parts.worker
        self.journal = GroupCommit(
            self._append, worker.tick, worker.decoder.count_pilots,
            settings.journal.max_delay_ms, self._on_pressure, worker.room,
        )  # fmt: skip
        self._client_id = parts.operational.meta("client_id", f"{settings.service.site}-{os.urandom(6).hex()}")
        self.session: MqttSession
        self.vitals: Vitals
        self.backend: WorkerBackend
        self.hub = Hub(epoch=time.time_ns() // 10**6)
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
        port = port_of("broker.port", chosen.host, chosen.port, "port" in chosen.model_fields_set)
        broker = ChildBroker(self.data / "broker", chosen.host, port)
        stack.callback(broker.stop)
        await broker.start()
        self.spawn(broker.watch(), stack)
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
        self.spawn(worker.writer.run(), stack)
        replayed = await worker.replay_journal()
        if replayed:
            log.info("taken from the journal", messages=replayed)
            await worker.settle()
        worker.on_latest.append(self.hub.changed)
        worker.on_settled.append(WindowFeed(self.hub, self.parts.book.table).publish)
        self.spawn(worker.run(), stack)
        self.spawn(self.journal.run(), stack)
        self.spawn(self.session.run(), stack)
        self.spawn(broker_watch.watch(self.session.settings, self.vitals), stack)
        self.spawn(requests.carry_out(worker), stack)
        self.spawn(retention.keep(self.parts.store, settings.retention), stack)

    def spawn(self, work: Any, stack: contextlib.AsyncExitStack) -> None:
        """Run a part until the stack unwinds; a part that fails stops the process."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_end)
        stack.push_async_callback(_cancel, task)
        self._tasks.append(task)

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        # none of these ends by itself: going on without it would look well and do nothing
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.critical("a part has failed; stopping, for the next start takes all from the journal", exc_info=error)
            self.failure = self.failure or f"a part has failed: {error!r}"
            self._stop.set()

    async def serve(
        self, http: socket.socket, stack: contextlib.AsyncExitStack, make_app: MakeApp = create_app
    ) -> None:
        """Start the API and the console, or what `make_app` makes of them."""
        self.backend = WorkerBackend(self.parts.worker, self.data, self.hub, self.vitals.registry, self.vitals.checks)
        self.admin = admin_token(self.backend.tokens, self.data)
        stack.callback(self.backend.close)
        app = make_app(self.backend, ApiOptions(https=bool(self.settings.http.cert_file)))
        start_server(app, self.settings, http, stack, self._stop)
        stack.callback(self.hub.close)  # open streams end first

    def reachable(self, verb: endpoints.Verb, http: str | None, health: str) -> endpoints.Endpoints:
        """What other verbs must know to reach this process."""
        certificate = self.settings.http.cert_file
        path = str(certificate.resolve()) if certificate else None
        return endpoints.Endpoints(verb, os.getpid(), endpoints.without_password(self.broker_url), http, health, path)

    def simulate(self, simulation: Simulation, stack: contextlib.AsyncExitStack) -> None:
        """Start the simulators, the outside world, as a child."""
        command = [sys.executable, "-m", "service", "simulate", *self.parts.book.pilots, "--mqtt", self.broker_url,
                   "--speed", f"{simulation.speed:g}"]  # fmt: skip
        for folder in self.settings.pilots.dirs:
            command += ["--pilots-dir", str(folder)]
        with (self.data / "simulate.log").open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  nothing in it comes from outside
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  one call of prctl
            )  # fmt: skip
        stack.callback(_end, child)

    async def announce(self, address: str, stop: asyncio.Event, console: bool = True) -> None:
        """Say that all is ready once it is."""
        while not stop.is_set() and any(check.state == "failed" for check in self.vitals.checks()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if stop.is_set():
            return
        sys.stdout.write(f"rasad ready {address}\n")
        sys.stdout.flush()
        if not console:
            return
        code = self.backend.sessions.one_time_code(self.admin.prefix, self.backend.clock_ns())
        later = f"later with the token in {self.data / 'admin.token'}"
        sys.stderr.write(f"console: {address}/signin#{code} (once, within ten minutes; {later})\n")

    async def drain(self) -> None:
        """Take what is under way to its end: journaled, settled, stored."""
        await self.session.disconnect()
        worker = self.parts.worker
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while not self.journal.idle:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4):
                await worker.settle(final=True)
                await worker.writer.caught_up(2.0)


async def open_store(parts: wiring.Parts) -> None:
    """Open the store; one that is away now is opened by its first use."""
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
