"""2 for wrong usage and settings, 1 for what failed, and the words that go with it."""

import os
import signal
import socket
from pathlib import Path

import pytest

from service.cli_page import page
from tests.cli.shell import ONLY_QUAY, rasad, ready, running, starting
from tests.cli.test_backfill import write
from tests.house.harbour import ROOT
from tests.servers.process import free_port


def test_the_page_is_what_the_verbs_say() -> None:
    assert (ROOT / "docs/cli.md").read_text(encoding="utf-8") == page(), "run: python -m service.cli_page docs/cli.md"


@pytest.mark.parametrize(
    "words", [["fly"], ["up", "--fast"], ["export"], ["quarantine", "show", "x"], ["ingest", "more"]]
)
def test_unknown_words_are_2(words: list[str]) -> None:
    assert rasad(*words, exit_code=2).stderr


@pytest.mark.parametrize("verb", ["up", "ingest", "api", "backfill", "export", "check"])
def test_broken_settings_are_2_with_file_and_line(verb: str, tmp_path: Path) -> None:
    config = write(tmp_path / "rasad.toml", "[http]", "", "port = 99999")
    more = {"backfill": [str(config), "--format", "csv"], "export": ["--pilot", "quay", "-o", "x.csv"]}.get(verb, [])
    done = rasad(verb, *more, "--config", config, exit_code=2)
    assert f"{config}:3: http.port: " in done.stderr + done.stdout


def test_a_second_up_on_the_same_folder_is_2_and_names_the_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as first:
        for verb in ("up", "ingest"):
            mqtt = ["--mqtt", f"mqtt://127.0.0.1:{free_port()}"]
            done = rasad(verb, "--data", data, "--http", "127.0.0.1:0", *mqtt, *ONLY_QUAY, exit_code=2)
            assert f"in use by process {first.process.pid}" in done.stderr
        assert first.stop() == 0
    with running("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY):
        assert (data / "endpoints.json").exists()


@pytest.mark.parametrize("option", ["--http", "--mqtt-port"])
def test_a_port_that_was_asked_for_and_is_taken_is_2_and_names_who_has_it(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [option, f"127.0.0.1:{port}" if option == "--http" else str(port)]
        words += [] if option == "--http" else ["--http", "127.0.0.1:0"]
        done = rasad("up", "--data", tmp_path / "data", *ONLY_QUAY, *words, exit_code=2)
    assert f"port {port} on 127.0.0.1 is taken by" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr


def test_what_a_killed_process_left_behind_misleads_nobody(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with starting("up", data, "--mqtt-port", str(free_port()), *ONLY_QUAY) as process:
        ready(process, data)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (data / "endpoints.json").exists()
    out = tmp_path / "out.csv"
    rasad("export", "--data", data, *ONLY_QUAY, "--pilot", "quay", "-o", out)
    assert out.read_text().startswith("pilot,device,metric,unit,time,value")


def test_ingest_and_api_say_what_they_need(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "mqtt.url: is not set" in rasad("ingest", "--data", data, exit_code=2).stderr
    done = rasad("api", "--data", data, "--mqtt", "mqtt://127.0.0.1:1", exit_code=2)
    assert "store.url: is duckdb, and that file belongs to the one process" in done.stderr
    assert not data.exists()


def test_export_needs_a_data_directory_and_a_format(tmp_path: Path) -> None:
    words: list[str | Path] = ["export", "--pilot", "quay", *ONLY_QUAY, "--data", tmp_path]
    assert "is no data directory" in rasad(*words, "-o", tmp_path / "x.csv", exit_code=2).stderr
    assert "tells no format" in rasad(*words, "-o", tmp_path / "x", exit_code=2).stderr
    late = rasad(*words, "-o", tmp_path / "x.csv", "--from", "2", "--to", "1", exit_code=2)
    assert "lies before" in late.stderr
    assert list(tmp_path.iterdir()) == []
