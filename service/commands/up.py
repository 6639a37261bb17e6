"""`rasad up`: everything in one process, plus Mosquitto as a child."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer

from service import memory
from service.logs import configure
from service.settings_load import load_settings


def up(
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).", envvar="RASAD_CONFIG")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all state.")] = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of API and console.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Use this broker and start none: mqtt://HOST:PORT.")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="Port of the broker that is started.")] = None,
    pilots_dir: Annotated[list[Path] | None, typer.Option(help="Folder with more pilots; may be repeated.")] = None,
    pilots: Annotated[str | None, typer.Option(help="Ids of the pilots to run, with commas.")] = None,
    store: Annotated[str | None, typer.Option(help="duckdb, or influxdb+http://HOST:PORT/?bucket=NAME.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Play simulated districts.")] = False,
    speed: Annotated[float, typer.Option(min=0.01, help="Speed of the simulation.")] = 1.0,
) -> None:
    """Run broker, ingest, store, API and console; print `rasad ready URL` when all is up."""
    host, port = split_address(http)
    settings = load_settings(
        config,
        {
            "service": {"data": data},
            "http": {"host": host, "port": port},
            "mqtt": {"url": mqtt},
            "broker": {"port": mqtt_port},
            "pilots": {"dirs": pilots_dir or None, "only": pilots},
            "store": {"url": store},
        },
    )
    configure(settings.log)
    import uvloop

    from service.up import Simulation, run

    memory.tune()
    try:
        uvloop.run(run(settings, Simulation(speed) if simulate else None))
    finally:
        gc.unfreeze()


def split_address(text: str | None) -> tuple[str | None, Any]:
    """Split HOST:PORT; a port alone means the default host."""
    if text is None:
        return None, None
    host, _, port = text.rpartition(":")
    return host.strip("[]") or None, int(port) if port.isdigit() else port
