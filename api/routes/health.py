"""`/healthz`, `/readyz`, `/metrics`: for supervisors and monitors."""

from __future__ import annotations

import asyncio
from typing import Final, get_args

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from api.answers import CheckView, HealthState, Liveness, Readiness, answer, documented
from api.auth import BackendHere, Gate
from api.options import ApiOptions
from api.problems import Problem

router = APIRouter(tags=["health"])

_SEVERITY: Final[tuple[HealthState, ...]] = get_args(HealthState)


@router.get("/healthz", responses={200: documented(Liveness)[200]})
async def healthz(request: Request) -> Response:
    """Say that the process answers; depends on nothing else."""
    options: ApiOptions = request.app.state.options
    return answer(Liveness("ok", options.version))


@router.get("/readyz", responses={200: documented(Readiness)[200], 503: documented(Readiness, status=503)[503]})
async def readyz(backend: BackendHere) -> Response:
    """Say whether the service can do its work, and each reason when not; `warn` still serves."""
    checks = [CheckView(check.name, check.state, check.why) for check in backend.health()]
    worst = max(("ok", *(check.state for check in checks)), key=_SEVERITY.index)
    return answer(Readiness(worst, checks), 503 if worst == "failed" else 200)


@router.get("/metrics", responses={200: {"description": "Prometheus text", "content": {"text/plain": {}}}})
async def metrics(request: Request, backend: BackendHere) -> Response:
    """Metrics of the process, for a token that sees every pilot."""
    gate: Gate = request.app.state.gate
    options: ApiOptions = request.app.state.options
    if not options.open_metrics and gate.admit(request).token.pilots is not None:
        raise Problem(
            403, "pilot-not-allowed", "Metrics cover every pilot; this token is limited to some. Use one without limit."
        )
    body = await asyncio.to_thread(generate_latest, backend.metrics)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
