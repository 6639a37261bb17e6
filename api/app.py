"""Puts the API together: routes, errors, limits, headers, console, the feed of latest values."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from api import console, problems
from api.answers import COMPONENTS
from api.auth import DOCUMENTED_SCHEMES, Gate
from api.backend import Backend
from api.headers import SecurityHeaders
from api.latest_feed import feed_latest
from api.limits import BodyLimit
from api.options import ApiOptions
from api.paging import strict_query
from api.registry_view import RegistryView
from api.routes import events, export, health, ledger, quarantine, registry, series, stream

_SUBJECTS = (registry, series, events, ledger, quarantine, export, stream)


def create_app(backend: Backend, options: ApiOptions) -> FastAPI:
    """Make the ASGI application. It owns no adapter: the caller opens and closes what the backend holds."""
    app = FastAPI(
        title="Rasad",
        version=options.version,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(backend, options),
        dependencies=[Depends(strict_query)],
        redirect_slashes=False,
    )
    app.state.backend, app.state.options = backend, options
    app.state.gate, app.state.registry, app.state.streams = (
        Gate(backend, options),
        RegistryView(backend),
        Counter[str](),
    )
    versioned = APIRouter(prefix="/api/v1", dependencies=DOCUMENTED_SCHEMES)
    for subject in _SUBJECTS:
        versioned.include_router(subject.router)
    app.include_router(versioned)
    app.include_router(health.router)
    console.install(app)
    problems.install(app)
    app.add_middleware(BodyLimit, most_bytes=options.body_bytes)
    app.add_middleware(SecurityHeaders, https=options.https)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _lifespan(
    backend: Backend, options: ApiOptions
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        feed = asyncio.create_task(feed_latest(backend, options))
        try:
            yield
        finally:
            feed.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feed

    return run


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema.setdefault("components", {}).setdefault("schemas", {}).update(COMPONENTS)
        app.openapi_schema = schema
    return app.openapi_schema
