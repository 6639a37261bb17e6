import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from service.commands.check import check
from tests.house.harbour import harbour, line_of

app = typer.Typer()
app.command()(check)


def run(*options: str) -> Result:
    return CliRunner().invoke(app, list(options))


def broken_pilots(tmp_path: Path) -> tuple[Path, str]:
    text = harbour().replace("tolerance = 0.01", "tolerance = 0").replace('metric = "speed"', 'metric = "sped"')
    file = tmp_path / "harbour" / "signals.toml"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    return file, text


def test_what_is_shipped_is_without_mistake() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("No mistake in the settings and 3 pilots with")


def test_each_mistake_is_a_line_and_the_exit_code_is_2(tmp_path: Path) -> None:
    file, text = broken_pilots(tmp_path)
    result = run("--pilots-dir", str(tmp_path))
    assert result.exit_code == 2
    lines = result.output.splitlines()
    assert lines[0].startswith(
        f"{file}:{line_of(text, 'tolerance = 0')}: kinds.traffic.metrics.speed.flat_line.tolerance: "
    )
    assert lines[1].startswith(f"{file}:{line_of(text, 'sped')}: alarms[0].metric: ")
    assert lines[2:] == ["2 mistakes"]


def test_mistakes_in_pilots_that_nobody_selected_are_shown_too(tmp_path: Path) -> None:
    broken_pilots(tmp_path)
    assert run("--pilots-dir", str(tmp_path), "--pilots", "muttrah").exit_code == 2
    assert run("--pilots", "mutrah").output.splitlines()[0].endswith("did you mean muttrah?")


def test_json_carries_file_line_key_what_and_cure(tmp_path: Path) -> None:
    file, text = broken_pilots(tmp_path)
    config = tmp_path / "rasad.toml"
    config.write_text("[http]\nport = 99999\n")
    result = run("--json", "--config", str(config), "--pilots-dir", str(tmp_path))
    assert result.exit_code == 2
    answer = json.loads(result.output)
    assert answer["ok"] is False
    assert [(m["file"], m["line"], m["key"]) for m in answer["mistakes"]] == [
        (str(config), 2, "http.port"),
        (str(file), line_of(text, "tolerance"), "kinds.traffic.metrics.speed.flat_line.tolerance"),
        (str(file), line_of(text, "sped"), "alarms[0].metric"),
    ]
    assert all(m["what"] and m["cure"] for m in answer["mistakes"])


def test_json_without_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json.loads(run("--json").output)
    assert answer["ok"] is True and answer["mistakes"] == []
    assert answer["devices"] > 0 and "muttrah" in answer["pilots"]
