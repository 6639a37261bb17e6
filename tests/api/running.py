"""The API on a real port: uvicorn in a thread with its own event loop, in which the backend lives too."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import uvicorn

from api.app import create_app
from api.options import ApiOptions
from tests.api.small_backend import SmallBackend
from tests.servers.process import wait_until

T = TypeVar("T")


class Running:
    """A running API. `run` puts a coroutine into its loop and waits; `client` is an HTTP client with a token."""

    def __init__(self, folder: Path, options: ApiOptions | None = None) -> None:
        self._folder = folder
        self._options = options or ApiOptions(version="test")
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.backend = SmallBackend(self._folder)
        await self.backend.store.open()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.app = create_app(self.backend, self._options)
        config = uvicorn.Config(self.app, log_level="critical", timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve([listener]))
        await asyncio.to_thread(wait_until, lambda: self._server.started, "the server's start", 20)
        self._up.set()
        await serving
        await self.backend.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.backend.hub.close)
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server did not stop"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def call(self, work: Any, *args: Any) -> None:
        """Call a plain function in the server's loop and wait for it."""

        async def called() -> None:
            work(*args)

        self.run(called())

    def token(self, role: Any = "viewer", pilots: list[str] | None = None, expires_ns: int | None = None) -> str:
        text, _ = self.backend.tokens.create(
            role, label="test", now_ns=self.backend.clock_ns(), pilots=pilots, expires_ns=expires_ns
        )
        return text

    def client(self, role: Any = "viewer", pilots: list[str] | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(role, pilots)}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=20)
