"""/export: whole, in order, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math

import httpx
import pyarrow.parquet as pq
import pytest

import api.export
from tests.api.running import Running

S = 10**9
T0 = 1_790_000_000 * S


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_csv_neutralises_names_and_keeps_numbers(api: Running, viewer: httpx.Client) -> None:
    api.backend.accepted["harbour"] = ["-2+3"]
    api.run(api.backend.put(("harbour", "-2+3", "x"), [T0, T0 + S], [-5.5, math.nan], [4, 9], [3, 16]))
    answer = viewer.get("/export?pilot=harbour&device=-2%2B3")
    assert answer.headers["content-disposition"] == 'attachment; filename="harbour-readings.csv"'
    first, second = rows_of(answer)
    assert (first["device"], first["value"], first["reasons"]) == ("'-2+3", "-5.5", "gross_range;spike")
    assert (first["time"], second["value"]) == ("2026-09-21T14:13:20.000Z", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_every_risky_beginning_is_neutralised(text: str) -> None:
    assert api.export.safe_cell(text) == f"'{text}"


def test_big_ranges_stream_in_parts_without_losing_or_repeating(
    api: Running, viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import api.export as module

    monkeypatch.setattr(module, "PART_ROWS", 100)
    times = [T0 + i * S for i in range(1_234)]
    api.run(api.backend.put(("harbour", "air_souq", "pm25"), times, [float(i) for i in range(1_234)]))
    api.run(api.backend.put(("harbour", "air_souq", "temperature"), times[:3], [20.0, 21.0, 22.0]))
    rows = rows_of(viewer.get("/export?pilot=harbour"))
    assert [float(row["value"]) for row in rows] == [*map(float, range(1_234)), 20.0, 21.0, 22.0]
    assert {row["unit"] for row in rows} == {"ug/m3", "Cel"}
    table = pq.read_table(io.BytesIO(viewer.get("/export?pilot=harbour&format=parquet").content))
    assert table.column("value").to_pylist() == [float(row["value"]) for row in rows]
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    only = rows_of(viewer.get("/export?pilot=harbour&metric=temperature&window=1h"))
    assert [(row["count"], row["mean"]) for row in only] == [("3", "21.0")]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_of_nothing_is_a_file_with_columns(viewer: httpx.Client, form: str) -> None:
    content = viewer.get(f"/export?pilot=harbour&format={form}").content
    if form == "csv":
        assert content.startswith(b"pilot,device,metric,unit,time,value,flag,reasons,received")
    else:
        assert pq.read_table(io.BytesIO(content)).num_rows == 0


def test_unknown_names_and_formats_are_refused(viewer: httpx.Client) -> None:
    assert viewer.get("/export?pilot=harbour&device=x").status_code == 404
    assert viewer.get("/export?pilot=district&metric=x").status_code == 404
    assert viewer.get("/export?pilot=harbour&format=xlsx").status_code == 422
