"""`/export`: readings or aggregates as a file, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from api.auth import BackendHere, Viewer, pilot_here
from api.backend import Backend
from api.export import WRITERS, ExportSeries, Format, export, only
from api.problems import not_found
from api.registry_view import kind_of
from api.routes.events import Filter
from api.routes.registry import registry_view
from api.routes.series import From, Name, To, check_range, resolution_of
from api.times import EARLIEST_NS, LATEST_NS
from processing.pilot import Pilot

router = APIRouter(tags=["export"])

_FILE: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {media.partition(";")[0]: _FILE for _, media in WRITERS.values()}}
}


@router.get("/export", responses=_RESPONSES, response_class=StreamingResponse)
async def export_file(
    request: Request, backend: BackendHere, caller: Viewer, pilot: Name, device: Filter = None, metric: Filter = None,
    window: Annotated[str | None, Query(max_length=40, description="aggregates of it; without it readings")] = None,
    from_ns: From = EARLIEST_NS, to_ns: To = LATEST_NS, form: Annotated[Format, Query(alias="format")] = "csv",
) -> StreamingResponse:  # fmt: skip
    """Readings (or with `window` aggregates) of a pilot, a device or a series in [from, to)."""
    check_range(from_ns, to_ns)
    known = pilot_here(backend, caller, pilot)
    resolution = None if window is None else resolution_of(known, window)
    _check_names(request, known, device, metric)
    make_writer, media_type = WRITERS[form]
    wanted = only(series_of(backend, known), device, metric)
    parts = export(backend.store, wanted, resolution, from_ns, to_ns, make_writer())
    # The first part is read before the answer begins, so that a store that is away gives a problem document.
    first = await anext(parts)
    name = f'attachment; filename="{known.id}-{window or "readings"}.{form}"'
    return StreamingResponse(_after(first, parts), media_type=media_type, headers={"Content-Disposition": name})


def series_of(backend: Backend, pilot: Pilot) -> list[ExportSeries]:
    """List the series of a pilot that have data, by device and metric, with their units."""
    found = []
    for series, key in list(backend.series.items()):
        if key.pilot == pilot.id:
            kind = kind_of(pilot, key.device)
            metric = kind.metrics.get(key.metric) if kind else None
            found.append(ExportSeries(series, key, metric.unit if metric else ""))
    return sorted(found, key=lambda one: one.key)


def _check_names(request: Request, pilot: Pilot, device: str | None, metric: str | None) -> None:
    view = registry_view(request)
    if device is not None:
        view.device(pilot, device)
        if metric is not None:
            view.series(pilot, device, metric)
    elif metric is not None:
        there = sorted({name for kind in pilot.kinds.values() for name in kind.metrics})
        if metric not in there and not pilot.head.accept_unregistered:
            raise not_found("metric", metric, there)


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
