"""`/ledger`: where every received reading went."""

from __future__ import annotations

from functools import reduce
from operator import add

from fastapi import APIRouter, Response

from api.answers import LedgerAnswer, Reasons, answer, documented
from api.auth import BackendHere, Viewer, pilot_here, pilots_here
from api.backend import LedgerView
from api.routes.registry import PilotName

router = APIRouter(tags=["ledger"])


@router.get("/ledger", responses=documented(LedgerAnswer, 404))
async def ledger(backend: BackendHere, caller: Viewer, pilot: PilotName = None) -> Response:
    """The ledger since the data directory began, counted in readings; without `pilot`, also what belongs to none."""
    if pilot is not None:
        return answer(_view(await backend.ledger(pilot_here(backend, caller, pilot).id)))
    shares = {one.id: await backend.ledger(one.id) for one in pilots_here(backend, caller, None)}
    whole = await backend.ledger(None) if caller.token.pilots is None else reduce(add, shares.values(), LedgerView())
    shown = _view(whole)
    shown.by_pilot = {name: _view(share) for name, share in shares.items()}
    return answer(shown)


def _view(view: LedgerView) -> LedgerAnswer:
    by_reason: Reasons = {"quarantined": dict(view.quarantined_by_reason), "rejected": dict(view.rejected_by_reason)}
    return LedgerAnswer(
        view.received, view.stored, view.duplicate, view.quarantined, view.rejected, view.pending, view.balanced,
        view.sequence_gaps, by_reason,
    )  # fmt: skip
