"""Run campaigns by name, all when none is named; one line of JSON each, exit code 1 when one fails."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.soak import crashes, figures, outages

CAMPAIGNS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "kills": crashes.random_kills,
    "thrice": crashes.three_deliveries,
    "start-fsyncs": crashes.kills_at_fsyncs_of_the_start,
    "commit-fsyncs": crashes.kills_at_fsyncs_of_commits,
    "power-loss": crashes.power_loss,
    "ready-empty": figures.ready_with_an_empty_journal,
    "ready-million": figures.ready_with_a_million_pending,
    "acknowledgement": figures.acknowledgement_and_poison,
    "store-away": outages.store_away,
}


def main(names: list[str]) -> int:
    """Run the campaigns; gives the exit code."""
    unknown = set(names) - CAMPAIGNS.keys()
    if unknown:
        print(f"no campaign {sorted(unknown)}; there are {', '.join(CAMPAIGNS)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="rasad-soak-") as folder:
            began = time.monotonic()
            try:
                result = {"campaign": name, "ok": True, **CAMPAIGNS[name](Path(folder))}
            except Exception as error:  # noqa: BLE001  a campaign that fails must not hide the next one's result
                traceback.print_exc()
                result = {"campaign": name, "ok": False, "error": str(error)[:500]}
                failed += 1
            print(json.dumps(result | {"took_s": round(time.monotonic() - began, 1)}), flush=True)
    return 1 if failed else 0


raise SystemExit(main(sys.argv[1:]))
