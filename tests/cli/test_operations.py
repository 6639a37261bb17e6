"""`quarantine`, `tokens` and `doctor`, beside a running process and without one."""

import json
import sqlite3
import stat
from pathlib import Path

import httpx

from tests.cli.shell import ONLY_QUAY, answer, eventually, rasad, running
from tests.cli.test_backfill import NOON_MS, write
from tests.servers.process import free_port


def refused(tmp_path: Path) -> Path:
    """Give a data directory with a conflict and a reading of an unknown metric in quarantine."""
    rows = [f"{NOON_MS},north,speed,{value}" for value in (1, 2)] + [f"{NOON_MS},north,height,3"]
    data = tmp_path / "data"
    file = write(tmp_path / "a.csv", "time,device,metric,value", *rows)
    rasad("backfill", file, "--pilot", "quay", "--data", data, *ONLY_QUAY)
    return data


def test_quarantine_without_a_process(tmp_path: Path) -> None:
    data = refused(tmp_path)
    rows = answer("quarantine", "list", "--data", data)["items"]
    assert [row["reason"] for row in rows] == ["conflict", "unknown_metric"] or len(rows) == 2
    [row] = answer("quarantine", "list", "--reason", "conflict", "--data", data)["items"]
    shown = answer("quarantine", "show", str(row["id"]), "--data", data)
    assert json.loads(shown["payload"]) == {"ts": NOON_MS, "values": {"speed": 2.0}}
    text = rasad("quarantine", "show", str(row["id"]), "--data", data).stdout
    assert "came first and stands" in text
    assert answer("quarantine", "requeue", "--reason", "conflict", "--data", data) == {"requeued": [row["id"]]}
    assert [r["reason"] for r in answer("quarantine", "list", "--data", data)["items"]] == ["unknown_metric"]
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as up:
        reasons = {"conflict": 1, "unknown_metric": 1}
        eventually(lambda: up.get("/api/v1/ledger")["by_reason"]["quarantined"] == reasons, "requeued at the start")
        assert up.get("/api/v1/ledger")["balanced"]
        by_api = answer("quarantine", "list", "--pilot", "quay", "--data", data)["items"]
        assert len(by_api) == 2
        dropped = answer("quarantine", "drop", "--reason", "unknown_metric", "--data", data)["dropped"]
        assert len(dropped) == 1
        gone = rasad("quarantine", "drop", str(dropped[0]), "--data", data, exit_code=2)
        assert f"no row {dropped[0]}" in gone.stderr
        again = answer("quarantine", "requeue", "--reason", "conflict", "--data", data)["requeued"]
        eventually(
            lambda: [r["id"] > again[0] for r in up.get("/api/v1/quarantine")["items"]] == [True], "set aside again"
        )
    assert answer("doctor", "--data", data, *ONLY_QUAY)["ok"]


def test_rows_must_be_named_in_one_way(tmp_path: Path) -> None:
    data = refused(tmp_path)
    assert "by their ids, or by" in rasad("quarantine", "drop", "--data", data, exit_code=2).stderr
    assert (
        "by their ids, or by" in rasad("quarantine", "drop", "1", "--pilot", "quay", "--data", data, exit_code=2).stderr
    )
    assert "not known" in rasad("quarantine", "drop", "--reason", "ugly", "--data", data, exit_code=2).stderr
    rasad("quarantine", "show", "99", "--data", data, exit_code=2)
    assert "no data directory" in rasad("quarantine", "list", "--data", tmp_path / "nowhere", exit_code=2).stderr
    assert not (tmp_path / "nowhere").exists()


def test_tokens_are_shown_once_and_let_in_until_revoked(tmp_path: Path) -> None:
    data = refused(tmp_path)
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as up:
        made = answer(
            "tokens",
            "create",
            "--role",
            "viewer",
            "--label",
            "wall",
            "--pilots",
            "quay",
            "--expires",
            "90d",
            "--data",
            data,
        )
        headers = {"Authorization": f"Bearer {made['token']}"}
        assert httpx.get(f"{up.url}/api/v1/devices?pilot=quay", headers=headers).status_code == 200
        assert httpx.delete(f"{up.url}/api/v1/quarantine/1", headers=headers).status_code == 403
        listed = answer("tokens", "list", "--data", data)["items"]
        [ours] = [token for token in listed if token["label"] == "wall"]
        assert made["token"] not in json.dumps(listed)
        assert (ours["role"], ours["pilots"], ours["prefix"]) == ("viewer", ["quay"], made["prefix"])
        rasad("tokens", "revoke", made["prefix"], "--data", data)
        assert httpx.get(f"{up.url}/api/v1/devices?pilot=quay", headers=headers).status_code == 401
    rasad("tokens", "revoke", made["prefix"], "--data", data, exit_code=1)
    assert "no role" in rasad("tokens", "create", "--role", "king", "--label", "x", "--data", data, exit_code=2).stderr
    text = rasad("tokens", "create", "--role", "admin", "--label", "x", "--data", data).stdout.strip()
    assert text.startswith("rasad_")
    assert len(text) > 50


def findings(*words: str | Path, exit_code: int) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in answer("doctor", *words, exit_code=exit_code)["items"]}


def test_the_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    data = refused(tmp_path)
    port = free_port()
    found = findings(
        "--data", data, *ONLY_QUAY, "--mqtt", f"mqtt://127.0.0.1:{port}", "--store", f"influxdb+http://127.0.0.1:{port}",
        exit_code=1,
    )  # fmt: skip
    assert {name for name, one in found.items() if one["state"] == "failed"} == {"broker", "store"}
    assert found["broker"]["next_step"]
    data.chmod(0o755)
    assert "chmod 700" in findings("--data", data, *ONLY_QUAY, exit_code=0)["data directory"]["next_step"]
    with sqlite3.connect(data / "operational.sqlite") as db:
        db.execute("UPDATE ledger SET readings = readings + 1 WHERE outcome = 'received'")
        db.execute("INSERT INTO journal VALUES (1, 5, '{}', x'00')")
    found = findings("--data", data, *ONLY_QUAY, exit_code=1)
    assert found["ledger"]["state"] == "failed"
    assert "journal 1 has a wrong checksum" in found["operational database"]["what"]


def test_the_doctor_says_how_a_running_process_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as up:
        found = findings("--data", data, *ONLY_QUAY, exit_code=0)
        assert f"in use by process {up.process.pid}" in found["data directory"]["what"]
        assert found["process: broker"]["state"] == found["broker"]["state"] == "ok"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_the_doctor_names_the_place_of_a_mistake(tmp_path: Path) -> None:
    config = write(tmp_path / "rasad.toml", "[http]", "port = 99999")
    found = findings("--config", config, exit_code=1)
    assert found["settings"]["what"].startswith(f"{config}:2: http.port: ")
