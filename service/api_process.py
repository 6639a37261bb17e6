"""The life of `rasad api`: API and console beside a worker in another process, on InfluxDB."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from api.app import create_app
from api.live import Hub
from api.options import ApiOptions
from service import endpoints, wiring
from service.access import admin_token
from service.bus import LiveReader
from service.discovery import find_pilots
from service.ingest_process import broker_of, stop_on_signals
from service.listening import address_of, http_socket, start_server
from service.reader_backend import ReaderBackend, SharedSeries
from service.settings import Settings
from storage.operational_view import OperationalView
from storage.tokens import Token
from telemetry.errors import Mistake, SettingsError, StoreAway

log = structlog.get_logger("service.api_process")


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    if settings.store.address is None:
        what = "is duckdb, and that file belongs to the one process that writes it"
        cure = "Run `rasad up` instead, or use InfluxDB for both: --store influxdb+http://HOST:8086/?bucket=BUCKET"
        raise SettingsError([Mistake("settings", 0, "store.url", what, cure)])
    broker, stop, data = broker_of(settings), stop_on_signals(), settings.service.data
    pilots = [found.pilot for found in find_pilots(settings.pilots.dirs, settings.pilots.only)]
    async with contextlib.AsyncExitStack() as stack:
        http = http_socket(settings)
        stack.callback(http.close)
        if not await _database(data / "operational.sqlite", stop):
            return
        view = OperationalView(data / "operational.sqlite")
        stack.callback(view.close)
        shared = SharedSeries(view)
        store = wiring.make_store(settings, shared.table)
        try:
            await store.open()
        except StoreAway as error:
            log.warning("the store is away; history cannot be read until it is back", why=str(error))
        stack.push_async_callback(store.close)
        hub = Hub(epoch=time.time_ns() // 10**6)
        backend = ReaderBackend(pilots, data, store, shared, hub)
        stack.callback(backend.close)
        backend.bus = LiveReader(wiring.session_settings(settings, broker, settings.service.site), backend.take)
        for work in (backend.bus.run(), backend.follow(), backend.watch_store()):
            _spawn(work, stack, stop)
        admin = admin_token(backend.tokens, data)
        start_server(create_app(backend, ApiOptions(https=bool(settings.http.cert_file))), settings, http, stack, stop)
        stack.callback(hub.close)
        address = address_of(settings, http)
        certificate = str(settings.http.cert_file.resolve()) if settings.http.cert_file else None
        plain = endpoints.without_password(broker)
        found = endpoints.Endpoints("api", os.getpid(), plain, address, address, certificate)
        stack.enter_context(endpoints.written(data, found))
        await _announce(backend, address, admin, data, stop)
        await stop.wait()
        log.info("stopping")


async def _database(file: Path, stop: asyncio.Event) -> bool:
    """Wait for the worker to have made the operational database; False when told to stop before."""
    said = False
    while not stop.is_set():
        if _has_tables(file):
            return True
        if not said:
            log.warning("waiting for `rasad ingest` to begin this data directory", data=str(file.parent))
            said = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.2)
    return False


def _has_tables(file: Path) -> bool:
    import sqlite3

    try:
        view = OperationalView(file)
    except sqlite3.Error:
        return False
    try:
        view.statuses()
    except sqlite3.Error:
        return False
    finally:
        view.close()
    return True


def _spawn(work: Any, stack: contextlib.AsyncExitStack, stop: asyncio.Event) -> None:
    task = asyncio.ensure_future(work)

    def ended(done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and done.exception() is not None:
            log.critical("a part has failed; stopping", exc_info=done.exception())
            stop.set()

    async def cancel() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task

    task.add_done_callback(ended)
    stack.push_async_callback(cancel)


async def _announce(backend: ReaderBackend, address: str, admin: Token, data: Path, stop: asyncio.Event) -> None:
    while not stop.is_set() and any(check.state == "failed" for check in backend.health()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.05)
    if stop.is_set():
        return
    sys.stdout.write(f"rasad ready {address}\n")
    sys.stdout.flush()
    code = backend.sessions.one_time_code(admin.prefix, backend.clock_ns())
    sys.stderr.write(
        f"console: {address}/signin#{code} (once, within ten minutes; later with the token in {data}/admin.token)\n"
    )
