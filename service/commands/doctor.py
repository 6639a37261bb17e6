"""`rasad doctor`: what is reachable, what is not, and the next step."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    PilotsDirOption,
    PilotsOption,
    StoreOption,
    print_json,
    settings_of,
)

if TYPE_CHECKING:
    from service.doctor import Finding


def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    mqtt: Annotated[str | None, typer.Option(help="Broker: mqtt://HOST:PORT or mqtts://HOST:PORT.")] = None,
    pilots_dir: PilotsDirOption = None,
    pilots: PilotsOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at settings, pilots, data directory, databases, broker, ports and clock; exit 1 when something fails."""
    from service.doctor import examine

    findings = examine(
        lambda: settings_of(
            config, data, mqtt={"url": mqtt}, pilots={"dirs": pilots_dir or None, "only": pilots}, store={"url": store}
        )
    )
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "items": [asdict(finding) for finding in findings], "next": None})
    else:
        _table(findings)
    if failed:
        raise typer.Exit(1)


def _table(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{finding.state:<7} {finding.name:<{width}}  {finding.what}")
        if finding.next_step:
            print(f"{'':<7} {'':<{width}}  -> {finding.next_step}")
