"""What verbs that work on a data directory share: options, settings, and how to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from service.settings import Settings
from service.settings_load import load_settings
from telemetry.errors import Mistake, SettingsError

ConfigOption = Annotated[Path | None, typer.Option(help="Settings file (TOML).", envvar="RASAD_CONFIG")]
DataOption = Annotated[Path | None, typer.Option(help="Folder of all state.")]
PilotsDirOption = Annotated[list[Path] | None, typer.Option(help="Folder with more pilots; may be repeated.")]
PilotsOption = Annotated[str | None, typer.Option(help="Ids of the pilots that run, with commas.")]
StoreOption = Annotated[str | None, typer.Option(help="duckdb, or influxdb+http://HOST:PORT/?bucket=NAME.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(config: Path | None, data: Path | None, **sections: dict[str, Any]) -> Settings:
    """Read the settings with the options on top."""
    return load_settings(config, {"service": {"data": data}, **sections})


def existing_data(settings: Settings) -> Path:
    """Give the data directory; `SettingsError` when nothing ever ran on it."""
    data = settings.service.data
    if not (data / "operational.sqlite").is_file():
        cure = "Give --data with the folder that `rasad up` or `rasad ingest` was given"
        raise SettingsError([Mistake(str(data), 0, "--data", "is no data directory of Rasad", cure)])
    return data


@contextmanager
def wrong_usage_ends() -> Iterator[None]:
    """End with exit code 2 and the text of whatever is wrong with options or the files that they name."""
    try:
        yield
    except SettingsError:
        raise
    except (ValueError, OSError) as error:
        print(f"rasad: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def failed(error: object) -> typer.Exit:
    """Say what failed; raise the result to end with exit code 1."""
    print(f"rasad: {error}", file=sys.stderr)
    return typer.Exit(1)


def say(text: str) -> None:
    """Tell the person at the screen, on stderr, so that stdout stays for data."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=2))
