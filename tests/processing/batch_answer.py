"""The obvious slow version of the windows: plain Python over all readings at once. The oracle of the window tests."""

import math
import statistics

import numpy as np

from telemetry.columns import Readings, Windows

Row = dict[str, float | int | None]


def batch_windows(readings: Readings, span_ns: int) -> dict[tuple[int, int], Row]:
    """Every window of every series that has readings, from one pass over all of them."""
    groups: dict[tuple[int, int], list[tuple[int, float, int]]] = {}
    for series, time_ns, value, flag in zip(
        readings.series.tolist(),
        readings.time_ns.tolist(),
        readings.value.tolist(),
        readings.flag.tolist(),
        strict=True,
    ):
        groups.setdefault((series, time_ns // span_ns * span_ns), []).append((time_ns, value, flag))
    return {key: _row(sorted(rows)) for key, rows in groups.items()}


def _row(rows: list[tuple[int, float, int]]) -> Row:
    values = [value for _, value, flag in rows if flag in (1, 2, 3)]
    flags = [flag for _, _, flag in rows]
    row: Row = {
        "count": len(values), "good": flags.count(1) + flags.count(2), "suspect": flags.count(3),
        "fail": flags.count(4), "missing": flags.count(9),
    }  # fmt: skip
    if not values:
        return row | dict.fromkeys(("mean", "min", "max", "sum", "std", "first", "last", "p50", "p95"))
    return row | {
        "mean": statistics.fmean(values), "min": min(values), "max": max(values), "sum": math.fsum(values),
        "std": statistics.pstdev(values), "first": values[0], "last": values[-1],
        "p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95)),
    }  # fmt: skip


def assert_windows_equal(windows: Windows, expected: dict[tuple[int, int], Row], percentiles: bool) -> None:
    """Compare windows (newest revision of each) with the batch answer; floats to 1e-6 relative."""
    got = {(int(s), int(t)): i for i, (s, t) in enumerate(zip(windows.series, windows.start_ns, strict=True))}
    assert got.keys() == expected.keys(), sorted(got.keys() ^ expected.keys())[:5]
    std = windows.std
    for key, row in expected.items():
        for name, want in row.items():
            if name in ("p50", "p95") and not percentiles:
                continue
            have = float(std[got[key]]) if name == "std" else float(getattr(windows, name)[got[key]])
            if want is None:
                assert math.isnan(have), (key, name, have)
            else:
                assert math.isclose(have, want, rel_tol=1e-6, abs_tol=1e-6), (key, name, have, want)
