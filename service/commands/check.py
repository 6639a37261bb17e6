"""`rasad check`: whether settings and pilots are usable, and what to mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from service.check import CheckReport, check_everything


def check(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).", envvar="RASAD_CONFIG")] = None,
    pilots_dir: Annotated[list[Path] | None, typer.Option(help="Folder with more pilots; may be repeated.")] = None,
    pilots: Annotated[str | None, typer.Option(help="Ids of the pilots that are to run, with commas.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Validate the settings and every pilot; name file, line and key of each mistake, and the cure."""
    report = check_everything(config, {"pilots": {"dirs": pilots_dir or None, "only": pilots}})
    typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2) if as_json else _for_people(report))
    if report.mistakes:
        raise typer.Exit(2)


def _for_people(report: CheckReport) -> str:
    if report.mistakes:
        count = len(report.mistakes)
        return "\n".join([*map(str, report.mistakes), f"{count} {'mistake' if count == 1 else 'mistakes'}"])
    return f"No mistake in the settings and {len(report.pilots)} pilots with {report.devices} devices: " + ", ".join(
        report.pilots
    )
