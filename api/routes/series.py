"""`/readings` and `/aggregates`: whole ranges of one series as columns."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from api.answers import ReadingColumns, WindowColumns, documented
from api.auth import BackendHere, Viewer, pilot_here
from api.encoding import off_loop, readings_json, windows_json
from api.problems import Problem
from api.routes.registry import registry_view
from api.times import EARLIEST_NS, LATEST_NS, Time
from processing.pilot import Pilot
from telemetry.columns import Readings, Windows
from telemetry.ports import Resolution

router = APIRouter(tags=["series"])

Name = Annotated[str, Query(max_length=200)]
From = Annotated[Time, Query(alias="from", description="begin, inclusive; without it from the beginning")]
To = Annotated[Time, Query(alias="to", description="end, exclusive; without it to the end")]
_COARSE: Final[dict[str, Resolution]] = {"1m": "1m", "1h": "1h"}


def check_range(from_ns: int, to_ns: int) -> None:
    """Refuse a range that ends before it begins."""
    if to_ns < from_ns:
        too_early_s = (from_ns - to_ns) / 1e9
        detail = f"The range ends {too_early_s:g} s before it begins; ranges are [from, to), so swap from and to."
        raise Problem(422, "range-reversed", detail)


def resolution_of(pilot: Pilot, window: str) -> Resolution:
    """Find the resolution that `window` names; `10s` and the pilot's own text both mean its base window."""
    base = pilot.head.base_window
    if window in ("10s", base):
        return "base"
    if window not in _COARSE:
        raise Problem(
            422, "unknown-window", f"There is no window {window[:40]!r} for {pilot.id}; choose {base}, 1m or 1h."
        )
    return _COARSE[window]


def _columns(body: bytes) -> Response:
    return Response(body, media_type="application/json")


@router.get("/readings", responses=documented(ReadingColumns, 404, 413, 503))
async def readings(
    request: Request, backend: BackendHere, caller: Viewer, pilot: Name, device: Name, metric: Name,
    from_ns: From = EARLIEST_NS, to_ns: To = LATEST_NS,
) -> Response:  # fmt: skip
    """Readings of one series in [from, to), by time, with flag and reasons."""
    check_range(from_ns, to_ns)
    series = registry_view(request).series(pilot_here(backend, caller, pilot), device, metric)
    rows = Readings.empty()
    if series is not None:
        rows = await backend.store.readings(series, from_ns, to_ns, request.app.state.options.max_points)
    return _columns(await off_loop(len(rows), lambda: readings_json(rows)))


@router.get("/aggregates", responses=documented(WindowColumns, 404, 413, 503))
async def aggregates(
    request: Request, backend: BackendHere, caller: Viewer, pilot: Name, device: Name, metric: Name,
    window: Annotated[str, Query(max_length=40, description="`10s` (the pilot's base window), `1m` or `1h`")],
    from_ns: From = EARLIEST_NS, to_ns: To = LATEST_NS,
) -> Response:  # fmt: skip
    """Aggregates of one series whose windows start in [from, to)."""
    check_range(from_ns, to_ns)
    known = pilot_here(backend, caller, pilot)
    resolution = resolution_of(known, window)
    series = registry_view(request).series(known, device, metric)
    rows = Windows.empty()
    if series is not None:
        rows = await backend.store.windows(series, resolution, from_ns, to_ns, request.app.state.options.max_points)
    return _columns(await off_loop(len(rows), lambda: windows_json(rows, resolution == "base")))
