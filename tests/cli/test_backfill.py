import gzip
import json
import sqlite3
from pathlib import Path

import duckdb
import pytest

from service import backfill_reading
from service.backfill_reading import Reading, read_beside
from service.history.lines import Asked
from service.history.times import NoZone
from tests.cli.shell import ONLY_QUAY, answer, rasad, running
from tests.servers.process import free_port

NOON_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000


def write(file: Path, *lines: str) -> Path:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def stored(data: Path) -> list[tuple[str, str, float, float]]:
    """(device, metric, time in ms, value) of everything exported."""
    out = data.parent / "all.csv"
    rasad("export", "--data", data, *ONLY_QUAY, "--pilot", "quay", "-o", out)
    import csv
    from datetime import datetime

    with out.open() as file:
        return [
            (r["device"].removeprefix("'"), r["metric"], datetime.fromisoformat(r["time"]).timestamp() * 1000,
             float(r["value"]) if r["value"] else float("nan"))
            for r in csv.DictReader(file)
        ]  # fmt: skip


LONG = [
    "time,device,metric,value",
    f"{NOON_MS},north,speed,50",
    f"{NOON_MS},north,count,7",
    f"{NOON_MS},-south,speed,1.5",
]
WANTED = [("-south", "speed", NOON_MS, 1.5), ("north", "count", NOON_MS, 7.0), ("north", "speed", NOON_MS, 50.0)]
FORMS: dict[str, list[str]] = {
    "long.csv": LONG,
    "seconds.csv": [line.replace(str(NOON_MS), str(NOON_MS // 1000)) for line in LONG],
    "wide.csv": ["Timestamp,device,speed,count", "2023-11-14T22:00:00Z,north,50,7", "2023-11-14T22:00:00Z,-south,1.5,"],
    "local.csv": ["time,device,speed,count", "2023-11-14 16:00:00,north,50,7", "2023-11-14 16:00:00,-south,1.5,"],
    "objects.jsonl": [
        json.dumps({"device": "north", "ts": NOON_MS, "values": {"speed": 50, "count": 7}}),
        json.dumps({"device": "-south", "ts": "2023-11-14T22:00:00Z", "speed": 1.5}),
    ],
    "feed.jsonl": [
        json.dumps({"topic": "city/v1/quay/north/telemetry", "payload": {"speed": 50, "count": 7}, "at_ms": NOON_MS}),
        json.dumps({"topic": "city/v1/quay/-south/telemetry", "payload": [{"ts": NOON_MS, "values": {"speed": 1.5}}],
                    "at_ms": NOON_MS + 5}),
        json.dumps({"topic": "city/v1/quay/north/status", "payload": "offline", "at_ms": NOON_MS}),
    ],
    "ours.lp": [
        f"readings,device=north,metric=speed,pilot=quay value=50.0,flag=1i,reasons=0i,received=5i {NOON_MS}000000",
        f"readings,device=north,metric=count,pilot=quay value=7.0,flag=2i {NOON_MS}000000",
        f"readings,device=-south,metric=speed,pilot=quay value=1.5 {NOON_MS}000000",
    ],
    "generic.lp": [f"traffic,device=north,city=a\\ b speed=50,count=7i {NOON_MS}000000",
                   f"traffic,device=-south speed=1.5 {NOON_MS}000000"],
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_readings(name: str, tmp_path: Path) -> None:
    file, data = write(tmp_path / name, *FORMS[name]), tmp_path / "data"
    zone = ["--timezone", "America/Chicago"] if name == "local.csv" else []
    words: list[str | Path] = ["backfill", file, "--pilot", "quay", "--data", data, *ONLY_QUAY, *zone]
    dry = answer(*words, "--dry-run")
    assert (dry["read"], dry["stored"], dry["quarantined"], dry["from"]) == (3, 3, {}, "2023-11-14T22:00:00.000Z")
    assert not data.exists(), "a dry run changes nothing"
    done = answer(*words)
    assert (done["read"], done["stored"], done["pending"], done["bad_lines"]) == (3, 3, 0, 0)
    assert sorted(stored(data)) == WANTED
    again = answer(*words)
    assert (again["read"], again["stored"], again["duplicate"]) == (3, 0, 3)
    out = tmp_path / "windows.csv"
    rasad("export", "--data", data, *ONLY_QUAY, "--pilot", "quay", "--window", "1h", "-o", out)
    assert len(out.read_text().splitlines()) == 1 + 3, "every window that has ended is published at the end"


def test_an_export_can_be_read_back_and_a_zipped_file_too(tmp_path: Path) -> None:
    rasad("backfill", write(tmp_path / "a.csv", *LONG), "--pilot", "quay", "--data", tmp_path / "data", *ONLY_QUAY)
    rasad("export", "--data", tmp_path / "data", *ONLY_QUAY, "--pilot", "quay", "-o", tmp_path / "out.csv")
    assert ",'-south," in (tmp_path / "out.csv").read_text(), "cells that a spreadsheet would run are neutralised"
    zipped = tmp_path / "out.csv.gz"
    zipped.write_bytes(gzip.compress((tmp_path / "out.csv").read_bytes()))
    other = tmp_path / "other" / "data"
    assert answer("backfill", zipped, "--data", other, *ONLY_QUAY)["stored"] == 3
    assert sorted(stored(other)) == WANTED


def test_bad_lines_are_shown_and_the_others_taken(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.csv", *LONG, f"{NOON_MS + 1000},north,speed", "yesterday,north,speed,3", f"{NOON_MS},a/b,speed,1"
    )
    done = rasad("backfill", file, "--pilot", "quay", "--data", tmp_path / "data", *ONLY_QUAY, exit_code=1)
    assert f"{file}:5: has 3 cells, the head has 4" in done.stderr
    assert f"{file}:6: time 'yesterday' is neither a number nor like" in done.stderr
    assert "'a/b' is no name" in done.stderr
    assert len(stored(tmp_path / "data")) == 3
    rasad("backfill", file, "--pilot", "quay", "--data", tmp_path / "data", *ONLY_QUAY, "--skip-bad")


def test_what_the_engine_refuses_is_counted_by_reason(tmp_path: Path) -> None:
    rows = [
        f"{NOON_MS},north,height,1",
        f"{NOON_MS},west,speed,1",
        f"{NOON_MS},north,speed,51",
        f"{NOON_MS},north,speed,fast",
    ]
    file = write(tmp_path / "a.csv", *LONG, *rows, f"{NOON_MS},north,speed,50")
    words: list[str | Path] = ["backfill", file, "--pilot", "quay", "--data", tmp_path / "data", *ONLY_QUAY]
    dry, done = answer(*words, "--dry-run"), answer(*words)
    reasons = {"unknown_metric": 1, "unknown_device": 1, "conflict": 1, "bad_value": 1}
    for report in (dry, done):
        assert (report["read"], report["stored"], report["duplicate"]) == (8, 3, 1)
        assert report["quarantined"] == reasons
    rows = answer("quarantine", "list", "--data", tmp_path / "data")["items"]
    assert sorted(row["reason"] for row in rows) == sorted(reasons)


@pytest.mark.parametrize(
    ("head", "row", "options", "said"),
    [
        ("time,value", "5,5", [], "give --device"),
        ("time,value", "5,5", ["--device", "north"], "give --metric"),
        ("a,b", "5,5", [], "names no time column"),
        ("time,device,speed", "2023-11-14 16:00:00,north,5", [], "give --timezone"),
        ("time,device,speed", "5,north,5", ["--timezone", "Muscat"], "no IANA zone"),
        ("time,device,speed", "5,north,5", ["--format", "xml"], "choose from json, csv, line"),
        ("time,device,speed", "5,north,5", ["--pilot", "quai"], "did you mean quay?"),
    ],
)
def test_wrong_usage_is_2(head: str, row: str, options: list[str], said: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", head, row)
    done = rasad("backfill", file, "--data", tmp_path / "data", *ONLY_QUAY, "--pilot", "quay", *options, exit_code=2)
    assert said in done.stderr


def test_the_hour_that_the_clock_repeats_is_taken_as_the_first(tmp_path: Path) -> None:
    clocks = [("00:30", 1), ("01:00", 2), ("01:30", 3), ("01:00", 2), ("01:30", 4), ("02:00", 5)]
    lines = [f"2023-11-05 {clock}:00,north,{value}" for clock, value in clocks]
    file = write(tmp_path / "a.csv", "time,device,speed", *lines)
    words: list[str | Path] = [
        "backfill",
        file,
        "--pilot",
        "quay",
        "--data",
        tmp_path / "data",
        *ONLY_QUAY,
        "--timezone",
        "America/Chicago",
    ]
    done = answer(*words)
    assert (done["stored"], done["duplicate"], done["quarantined"]) == (4, 1, {"conflict": 1})
    assert any("4 times lie in an hour that the clock repeats (2023-11-05 01:00)" in note for note in done["notes"])


def test_a_running_process_takes_history_over_its_broker(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "time,device,metric,value",
                 *(f"{NOON_MS + i * 1000},north,speed,{i % 90}" for i in range(2_000)))  # fmt: skip
    data = tmp_path / "data"
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as up:
        done = answer("backfill", file, "--pilot", "quay", "--data", data, *ONLY_QUAY)
        assert (done["read"], done["stored"], done["messages"]) == (2_000, 2_000, 4)
        assert "broker" in done["through"]
        out = tmp_path / "out.parquet"
        rasad("export", "--data", data, "--pilot", "quay", "--device", "north", "-o", out, *ONLY_QUAY)
        with duckdb.connect() as db:
            assert db.execute(f"SELECT count(*) FROM '{out}'").fetchall() == [(2_000,)]
        missing = rasad(
            "export", "--data", data, "--pilot", "quay", "--device", "nort", "-o", out, *ONLY_QUAY, exit_code=2
        )
        assert "no device 'nort'" in missing.stderr
        assert up.stop() == 0
    assert not (data / "endpoints.json").exists()


def test_a_directory_with_readings_of_a_pilot_that_is_not_given_is_left_alone(tmp_path: Path) -> None:
    file, data = write(tmp_path / "a.csv", *LONG), tmp_path / "data"
    rasad("backfill", file, "--pilot", "quay", "--data", data, *ONLY_QUAY)
    refused = rasad("backfill", file, "--pilot", "muttrah", "--data", data, exit_code=2)
    assert "pilots that were not found: quay" in refused.stderr
    with sqlite3.connect(data / "operational.sqlite") as db:
        assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)


async def test_a_reader_beside_gives_the_same_and_the_same_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{NOON_MS + i * 1000},north,speed,{i % 90}" for i in range(3_000)]
    file = write(tmp_path / "a.csv", "time,device,metric,value", *rows, "yesterday,north,speed,1")
    here, beside = (Reading.of([file], Asked("quay"), None) for _ in range(2))
    wanted = list(here.groups())
    monkeypatch.setattr(backfill_reading, "_MUCH_BYTES", 0)
    steps: list[int] = []
    beside.on_progress = steps.append
    assert [group async for group in read_beside(beside)] == wanted
    assert (beside.lines, beside.bad, beside.earliest_ms) == (here.lines, here.bad, NOON_MS)
    assert len(here.bad) == 1
    assert steps[-1] == file.stat().st_size
    local = Reading.of(
        [write(tmp_path / "b.csv", "time,device,speed", "2023-11-14 16:00:00,north,5")], Asked("quay"), None
    )
    with pytest.raises(NoZone, match="--timezone"):
        _ = [group async for group in read_beside(local)]


def test_history_that_the_store_will_forget_is_said(tmp_path: Path) -> None:
    words: list[str | Path] = ["backfill", write(tmp_path / "a.csv", *LONG), "--pilot", "quay", "--dry-run", *ONLY_QUAY]
    assert "retention.readings is 400d" in answer(*words)["notes"][0]
    assert json.loads(rasad(*words, "--json", RASAD_RETENTION__READINGS="forever").stdout)["notes"] == []
