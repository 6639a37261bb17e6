"""Ports and the HTTP server: asked for and taken is an error, a taken default moves on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from service.broker import free_port, try_port
from service.settings import Settings
from telemetry.errors import Mistake, SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger("service.listening")


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers: ours decide when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def http_socket(settings: Settings, default_port: int | None = None) -> socket.socket:
    """Take the port of API or health; `default_port` stands for the settings' default where none was set."""
    http = settings.http
    asked = "port" in http.model_fields_set
    port = port_of("http.port", http.host, http.port if asked or default_port is None else default_port, asked)
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((http.host, port))
    return listener


def port_of(key: str, host: str, wanted: int, asked: bool) -> int:
    """Give the port to use; `SettingsError` names who has one that was asked for."""
    if not asked or not wanted:
        port = free_port(host, wanted)
        if port != wanted and wanted:
            log.warning("port taken, using the next free one", key=key, wanted=wanted, using=port)
        return port
    if not try_port(host, wanted):
        from service.port_owner import owner_of

        who = owner_of(wanted) or "another process"
        raise SettingsError(
            [
                Mistake(
                    "command line",
                    0,
                    key,
                    f"port {wanted} on {host} is taken by {who}",
                    "Stop it, or choose another port",
                )
            ]
        )
    return wanted


def address_of(settings: Settings, http: socket.socket) -> str:
    """Where the API answers, as a URL."""
    host, port = http.getsockname()[:2]
    scheme = "https" if settings.http.cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def start_server(
    app: FastAPI, settings: Settings, http: socket.socket, stack: contextlib.AsyncExitStack, stop: asyncio.Event
) -> None:
    """Serve until the stack unwinds; a server that ends by itself sets `stop`."""
    secure: Any = settings.http
    config = uvicorn.Config(
        app, log_config=None, access_log=False, loop="none", lifespan="on", timeout_graceful_shutdown=1,
        ssl_certfile=secure.cert_file, ssl_keyfile=secure.key_file, server_header=False,
    )  # fmt: skip
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[http]))
    task.add_done_callback(lambda _: stop.set())

    async def shut() -> None:
        server.should_exit = True
        await task

    stack.push_async_callback(shut)
