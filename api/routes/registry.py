"""`/pilots`, `/devices`, `/devices/{pilot}/{device}`: what there is and how it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.answers import DeviceView, Page, PilotView, answer, documented
from api.auth import BackendHere, Viewer, pilot_here, pilots_here
from api.paging import Cursor, Limit, page, part_of
from api.registry_view import RegistryView

router = APIRouter(tags=["registry"])

PilotName = Annotated[str | None, Query(max_length=200, description="only this pilot")]


def registry_view(request: Request) -> RegistryView:
    """Give the application's registry view."""
    view: RegistryView = request.app.state.registry
    return view


@router.get("/pilots", responses=documented(Page[PilotView]))
async def pilots(
    request: Request, backend: BackendHere, caller: Viewer, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List the pilots with their kinds and how their devices are."""
    part, more = part_of(pilots_here(backend, caller, None), limit, cursor)
    view = registry_view(request)
    return answer(page([view.pilot(pilot) for pilot in part], more))


@router.get("/devices", responses=documented(Page[DeviceView], 404))
async def devices(
    request: Request,
    backend: BackendHere,
    caller: Viewer,
    pilot: PilotName = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List devices with state, last seen and latest values."""
    names = [(one, name) for one in pilots_here(backend, caller, pilot) for name in backend.devices(one.id)]
    part, more = part_of(names, limit, cursor)
    view = registry_view(request)
    return answer(page([view.devices(one, [name])[0] for one, name in part], more))


@router.get("/devices/{pilot}/{device}", responses=documented(DeviceView, 404))
async def device(
    request: Request,
    backend: BackendHere,
    caller: Viewer,
    pilot: Annotated[str, Path(max_length=200)],
    device: Annotated[str, Path(max_length=200)],
) -> Response:
    """Show one device."""
    return answer(registry_view(request).device(pilot_here(backend, caller, pilot), device))
