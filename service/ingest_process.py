"""The life of `rasad ingest`: one worker, its health over HTTP, its live values on the bus; no console."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import structlog
from fastapi import APIRouter, Depends, FastAPI

from api import problems
from api.auth import DOCUMENTED_SCHEMES, Gate
from api.backend import Backend
from api.headers import SecurityHeaders
from api.limits import BodyLimit
from api.options import ApiOptions
from api.paging import strict_query
from api.routes import health, ledger
from service import endpoints, wiring
from service.bus import LivePublisher
from service.data_lock import DataLock
from service.listening import address_of, http_socket
from service.settings import Settings
from service.up import Process
from telemetry.errors import Mistake, RasadError, SettingsError

log = structlog.get_logger("service.ingest_process")
#: beside an API on 8080 of the same machine
HEALTH_PORT = 8081


def worker_app(backend: Backend, options: ApiOptions) -> FastAPI:
    """Make the small application of a worker: `/healthz`, `/readyz`, `/metrics` and the ledger."""
    app = FastAPI(
        title="Rasad ingest", version=options.version, openapi_url=None, docs_url=None, redoc_url=None,
        dependencies=[Depends(strict_query)], redirect_slashes=False,
    )  # fmt: skip
    app.state.backend, app.state.options, app.state.gate = backend, options, Gate(backend, options)
    versioned = APIRouter(prefix="/api/v1", dependencies=DOCUMENTED_SCHEMES)
    versioned.include_router(ledger.router)
    app.include_router(versioned)
    app.include_router(health.router)
    problems.install(app)
    app.add_middleware(BodyLimit, most_bytes=options.body_bytes)
    app.add_middleware(SecurityHeaders, https=options.https)
    return app


def broker_of(settings: Settings) -> str:
    """Give the broker's address; `SettingsError` when none is set."""
    if settings.mqtt.url is None:
        cure = "Give --mqtt URL, or set mqtt.url; `rasad up` is the verb that starts a broker of its own"
        raise SettingsError([Mistake("settings", 0, "mqtt.url", "is not set", cure)])
    return settings.mqtt.url


def stop_on_signals() -> asyncio.Event:
    """Give an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    stop, data = stop_on_signals(), settings.service.data
    broker = broker_of(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(DataLock(data))
        http = http_socket(settings, HEALTH_PORT)
        stack.callback(http.close)
        parts = wiring.build(settings)
        stack.callback(parts.operational.close)
        process = Process(settings, parts, data, stop)
        live = LivePublisher(parts.book)
        parts.worker.on_latest.append(live.changed)
        parts.worker.on_settled.append(live.settled)
        await process.start(stack)
        process.spawn(live.run(wiring.session_settings(settings, broker, settings.service.site)), stack)
        await process.serve(http, stack, worker_app)
        address = address_of(settings, http)
        stack.enter_context(endpoints.written(data, process.reachable("ingest", None, address)))
        await process.announce(address, stop, console=False)
        await stop.wait()
        if process.failure:
            raise RasadError(process.failure)
        log.info("stopping")
        await process.drain()
