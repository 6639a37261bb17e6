"""/readings and /aggregates: the contract's columns, exact values, ranges, limits."""

from __future__ import annotations

import math
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from api.answers import ReadingColumns, WindowColumns
from api.encoding import readings_json
from api.options import ApiOptions
from storage.influx_store import InfluxStore
from telemetry.columns import Readings
from tests.api.running import Running
from tests.servers.process import free_port

S = 10**9
T0 = 1_790_000_000 * S
SERIES = {"pilot": "harbour", "device": "air_souq", "metric": "pm25"}


def put_thirty(api: Running) -> list[int]:
    times = [T0 + i * 5 * S for i in range(30)]
    values = [float(i) for i in range(30)]
    values[3] = math.nan
    flags = [1] * 30
    flags[3], flags[4], flags[5] = 9, 4, 3
    reasons = [0] * 30
    reasons[3], reasons[4], reasons[5] = 16, 3, 1
    api.run(api.backend.put(("harbour", "air_souq", "pm25"), times, values, flags, reasons))
    return times


def test_readings_are_the_contracts_columns(api: Running, viewer: httpx.Client) -> None:
    times = put_thirty(api)
    answer = viewer.get("/readings", params=SERIES)
    assert list(answer.json()) == ["time_ms", "value", "flag", "reasons", "received_ms"]
    got = msgspec.json.decode(answer.content, type=ReadingColumns)
    assert got.time_ms == [t // 10**6 for t in times]
    assert got.received_ms == [t // 10**6 + 250 for t in times]
    assert got.value[2:6] == [2.0, None, 4.0, 5.0]
    assert got.flag[2:6] == [1, 9, 4, 3]
    assert got.reasons[2:6] == [[], ["missing"], ["gross_range", "spike"], ["gross_range"]]


def test_ranges_are_half_open_and_both_time_forms_are_read(api: Running, viewer: httpx.Client) -> None:
    put_thirty(api)
    begin, end = T0 // 10**6 + 5_000, T0 // 10**6 + 15_000
    by_ms = viewer.get("/readings", params=SERIES | {"from": begin, "to": end}).json()
    assert by_ms["time_ms"] == [begin, begin + 5_000]
    iso = SERIES | {"from": "2026-09-21T14:13:25+00:00", "to": "2026-09-21T18:13:35+04:00"}
    assert viewer.get("/readings", params=iso).json() == by_ms
    digits = str(begin).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    arabic = SERIES | {"from": digits, "to": str(end)}
    assert viewer.get("/readings", params=arabic).json() == by_ms


def test_fractions_of_a_millisecond_are_kept(api: Running, viewer: httpx.Client) -> None:
    api.run(api.backend.put(("harbour", "air_souq", "pm25"), [T0, T0 + 1_500_000], [1.0, 2.0]))
    times = viewer.get("/readings", params=SERIES).json()["time_ms"]
    assert times == [T0 // 10**6, T0 / 10**6 + 1.5]
    assert isinstance(times[0], int)


@pytest.mark.parametrize("window", ["10s", "1m", "1h"])
def test_aggregates_equal_numpy_over_usable_readings(api: Running, viewer: httpx.Client, window: str) -> None:
    put_thirty(api)
    span_ns = {"10s": 10, "1m": 60, "1h": 3600}[window] * S
    answer = viewer.get("/aggregates", params=SERIES | {"window": window}).json()
    got = msgspec.convert(answer, WindowColumns)
    assert ("p50" in answer) == (window == "10s")
    usable = {i: float(i) for i in range(30) if i not in (3, 4)}
    for at, start_ms in enumerate(got.start_ms):
        inside = [v for i, v in usable.items() if (T0 + i * 5 * S) // span_ns * span_ns == start_ms * 10**6]
        assert got.count[at] == len(inside)
        assert got.sum[at] == pytest.approx(sum(inside))
        assert got.std[at] == pytest.approx(float(np.std(inside)))
        assert (got.first[at], got.last[at]) == (inside[0], inside[-1])
    assert sum(got.missing) == sum(got.fail) == sum(got.suspect) == 1
    assert set(got.revision) == {0}


def test_a_window_without_usable_readings_has_nulls(api: Running, viewer: httpx.Client) -> None:
    api.run(api.backend.put(("harbour", "air_souq", "pm25"), [T0], [math.nan], [9], [16]))
    got = viewer.get("/aggregates", params=SERIES | {"window": "10s"}).json()
    assert (got["count"], got["missing"]) == ([0], [1])
    assert all(got[name] == [None] for name in ("mean", "std", "p95", "first"))


def test_the_pilots_own_base_window_is_a_name_too(api: Running, viewer: httpx.Client) -> None:
    api.run(api.backend.put(("district", "stage-bridge", "stage"), [T0, T0 + S], [0.1, 0.2]))
    own = {"pilot": "district", "device": "stage-bridge", "metric": "stage"}
    by_text, by_10s = (viewer.get("/aggregates", params=own | {"window": w}).json() for w in ("30s", "10s"))
    assert by_text == by_10s
    assert by_text["count"] == [2]
    refused = viewer.get("/aggregates", params=own | {"window": "15s"})
    assert refused.status_code == 422
    assert "30s, 1m or 1h" in refused.json()["detail"]


def test_declared_without_data_is_empty_and_undeclared_says_what_there_is(viewer: httpx.Client) -> None:
    assert viewer.get("/readings", params=SERIES).json()["time_ms"] == []
    empty = viewer.get("/aggregates", params=SERIES | {"window": "10s"}).json()
    assert empty["count"] == empty["p95"] == []
    for name, wrong, there in (
        ("pilot", "x", "district, harbour"),
        ("device", "x", "air_souq"),
        ("metric", "x", "temperature"),
    ):
        answer = viewer.get("/readings", params=SERIES | {name: wrong})
        assert answer.status_code == 404
        assert there in answer.json()["detail"]


def test_too_many_points_are_413_with_the_cure(tmp_path: Path) -> None:
    with Running(tmp_path, ApiOptions(max_points=10)) as api, api.client() as viewer:
        put_thirty(api)
        answer = viewer.get("/readings", params=SERIES)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert viewer.get("/readings", params=SERIES | {"to": T0 // 10**6 + 50_000}).status_code == 200


def test_many_readings_are_encoded_whole() -> None:
    def rows(n: int) -> Readings:
        times = T0 + np.arange(n, dtype=np.int64) * 10 * S
        return Readings(
            np.zeros(n, np.int32), times, np.linspace(0, 1, n), np.ones(n, np.uint8), np.zeros(n, np.uint16),
            times + 123_456,
        )  # fmt: skip

    assert len(msgspec.json.decode(readings_json(rows(100_000)), type=ReadingColumns).value) == 100_000


def test_a_store_that_is_away_is_503(api: Running, viewer: httpx.Client) -> None:
    put_thirty(api)
    away = InfluxStore(f"http://127.0.0.1:{free_port()}", api.backend.series, timeout_s=2.0)
    held, api.backend.store = api.backend.store, away  # type: ignore[assignment]
    try:
        answers = [viewer.get("/readings", params=SERIES), viewer.get("/export?pilot=harbour")]
    finally:
        api.backend.store = held
        api.run(away.close())
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Nothing is lost" in answer.json()["detail"]
